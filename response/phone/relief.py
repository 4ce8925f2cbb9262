"""What people ask on the phone page beside coming and doing: to be relieved, new links, photos."""

from facility import records
from facility.commands import AddPhoto, Command, ErasePhoto, HandOver, Refused, RevokeLinks, UseLink
from facility.plan import Plan
from facility.records import Payload, Record
from facility.site import Site
from facility.text import Text
from response.context import Context
from response.incident import CLOSED, Incident
from response.lines import write
from response.paging import words
from response.paging.requests import channels, page_key

ASKS = (HandOver, UseLink, AddPhoto)
"""Asked of an open incident."""
EVEN_OVER = (RevokeLinks, ErasePhoto)
"""Asked of an incident whether it is open or over."""

DEVICES = 8
"""So many devices of one link are written down; a browser that keeps no cookie looks like a new one each time."""
PHOTOS = 60
"""Photos of one incident."""
LATE_MS = 15_000
"""A press that was under way for so long was kept on the phone; its own time is written beside it."""

Said = list[tuple[Payload, str]]


def ask(incident: Incident, plan: Plan | None, site: Site, command: Command) -> Said | Refused:
    """Return what a command makes, each payload with the person it tells of; or why not."""
    match command:
        case HandOver(person=person) | UseLink(person=person) | AddPhoto(person=person) if (
            command.actor.startswith("person:") and command.actor != f"person:{person}"
        ):
            return Refused("forbidden", Text("此链接属于另一人，请用自己的链接。", "This link is another person's."))
        case HandOver():
            return _hand_over(incident, plan, site, command)
        case UseLink(person=person, device=device, app=app):
            known = incident.handset.devices.get(person, ())
            if device in known or len(known) >= DEVICES:
                return []
            return [(records.LinkUsed(person, device, app, len(known) + 1), person)]
        case AddPhoto():
            return _add_photo(incident, command)
    raise TypeError(type(command).__name__)


def ask_even_over(incident: Incident | None, context: Context, command: Command) -> list[Record] | Refused:
    """Return the records of a command that an incident need not be open for; None stands for one that is over."""
    open_ = incident is not None and incident.stage != CLOSED
    at = max(context.now, incident.last_ms) if incident else context.now
    subject = records.incident_subject(str(getattr(command, "incident", "")))
    match command:
        case RevokeLinks(person=person):
            now = incident.handset.generations.get(person, 0) if incident else command.generation
            data = records.LinksRevoked(person, now + 1)
            kind = records.Kind.LINK_REVOKED
            out = [Record(at, kind, subject, data, command.actor, command.request, (person,))]
            plan = context.plan(incident) if incident else None
            if incident and open_ and plan and _needs_link(incident, person):
                pages = _pages(incident, plan, context.site, person, command.request, words.NEW_LINK)
                out += [write(incident, at, page, person, request=page.key) for page in pages]
            return out
        case ErasePhoto(photo=photo, reason=reason):
            if not reason.strip():
                return Refused("invalid", Text("请填写删除原因。", "The reason for erasing it is missing."))
            erased = records.PhotoErased(photo, reason.strip())
            return [Record(at, records.Kind.PHOTO_ERASED, subject, erased, command.actor, command.request)]
    raise TypeError(type(command).__name__)


def late(incident: Incident, command: Command, at_ms: int) -> Said:
    """Return that a press was made a while ago, where the phone says so and can be right."""
    pressed, person = command.pressed_ms, str(getattr(command, "person", ""))
    if not incident.opened_ms <= pressed <= at_ms - LATE_MS:
        return []
    return [(records.PressLate(person, type(command).__name__, pressed), person)]


def may_take(incident: Incident, plan: Plan | None, site: Site, person: str) -> list[str]:
    """Return who may be asked to take over: whoever was called to come or has a responder's role, and can be paged.

    Those called come first; who is on the way, there, or done is not asked.
    """
    busy = {person, *incident.accepted, *incident.arrived, *incident.finished}
    roles = {c.role for level in plan.levels for c in level.calls if c.responder} if plan else set()
    machine = site.equipment.get(incident.equipment)
    firms = [machine.card.contractor, machine.card.deputy] if machine else []
    trade = [p.id for p in site.people.values() if roles & {*p.roles}]
    called = [who for who, as_ in incident.called.items() if as_.responder]
    found = dict.fromkeys([*called, *trade, *(firm for firm in firms if firm)])
    return [who for who in found if who not in busy and channels(site, who)]


def _hand_over(  # noqa: PLR0911 - one no after the other
    incident: Incident, plan: Plan | None, site: Site, command: HandOver
) -> Said | Refused:
    person, to = command.person, command.to
    before = incident.handset.offers.get(person, "")
    if not to:
        return [(records.WorkOffered(person, ""), person)] if before else []
    if person not in incident.accepted and person not in incident.arrived:
        return Refused("conflict", Text("此人尚未接单或到场。", "This person has neither accepted nor arrived."))
    if person in incident.finished:
        return Refused("conflict", Text("此人已处理完毕，无需移交。", "This person has finished already."))
    if to in incident.accepted or to in incident.arrived:
        return Refused(
            "conflict",
            Text(
                "对方已在途或到场。您这边做完后请直接按“处理完毕”。",
                "They are on the way or there already. When your part is done, press “My work is done”.",
            ),
        )
    if plan is None or to not in may_take(incident, plan, site, person):
        return Refused(
            "forbidden",
            Text(
                "不能移交给此人：不属于本预案的响应岗位，或没有可用的呼叫方式。请另选一人。",
                "It cannot be handed to them: no responding role in this plan, or no way to page them. Choose another.",
            ),
        )
    if before == to:
        return []
    said: Said = [(records.WorkOffered(person, to), person)]
    pages = _pages(incident, plan, site, to, command.request, words.TAKE_OVER)
    return said + [(page, to) for page in pages]


def _add_photo(incident: Incident, command: AddPhoto) -> Said | Refused:
    if command.person not in {*incident.called, *incident.accepted, *incident.arrived}:
        return Refused("forbidden", Text("此人未被呼叫，不能添加照片。", "This person was not called to it."))
    if any(p.photo == command.photo for p in incident.handset.photos):
        return []
    if len(incident.handset.photos) >= PHOTOS:
        return Refused("conflict", Text("照片已满（60 张）。", "There are 60 photos already; no more are kept."))
    data = records.PhotoAdded(command.person, command.photo, command.bytes, command.step)
    return [(data, command.person)]


def _needs_link(incident: Incident, person: str) -> bool:
    return person in incident.called and person not in incident.finished and person not in incident.declined


def _pages(
    incident: Incident, plan: Plan, site: Site, person: str, request: str, why: Text
) -> list[records.PageRequested]:
    """Return a page on every channel of a person, outside the rounds of the escalation: its key is the press's."""
    called = incident.called.get(person)
    known = site.people.get(person) or site.parties.get(person)
    roles = [*(called.roles if called else ()), *(known.roles if known else ())]
    beside = "over" if why is words.TAKE_OVER else "link"
    responder = why is words.TAKE_OVER or bool(called and called.responder)
    text = words.asked_text(incident, plan, site, why)
    return [
        records.PageRequested(
            page_key(incident.id, incident.level, incident.round, person, channel, f"{beside}/{request}"),
            incident.id,
            person,
            channel,
            incident.level,
            incident.round,
            responder,
            text,
            roles[0] if roles else "",
            why=beside,
        )
        for channel in channels(site, person)
    ]
