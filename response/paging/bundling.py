"""How often one person's phone rings when much happens at once: a few messages singly, then many pages in one.

Nothing for a life is ever held back or bundled. Of everything else a person gets at most 3 messages in any minute and
10 in any ten: the third waits 10 s for others, later ones 90 s, and what waits for the same moment leaves as one
message. Each page keeps its own key and its own outcome. All of it follows from the records, so that a restart agrees.
"""

import hashlib
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from facility.records import (
    Kind,
    PageBundled,
    PageFailed,
    PageRefused,
    PageRequested,
    PageSent,
    Record,
    incident_subject,
)
from facility.rule import Priority
from facility.site import Site
from response.incident import Incident
from response.paging import words
from response.paging.page import UNSENT, PageState

SPAN_MS = 600_000
SINGLY = 2
"""So many messages in ten minutes leave at once, each with one page."""
GATHER_MS = 10_000
"""The next one waits so long for others."""
APART_MS = 90_000
"""From then on they are so far apart: never more than ten in ten minutes."""

Message = tuple[str, int, str]
"""Person, moment, and the key of the page that leaves alone; "" for the one message of all that wait for the moment."""

Group = tuple[str, str, int, int, str]
"""Incident, person, level, round, and why beside the levels: the pages that are channels of one call."""


class Letter(NamedTuple):
    """One message that is to leave now or at `not_before_ms`: one page, or several under the key of their bundle."""

    key: str
    not_before_ms: int
    text: str
    pages: tuple[PageState, ...]


def moment(taken: Sequence[int], at: int) -> int:
    """Return when a page that is due at a moment may leave: then, with the message that waits already, or later.

    `taken` are the moments of this person's messages, past and to come, in order.
    """
    near = taken[bisect_right(taken, at - SPAN_MS) : bisect_right(taken, at + SPAN_MS - 1)]
    behind = bisect_right(near, at)
    if behind < len(near) and near[behind] - at <= APART_MS:
        return near[behind]
    if len(near) < SINGLY:
        return at
    opens = at + GATHER_MS if len(near) == SINGLY else max(at, near[behind - 1] + APART_MS if behind else at)
    return near[behind] if behind < len(near) and near[behind] - opens < APART_MS else opens


class Ration:
    """What each person was sent and will be sent, below life, as the records tell it."""

    def __init__(self) -> None:
        self._taken: dict[str, list[int]] = {}  # person -> the moment of each message
        self._keys: dict[Message, set[str]] = {}  # message -> its pages
        self._message_of: dict[str, Message] = {}
        self._refused: set[str] = set()
        self._rung: dict[Group, str] = {}  # the newest page of a call
        self._held: dict[tuple[int, str, str], list[str]] = {}  # (moment, person, channel) -> pages that wait for it
        self._waits: dict[str, tuple[int, str, str]] = {}
        self._bundles: dict[str, PageBundled] = {}
        self._bundle_of: dict[str, str] = {}
        self._left: dict[str, tuple[int, str, str]] = {}  # pages in a bundle -> what they waited for

    # -- believing ------------------------------------------------------------------------------------------

    def tell(self, record: Record) -> None:
        """Believe one more record; only those of pages matter."""
        match record.data:
            case PageRequested() as data if data.priority > Priority.LIFE:
                self._requested(record.at_ms, data)
            case PageRefused(key=key) | PageFailed(key=key) if key in self._message_of:
                self._refused.add(key)
            case PageSent(key=key):
                self._refused.discard(key)
            case PageBundled() as data:
                self._bundles[data.key] = data
                for key in data.keys:
                    self._bundle_of[key] = data.key
                    if key in self._waits:
                        self._left[key] = self._waits[key]
                    self._no_longer_held(key)

    def forget(self, keys: Iterable[str]) -> None:
        """Forget the pages of an incident that is over: after a restart nobody would know of them either."""
        for key in keys:
            self._no_longer_held(key)
            self._left.pop(key, None)
            self._let_go(key)
            whole = self._bundles.get(self._bundle_of.pop(key, ""))
            if whole is not None and whole.keys[0] == key:  # what is left of the message leaves as another one
                del self._bundles[whole.key]
                for other in whole.keys:
                    if self._bundle_of.pop(other, None) and (waits := self._left.pop(other, None)):
                        self._hold(other, waits)
        self._rung = {group: key for group, key in self._rung.items() if key in self._message_of}

    def _requested(self, at: int, data: PageRequested) -> None:
        when = max(at, data.not_before_ms)
        group = (data.incident, data.person, data.level, data.round, data.why)
        if (before := self._rung.get(group)) is not None:  # the next channel takes the place of the first
            self._let_go(before)
        self._rung[group] = data.key
        message = (data.person, when, data.key if when <= at else "")
        taken = self._taken.setdefault(data.person, [])
        if message not in self._keys:
            self._keys[message] = set()
            insort(taken, when)
        self._keys[message].add(data.key)
        self._message_of[data.key] = message
        del taken[: bisect_left(taken, at - SPAN_MS)]
        if when > at:
            self._hold(data.key, (when, data.person, data.channel))

    def _hold(self, key: str, waits: tuple[int, str, str]) -> None:
        self._waits[key] = waits
        self._held.setdefault(waits, []).append(key)

    def _let_go(self, key: str) -> None:
        """Let a message count no more whose pages are all over, or left by another channel."""
        self._refused.discard(key)
        message = self._message_of.pop(key, None)
        if message is None:
            return
        pages = self._keys[message]
        pages.discard(key)
        if not pages:
            del self._keys[message]
            person, when, _ = message
            if when in (taken := self._taken[person]):
                taken.remove(when)

    def _no_longer_held(self, key: str) -> None:
        waits = self._waits.pop(key, None)
        if waits is not None and key in (keys := self._held.get(waits, [])):
            keys.remove(key)
            if not keys:
                del self._held[waits]

    # -- deciding -------------------------------------------------------------------------------------------

    def held(self, asked: Sequence[Record]) -> list[Record]:
        """Return the records with every page below life put off to the moment at which its person may be called."""
        return [
            replace(r, data=self._put_off(r.at_ms, r.data))
            if isinstance(r.data, PageRequested) and r.data.priority > Priority.LIFE
            else r
            for r in asked
        ]

    def _put_off(self, at: int, data: PageRequested) -> PageRequested:
        due = max(at, data.not_before_ms)
        taken = list(self._taken.get(data.person, ()))
        group = (data.incident, data.person, data.level, data.round, data.why)
        before = self._message_of.get(self._rung.get(group, ""))
        if before is not None and self._keys[before] <= self._refused and before[1] in taken:
            taken.remove(before[1])  # nobody got that one: the other channel takes its place
        if due > at and (data.person, due, "") in self._keys:  # it waits for the day, like others
            return data
        when = moment(taken, due)
        return data if when == due else replace(data, not_before_ms=when)

    def due(self) -> int | None:
        """Return the next moment at which pages that wait may leave."""
        return min((when for when, _, _ in self._held), default=None)

    def decide(
        self, now: int, incidents: Mapping[str, Incident], pages: Callable[[str], PageState | None], site: Site
    ) -> list[Record]:
        """Return what pages leave together of those whose moment has come; one alone leaves as it is."""
        for waits in sorted(w for w in self._held if w[0] <= now):
            when, person, channel = waits
            found = [page for k in self._held[waits] if (page := pages(k)) is not None and page.state in UNSENT]
            found = [p for p in found if not incidents[p.incident].life]
            if len(found) <= 1:
                for key in self._held.pop(waits):
                    del self._waits[key]
            else:
                found.sort(key=lambda p: (incidents[p.incident].priority, p.requested_ms))
                first = incidents[found[0].incident]
                names = tuple(p.key for p in found)
                text = words.bundle_text(found[0].text, [incidents[p.incident] for p in found[1:]], site)
                data = PageBundled(bundle_key(names), person, channel, names, text)
                at = max(when, first.last_ms)
                subject = incident_subject(first.id)
                return [Record(at, Kind.PAGE_BUNDLED, subject, data, request=data.key, about=(person,))]
        return []

    def letters(self, due: Iterable[PageState], waits: Callable[[str], PageState | None]) -> list[Letter]:
        """Return what is to be sent, the longest due first: pages alone, and bundles once each.

        `waits` gives a page as long as it waits to be sent: those that leave with one that is due.
        """
        out: list[Letter] = []
        bundled: dict[str, None] = {}
        for page in due:
            if (whole := self._bundle_of.get(page.key)) is not None:
                bundled[whole] = None
            elif page.key not in self._waits or page.not_before_ms < self._waits[page.key][0]:  # it became a life
                out.append(Letter(page.key, page.not_before_ms, page.text, (page,)))
        for key in bundled:
            mine = (k for k in self._bundles[key].keys if self._bundle_of.get(k) == key)
            pages = sorted((p for k in mine if (p := waits(k))), key=lambda p: (p.not_before_ms, p.requested_ms))
            when = min(p.not_before_ms for p in pages)
            out.append(Letter(key, when, self._bundles[key].text, tuple(pages)))
        return out


def bundle_key(keys: Collection[str]) -> str:
    """Return the key of a message of several pages: the same whenever the same pages leave together."""
    return hashlib.sha256("|".join(("bundle", *sorted(keys))).encode()).hexdigest()[:24]
