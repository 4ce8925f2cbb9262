"""What a responder must know of a machine, and what a passer-by may."""

from api.phone.saying import Dial, Say, dial, number_in
from facility.equipment import Card, Equipment
from facility.person import Party
from facility.site import Site
from response import duty


def dials(site: Site, card: Card, now_ms: int, say: Say) -> tuple[Dial, ...]:
    """Return what is called first: the duty room, the car; and where the key is."""
    out = list(_duty_room(site, now_ms, say))
    if card.intercom:
        out.append(dial(say("car"), card.intercom))
    if card.key_cabinet:
        out.append(Dial(say("key"), card.key_cabinet))
    return tuple(out)


def card_rows(site: Site, machine: Equipment | None, say: Say) -> tuple[Dial, ...]:
    """Return the responder's card; what is not on file says so."""
    card = machine.card if machine else Card()
    rows = [
        Dial(say("place"), say.text(machine.place) if machine else ""),
        Dial(say("registration"), card.registration or say("unknown")),
        Dial(say("rescue_code"), card.rescue_code or say("unknown")),
        _party("contractor", site.parties.get(card.contractor), say),
        _party("deputy", site.parties.get(card.deputy), say),
        dial(say("intercom"), card.intercom or say("unknown")),
        Dial(say("key_cabinet"), card.key_cabinet or say("unknown")),
        Dial(say("isolator"), card.isolator or say("unknown")),
        Dial(say("camera"), card.camera or say("unknown")),
        Dial(say("responsible"), card.responsible),
    ]
    return tuple(row for row in rows if row.text)


def public_card(site: Site, machine: Equipment, language: str) -> tuple[str, str, list[Dial], list[str]]:
    """Return name, place, whom to call and what not to do: what anybody before the machine may read.

    Keys, isolators, cameras and intercoms are not for everybody, nor is the phone of whoever is on duty.
    """
    say, card = Say(site, language), machine.card
    rows = [
        Dial(say("registration"), card.registration),
        Dial(say("rescue_code"), card.rescue_code),
        _party("contractor", site.parties.get(card.contractor), say),
    ]
    never = [say.text(text) for text in card.never]
    return say.text(machine.name), say.text(machine.place), [row for row in rows if row.text], never


def _duty_room(site: Site, now_ms: int, say: Say) -> list[Dial]:
    desk = map(site.people.get, duty.on_duty(site, "operator", now_ms))
    number = next((p.phone for p in desk if p and p.phone), "")
    return [dial(say("duty_room"), number)] if number else []


def _party(label: str, party: Party | None, say: Say) -> Dial:
    if party is None:
        return Dial("", "")
    return Dial(say(label), f"{say.text(party.name)} {party.phone}", number_in(party.phone))
