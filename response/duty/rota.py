"""The roster as it is changed at run time: a fold of records over what the files say, and what people ask of it."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from facility import records
from facility.commands import AgreeSwap, ChangeRoster, Command, Refused, RevokeCalendar, RevokeChange
from facility.duty import Roster
from facility.records import Kind, Record, calendar_subject, roster_subject
from facility.site import Site
from facility.text import Text
from response.context import Context
from response.duty import change
from response.duty.change import LAPSED, OVER, PROPOSED, REVOKED, SWAP, Change
from response.duty.exchange import against, opened_by

ASKS = (ChangeRoster, AgreeSwap, RevokeChange, RevokeCalendar)
"""The commands that are asked here."""

KEPT_MS = 86_400_000
"""So long a change that is over still stands among the others, for whoever looks back on the night."""

NOT_FOUND = Refused(
    "not-found",
    Text(
        "没有这条排班变更，可能已结束。请刷新页面。", "There is no such change to the roster; it may be over. Reload."
    ),
)
_OVER = Refused(
    "conflict", Text("这条变更已结束或已撤销。", "This change is over already, or was taken back; nothing was changed.")
)
_NOT_YOURS = Refused(
    "forbidden",
    Text(
        "只能提出、同意或谢绝自己的换班；其余由主管登记。",
        "You may propose, agree to or decline an exchange of your own shift; a supervisor enters everything else.",
    ),
)
_WHY = Refused("invalid", Text("请写明原因（不要写病情）。", "Say why (but nothing about anybody's health)."))


class Rota:
    """All changes that are not long over, as the records tell them."""

    def __init__(self) -> None:
        self._changes: dict[str, Change] = {}
        self._generations: dict[str, int] = {}  # of calendar links, by whose
        self._version = 0
        self._made: tuple[Site, int, Site] | None = None  # from which site, at which version, came which

    # -- believing ------------------------------------------------------------------------------------------

    def tell(self, record: Record) -> None:
        """Believe one more record; what is not about the roster is passed over."""
        family, _, id = record.subject.partition(":")
        if family == "calendar" and isinstance(record.data, records.CalendarRevoked):
            self._generations[id] = record.data.generation
        if family != "roster":
            return
        if isinstance(record.data, records.RosterChanged):
            self._changes[id] = change.changed(id, record, record.data)
        elif id in self._changes:
            self._changes[id] = change.tell(self._changes[id], record)
        self._version += 1

    def changes(self) -> Mapping[str, Change]:
        """Return the changes by id, those just over too until `drop_over`."""
        return self._changes

    def drop_over(self, now: int) -> list[str]:
        """Forget what was over, taken back or left unanswered a day ago; return its subjects."""
        gone = [id for id, c in self._changes.items() if _ended_ms(c, now) + KEPT_MS <= now]
        for id in gone:
            del self._changes[id]
            self._version += 1
        return [roster_subject(id) for id in gone]

    def generation(self, whose: str) -> int:
        """Return which generation of links to a calendar holds."""
        return self._generations.get(whose, 0)

    def generations(self) -> Mapping[str, int]:
        """Return the generations of links that were raised, by whose they are."""
        return dict(self._generations)

    def site(self, site: Site) -> Site:
        """Return the site with its roster as changed; the same one for as long as nothing changes."""
        if not self._changes:
            return site
        if self._made is None or self._made[0] is not site or self._made[1] != self._version:
            roster = overlaid(site.roster, self._changes)
            self._made = (site, self._version, site.with_roster(roster, f"{site.hash}+{self._version}"))
        return self._made[2]

    # -- what people ask ------------------------------------------------------------------------------------

    def ask(self, context: Context, command: Command) -> list[Record] | Refused:
        """Return the records of a command, or why not. A request that was already seen changes nothing."""
        if any(command.request in c.requests for c in self._changes.values()):
            return []
        match command:
            case ChangeRoster():
                return self._change(context, command)
            case RevokeCalendar(whose=whose):
                data = records.CalendarRevoked(self.generation(whose) + 1)
                subject = calendar_subject(whose)
                kind = Kind.CALENDAR_REVOKED
                return [Record(context.now, kind, subject, data, command.actor, command.request, _about(whose))]
            case AgreeSwap() | RevokeChange():
                found = self._changes.get(command.change)
                if found is None:
                    return NOT_FOUND
                if isinstance(command, AgreeSwap):
                    return self._agree(context, command, found)
                return _revoke(context.now, command, found)
        raise TypeError(type(command).__name__)

    def _change(self, context: Context, command: ChangeRoster) -> list[Record] | Refused:
        if command.own and (command.what != SWAP or command.own != command.person):
            return _NOT_YOURS
        if not command.reason.strip():
            return _WHY
        said = records.RosterChanged(
            command.what, command.person, command.role, max(command.from_ms, context.now), command.to_ms,
            command.reason.strip(), command.other, command.other_from_ms, command.other_to_ms, not command.own,
        )  # fmt: skip
        no = against(context.site, said, context.now)
        if no is not None:
            return no
        id = hashlib.sha256(command.request.encode()).hexdigest()[:10]
        said = replace(said, opens=len(opened_by(context.site, said)))
        about = tuple(dict.fromkeys(who for who in (said.person, said.other) if who))
        kind = Kind.ROSTER_CHANGED
        return [Record(context.now, kind, roster_subject(id), said, command.actor, command.request, about)]

    def _agree(self, context: Context, command: AgreeSwap, found: Change) -> list[Record] | Refused:
        if command.own and command.own != found.said.other:
            return _NOT_YOURS
        if found.state(context.now) != PROPOSED:
            return _OVER
        no = against(context.site, found.said, context.now)  # the roster may have changed since it was proposed
        if no is not None:
            return no
        return [_write(context.now, Kind.ROSTER_AGREED, found, records.RosterAgreed(command.own), command)]


def overlaid(roster: Roster, changes: Mapping[str, Change]) -> Roster:
    """Return a roster with changes over it, in the order in which they came to hold."""
    held = sorted((c for c in changes.values() if c.agreed_ms is not None), key=lambda c: (c.agreed_ms or 0, c.id))
    leaves = tuple(leave for c in held if (leave := c.leave) is not None)
    covers = tuple(cover for c in held for cover in c.covers)
    return replace(roster, leaves=(*roster.leaves, *leaves), covers=(*roster.covers, *covers))


def _revoke(now: int, command: RevokeChange, found: Change) -> list[Record] | Refused:
    state = found.state(now)
    theirs = command.own in {found.said.person, found.said.other} and state == PROPOSED
    if command.own and not theirs:
        return _NOT_YOURS
    if state in {OVER, REVOKED, LAPSED}:
        return _OVER
    if not command.reason.strip():
        return _WHY
    data = records.RosterRevoked(command.reason.strip(), command.own)
    return [_write(now, Kind.ROSTER_REVOKED, found, data, command)]


def _write(now: int, kind: Kind, found: Change, data: records.Payload, command: Command) -> Record:
    about = tuple(dict.fromkeys(who for who in (found.said.person, found.said.other) if who))
    return Record(max(now, found.at_ms), kind, roster_subject(found.id), data, command.actor, command.request, about)


def _about(whose: str) -> tuple[str, ...]:
    family, _, id = whose.partition(":")
    return (id,) if family == "person" else ()


def _ended_ms(change: Change, now: int) -> int:
    if change.revoked_ms is not None:
        return change.revoked_ms
    return change.begins_ms if change.state(now) == LAPSED else change.ends_ms
