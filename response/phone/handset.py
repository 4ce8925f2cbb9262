"""What the phone page adds to an incident: its links and devices, who will be there when, who takes over, photos."""

from collections.abc import Mapping
from typing import TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from facility.records import (
    LinksRevoked,
    LinkUsed,
    PageAcknowledged,
    PageDeclined,
    Payload,
    PhotoAdded,
    PhotoErased,
    ResponderFinished,
    WorkOffered,
    WorkTaken,
)

_Value = TypeVar("_Value")

HEARS = (
    LinkUsed,
    LinksRevoked,
    PageAcknowledged,
    PageDeclined,
    PhotoAdded,
    PhotoErased,
    ResponderFinished,
    WorkOffered,
    WorkTaken,
)
"""The payloads that change it."""


class Photo(Struct, frozen=True):
    """A photo by its SHA-256; `erased` when its file is gone for good."""

    photo: str
    person: str
    at_ms: int
    step: str = ""
    erased: bool = False


class Handset(Struct, frozen=True):
    """As the records tell it; people by their ids."""

    generations: Mapping[str, int] = field(default_factory=dict)  # of a person's links; older ones are revoked
    devices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # that acted by a person's link
    there_ms: Mapping[str, int] = field(default_factory=dict)  # when somebody means to be there
    offers: Mapping[str, str] = field(default_factory=dict)  # who asks -> who is asked to take over
    handed: Mapping[str, str] = field(default_factory=dict)  # whose work it was -> who took it
    photos: tuple[Photo, ...] = ()

    def asked_by(self, person: str) -> tuple[str, ...]:
        """Return who asks this person to take over."""
        return tuple(who for who, to in self.offers.items() if to == person)


NEW = Handset()


def tell(handset: Handset, at_ms: int, data: Payload) -> Handset:  # noqa: C901, PLR0911 - one case per kind
    """Return it after one more record."""
    match data:
        case LinkUsed(person=person, device=device):
            mine = handset.devices.get(person, ())
            return handset if device in mine else replace(handset, devices={**handset.devices, person: (*mine, device)})
        case LinksRevoked(person=person, generation=generation):
            return replace(handset, generations={**handset.generations, person: generation})
        case PageAcknowledged(person=person, eta_min=minutes):
            there = _without(handset.there_ms, person)
            if minutes:
                there[person] = at_ms + minutes * 60_000
            return replace(handset, there_ms=there, handed=_without(handset.handed, person))
        case PageDeclined(person=person):
            offers = {who: to for who, to in handset.offers.items() if person not in {who, to}}
            return replace(handset, offers=offers, there_ms=_without(handset.there_ms, person))
        case ResponderFinished(person=person):
            return replace(handset, offers=_without(handset.offers, person))
        case WorkOffered(person=person, to=to):
            offers = _without(handset.offers, person)
            return replace(handset, offers={**offers, person: to} if to else offers)
        case WorkTaken(person=person, of=who):
            return replace(handset, offers=_without(handset.offers, who), handed={**handset.handed, who: person})
        case PhotoAdded(person=person, photo=photo, step=step):
            return replace(handset, photos=(*handset.photos, Photo(photo, person, at_ms, step)))
        case PhotoErased(photo=photo):
            photos = tuple(replace(p, erased=p.erased or p.photo == photo) for p in handset.photos)
            return replace(handset, photos=photos)
    return handset


def _without(mapping: Mapping[str, _Value], key: str) -> dict[str, _Value]:
    return {k: v for k, v in mapping.items() if k != key}
