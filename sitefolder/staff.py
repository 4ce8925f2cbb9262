"""Builds people, parties and the roster, and checks that every shift has somebody who may do the work."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from facility.duty import Layer, Leave, Roster, Shift
from facility.person import Party, Person
from facility.plan import Plan
from facility.text import Text
from sitefolder.calendarfile import CalendarTable, DayTable, calendar_of
from sitefolder.document import Document, Entry
from sitefolder.library import Library
from sitefolder.peoplefile import ChannelTable, PartyTable, PersonTable
from sitefolder.rosterfile import LayerTable, LeaveTable, ShiftTable

OFF = "off"
ALWAYS = "always"  # round the clock, without a shift of its own
BY_CARD = frozenset({"contractor", "deputy", "holder"})
"""Who answers to these is written on the machine's card, or on the permit."""


@dataclass
class Staff:
    """What people.toml says."""

    people: dict[str, Person] = field(default_factory=dict)
    parties: dict[str, Party] = field(default_factory=dict)
    doubted: set[str] = field(default_factory=set)  # people who were refused


def staff_of(document: Document, library: Library) -> Staff:
    """Read everything in people.toml."""
    document.known(("person", "party"))
    staff = Staff()
    for person in document.entries("person", PersonTable):
        _roles(person, person.value.roles, library.roles)
        _channels(person, person.value.channels, library)
        for index, certificate in enumerate(person.value.certificates):
            if certificate.kind not in library.certificates:
                person.error(
                    ("certificates", index, "kind"),
                    f"没有证书种类 {certificate.kind}",
                    f"there is no certificate {certificate.kind}",
                )
        staff.people[person.value.id] = person.value.person()
    parties = document.entries("party", PartyTable)
    for party in parties:
        _roles(party, party.value.roles, library.party_roles)
        _channels(party, party.value.channels, library)
        if party.value.id in staff.people:
            party.error(("id",), "已是人员的编号", "is the id of a person")
        staff.parties[party.value.id] = party.value.party()
    for party in parties:
        deputy = party.value.deputy
        if deputy is not None and deputy not in {*staff.parties, *document.broken.get("party", set())}:
            party.error(("deputy",), f"没有单位 {deputy}", f"there is no party {deputy}")
    staff.doubted = document.broken.get("person", set())
    return staff


def roster_of(document: Document, library: Library, staff: Staff, zone: ZoneInfo) -> Roster:
    """Read everything in roster.toml."""
    document.known(("shift", "layer", "leave", "calendar", "day"))
    shifts = {entry.value.id: entry.value.shift() for entry in document.entries("shift", ShiftTable)}
    known = {*shifts, OFF, ALWAYS, *document.broken.get("shift", set())}
    layers = []
    for entry in document.entries("layer", LayerTable):
        if _layer_fits(entry, known, library, staff):
            layer = entry.value.layer()
            layers.append(layer)
            _covered(entry, layer, staff)
    leaves = [
        leave for entry in document.entries("leave", LeaveTable) if (leave := _leave(entry, staff, zone)) is not None
    ]
    table = document.model(CalendarTable, ("calendar",)) if "calendar" in document.data else None
    days = [entry.value for entry in document.entries("day", DayTable)]
    calendar = calendar_of(zone.key, table or CalendarTable(), days)
    return Roster(_ordered(shifts.values()), tuple(layers), tuple(leaves), calendar=calendar)


def manned(
    document: Document, staff: Staff, plans: Iterable[Plan], machines: set[str], roles: Mapping[str, Text]
) -> None:
    """See that every role that a plan of this site's machines pages is somebody's."""
    if staff.doubted or document.broken.get("party"):
        return  # whoever was refused may have it
    have = {role for person in staff.people.values() for role in person.roles} | BY_CARD
    have |= {role for party in staff.parties.values() for role in party.roles}
    wanted: dict[str, list[str]] = {}
    for plan in plans:
        if not plan.kinds or machines.intersection(plan.kinds):
            for role in {call.role for level in plan.levels for call in level.calls} - have:
                wanted.setdefault(role, []).append(plan.id)
    for role, by in sorted(wanted.items()):
        label = roles[role].zh if role in roles else role
        named = ", ".join(sorted(by))
        document.error(
            ("person",),
            f"预案（{named}）要呼叫{label}，但没有这样的人或单位",
            f"nobody has the role {role}, whom plans page ({named})",
        )


def _ordered(shifts: Iterable[Shift]) -> tuple[Shift, ...]:
    return tuple(sorted(shifts, key=lambda shift: (shift.start, shift.id)))


def _roles(entry: Entry[PersonTable] | Entry[PartyTable], roles: Iterable[str], known: Iterable[str]) -> None:
    for role in roles:
        if role not in known:
            entry.error(("roles",), f"没有角色 {role}", f"there is no role {role}")


def _channels(
    entry: Entry[PersonTable] | Entry[PartyTable], channels: Iterable[ChannelTable], library: Library
) -> None:
    for index, channel in enumerate(channels):
        if channel.kind not in library.channels:
            entry.error(
                ("channels", index, "kind"), f"没有通知渠道 {channel.kind}", f"there is no channel {channel.kind}"
            )


def _layer_fits(entry: Entry[LayerTable], shifts: set[str], library: Library, staff: Staff) -> bool:
    """Check one layer's references; whether its cycle can be walked through at all."""
    table = entry.value
    if table.role not in library.roles:
        entry.error(("role",), f"没有角色 {table.role}", f"there is no role {table.role}")
    unknown = sorted(set(table.cycle) - shifts)
    for shift in unknown:
        entry.error(("cycle",), f"没有班次 {shift}", f"there is no shift {shift}")
    uneven = table.offsets is not None and len(table.offsets) != len(table.teams)
    if uneven:
        entry.error(("offsets",), "每个班组一个偏移", "needs one offset per team")
    for certificate in table.certificates:
        if certificate not in library.certificates:
            entry.error(("certificates",), f"没有证书种类 {certificate}", f"there is no certificate {certificate}")
    _members(entry, [person for team in table.teams for person in team], staff)
    return not unknown and not uneven


def _members(entry: Entry[LayerTable], members: list[str], staff: Staff) -> None:
    table = entry.value
    for person in sorted({person for person in members if members.count(person) > 1}):
        entry.error(("teams",), f"{person} 在两个班组里", f"{person} is in two teams")
    for person in members:
        if person in staff.people:
            if table.role not in staff.people[person].roles:
                entry.error(
                    ("teams",), f"{person} 没有角色 {table.role}", f"{person} does not have the role {table.role}"
                )
        elif person not in staff.doubted:
            entry.error(("teams",), f"没有人员 {person}", f"there is no person {person}")


def _covered(entry: Entry[LayerTable], layer: Layer, staff: Staff) -> None:
    """Walk once through the cycle: every shift in it must have its people and certificates, leaves aside."""
    for shift in sorted(set(layer.cycle) - {OFF}):
        for day in range(len(layer.cycle)):
            on_duty = [
                person
                for team, offset in zip(layer.teams, layer.offsets, strict=True)
                if layer.cycle[(day + offset) % len(layer.cycle)] == shift
                for person in team
            ]
            if _short(entry, layer, shift, day + 1, on_duty, staff):
                break


def _short(entry: Entry[LayerTable], layer: Layer, shift: str, day: int, on_duty: list[str], staff: Staff) -> bool:
    """Say what one shift of one day of the cycle lacks; whether it lacks anything."""
    least = max(layer.minimum, 1)
    if len(on_duty) < least:
        entry.error(
            ("teams",),
            f"循环第 {day} 天的 {shift} 班只有 {len(on_duty)} 人，至少 {least} 人",
            f"shift {shift} has {len(on_duty)} people on day {day} of the cycle, needs {least}",
        )
        return True
    people = [staff.people[person] for person in on_duty if person in staff.people]
    if len(people) < len(on_duty):  # what somebody holds who is not known cannot be counted
        return False
    for certificate, needed in layer.certificates:
        have = sum(any(c.kind == certificate for c in person.certificates) for person in people)
        if have < needed:
            entry.error(
                ("certificates",),
                f"循环第 {day} 天的 {shift} 班持 {certificate} 的只有 {have} 人，要 {needed} 人",
                f"shift {shift} on day {day} of the cycle has {have} people with {certificate}, needs {needed}",
            )
            return True
    return False


def _leave(entry: Entry[LeaveTable], staff: Staff, zone: ZoneInfo) -> Leave | None:
    table = entry.value
    for key, person in (("person", table.person), ("substitute", table.substitute)):
        if person is not None and person not in staff.people and person not in staff.doubted:
            entry.error((key,), f"没有人员 {person}", f"there is no person {person}")
    leave = table.leave(zone)
    if leave.to_ms <= leave.from_ms:
        entry.error(("to",), "结束必须晚于开始", "must end after it begins")
        return None
    return leave
