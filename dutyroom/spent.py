"""What was asked of providers before this start, read from the book: their limits do not begin anew with us."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, runtime_checkable

from dutyroom.dispatch import Addressee
from facility import records
from facility.ports import Pager, Written
from facility.records import Kind
from response.pagers.allowance import NOT_ASKED

DAY_MS = 86_400_000
"""The longest span of any provider's limit."""

MOST = 20_000
"""Records that are read at the start, the newest: a day of 5,000 pages."""

KINDS = (
    Kind.PAGE_REQUESTED,
    Kind.PAGE_SENT,
    Kind.PAGE_REFUSED,
    Kind.PAGE_TEST_REQUESTED,
    Kind.PAGE_TEST_SENT,
    Kind.PAGE_TEST_REFUSED,
)

_LETTER = re.compile(r"\[([0-9a-f]+)\] ")
"""Before the provider's words where several pages left in one message: the message's key."""


@runtime_checkable
class Counting(Protocol):
    """A pager that counts what its provider was asked."""

    def spent(self, address: str, at_ms: int) -> None:
        """Count a page that was handed over at a moment, before this start."""


def limited(pagers: Mapping[str, Pager]) -> bool:
    """Say whether any provider has limits, so that it is worth half a second of the start to read what was asked."""
    return any(isinstance(pager, Counting) for pager in pagers.values())


def count(
    written: Iterable[Written], pagers: Mapping[str, Pager], address: Callable[[str, str, str], Addressee | None]
) -> int:
    """Count the pages of these records (in any order) to the pagers that they left by; return how many.

    A refusal counts as well, since the provider was asked; a message with several pages in it counts once.
    """
    asked: dict[str, tuple[str, str]] = {}
    handed: dict[tuple[str, int], tuple[int, str]] = {}
    for record in (w.record for w in written):
        match record.data:
            case records.PageRequested(key=key, person=person, channel=channel):
                asked[key] = (person, channel)
            case records.PageTestRequested(key=key, person=person, channel=channel):
                asked[key] = (person, channel)
            case records.PageSent(key=key, said=said) | records.PageTestSent(key=key, said=said):
                letter = _LETTER.match(said)
                handed[letter[1] if letter else key, record.at_ms] = (record.at_ms, key)
            case records.PageRefused(key=key, said=said) | records.PageTestRefused(key=key, said=said):
                letter = _LETTER.match(said)
                if not said[letter.end() if letter else 0 :].startswith(NOT_ASKED):
                    handed[letter[1] if letter else key, record.at_ms] = (record.at_ms, key)
    counted = 0
    for at_ms, key in sorted(handed.values()):
        person, channel = asked.get(key, ("", ""))
        pager, where = pagers.get(channel), address(person, channel, "") if person else None
        if isinstance(pager, Counting) and where is not None:
            pager.spent(where.address, at_ms)
            counted += 1
    return counted
