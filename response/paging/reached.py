"""Who was reached lately, and so can be: by a page, or a test page, that the person answered."""

from collections.abc import Mapping

from facility import records
from facility.records import Kind, Record

PROOF_KINDS = (Kind.PAGE_ACKNOWLEDGED, Kind.PAGE_DECLINED, Kind.PAGE_TEST_ANSWERED)
"""Kinds whose records may show that somebody was reached."""

VALID_MS = 30 * 86_400_000
"""So long an answer shows that a channel works."""


def proof(record: Record) -> str:
    """Return the person whom a record shows to have been reached by a page; empty for nobody.

    What the operator wrote down for somebody says nothing about that person's channels.
    """
    match record.data:
        case records.PageAcknowledged(person=person, heard_by="") | records.PageDeclined(person=person):
            return "" if record.actor.startswith("user:") else person
        case records.PageTestAnswered(via=via) if via != "console":
            return next(iter(record.about), record.actor.removeprefix("person:"))
    return ""


def tell(reached: Mapping[str, int], record: Record) -> Mapping[str, int]:
    """Return when each person was last reached, after one more record; UTC milliseconds."""
    person = proof(record)
    if not person or reached.get(person, -1) >= record.at_ms:
        return reached
    return {**reached, person: record.at_ms}


def untested(people: Mapping[str, int], who: str, now: int) -> bool:
    """Say whether nothing shows that somebody can be reached."""
    return people.get(who, now - VALID_MS - 1) < now - VALID_MS
