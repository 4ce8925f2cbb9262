"""Whether what the engine believes of its incidents is what the book says, and nothing that was due is missing."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from facility.records import Kind, PageRequested, Record
from response.agenda import agenda
from response.context import Context
from response.incident import CLOSED, Incident

GRACE_MS = 10_000
"""So long after its moment a record may still be on its way to the book."""

_FIELDS = ("stage", "priority", "level", "round", "accepted", "arrived", "declined", "finished")


class Found(NamedTuple):
    """A difference: of which incident, missing | state | unknown, and in words."""

    incident: str
    what: str
    said: str


def check(
    written: Iterable[Record], refolded: Mapping[str, Incident], believed: Mapping[str, Incident], context: Context
) -> list[Found]:
    """Return where the engine's belief differs from the book, or where something that was due was not done.

    `written` are the records of the open incidents, or only those that request pages; `refolded` is what a fresh fold
    makes of all, `believed` what the engine holds at the same record; `context.now` is the moment of the look.
    """
    asked: dict[str, set[str]] = {}
    for record in written:
        if record.kind is Kind.PAGE_REQUESTED and isinstance(record.data, PageRequested):
            asked.setdefault(record.data.incident, set()).add(record.data.key)
    found: list[Found] = []
    for id, true in refolded.items():
        if true.stage == CLOSED:
            continue
        held = believed.get(id)
        if held is None:
            found.append(Found(id, "unknown", "open in the book, and not in the engine"))
            continue
        found += (Found(id, "state", said) for said in _differs(true, held, asked.get(id, set())))
        plan = context.plan(true)
        due = min(agenda(true, plan, context.site), default=None) if plan else None
        if due is not None and due.at_ms + GRACE_MS <= context.now:
            found.append(Found(id, "missing", f"{due.what} {due.which} was due {context.now - due.at_ms} ms ago"))
    return found


def _differs(true: Incident, held: Incident, asked: set[str]) -> list[str]:
    """Return in words what differs between the book and the belief of one incident."""
    out = [
        f"{name}: {getattr(true, name)} in the book, {getattr(held, name)} believed"
        for name in _FIELDS
        if getattr(true, name) != getattr(held, name)
    ]
    lost = [key for key in true.pages if key not in held.pages]
    phantom = [key for key in held.pages if key not in asked]
    moved = [key for key, page in true.pages.items() if key in held.pages and held.pages[key].state != page.state]
    out += [
        f"{len(keys)} pages {word}: {keys[0]}"
        for keys, word in ((lost, "forgotten"), (phantom, "invented"), (moved, "in another state"))
        if keys
    ]
    return out
