"""A folder that tries rules: test.toml says of what, readings.csv what is read, transitions.csv what must be told."""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from pydantic import Field

from alarms.trial import START_MS, Event, Pause, Restart, Told, Trial
from facility.duty import Layer, Roster, Shift
from facility.equipment import Device, Equipment, Line
from facility.point import Kind
from facility.rule import Rule
from facility.scan import Reason, Scan, missed
from facility.site import Site
from facility.supply import Node, Role, Supply
from facility.text import NOTHING, Text
from sitefolder.document import Document, read
from sitefolder.finding import Problems
from sitefolder.library import LIBRARY, Library, read_library
from sitefolder.planning import plan, rules_of
from sitefolder.strict import Filled, Id, PointName, Strict

_MOMENT = re.compile(r"^(\d+):(\d\d):(\d\d)(?:\.(\d{3}))?$", re.ASCII)
_REASONS = {reason.name.lower(): reason for reason in Reason}
_FIXED = ("at", "device", "taken")


class RuleTestFile(Strict):
    """test.toml: the rules that are tried (others keep quiet), on which machines, read by which devices."""

    about: Filled
    rules: list[Id] = Field(min_length=1)
    machines: dict[Id, Id]
    devices: dict[Id, list[str]]
    fed_by: dict[Id, list[Id]] = Field(default_factory=dict)
    interval_ms: int = Field(default=1000, ge=1)


@dataclass(frozen=True)
class Knowledge:
    """What a trial may speak of: rules and the kinds of machines."""

    rules: Mapping[str, Rule]
    kinds: Mapping[str, Kind]
    library: Library = field(default_factory=Library)


def library_knowledge(problems: Problems) -> Knowledge:
    """Return what the library knows, for trials of its own rules."""
    library = read_library(LIBRARY, problems)
    return Knowledge(plan(LIBRARY, LIBRARY / "no-site", library, problems).rules, library.kinds, library)


def read_trials(folder: Path, knowledge: Knowledge, problems: Problems) -> list[Trial]:
    """Read every folder in a folder of trials; what cannot be read is noted, and left out."""
    found = []
    for one in sorted(path.parent for path in folder.glob("*/test.toml")):
        trial = _trial(one, f"{folder.name}/{one.name}", knowledge, problems)
        if trial is not None:
            found.append(trial)
    return found


def _trial(folder: Path, name: str, knowledge: Knowledge, problems: Problems) -> Trial | None:
    before = len(problems.errors)
    document = read(folder / "test.toml", f"{name}/test.toml", problems)
    table = document.model(RuleTestFile) if document else None
    if document is None or table is None:
        return None
    rules = dict(knowledge.rules)
    if (folder / "rules.toml").exists():
        rules |= rules_of(folder / "rules.toml", f"{name}/rules.toml", knowledge.library, problems)
    for rule in table.rules:
        if rule not in rules:
            document.error(("rules",), f"没有规则 {rule}", f"there is no rule {rule}")
    for machine, kind in table.machines.items():
        if kind not in knowledge.kinds:
            document.error(("machines", machine), f"没有设备类型 {kind}", f"there is no kind {kind}")
    _points(document, table, knowledge)
    if len(problems.errors) > before:
        return None
    site = _site(table, {id: rules[id] for id in table.rules}, knowledge.kinds)
    readings = _rows(folder / "readings.csv", f"{name}/readings.csv", problems)
    events = [event for place, row in readings for event in _event(place, row, site)]
    expected = [
        one
        for place, row in _rows(folder / "transitions.csv", f"{name}/transitions.csv", problems)
        for one in _told(place, row)
    ]
    return None if len(problems.errors) > before else Trial(name, site, events, expected)


def _points(document: Document, table: RuleTestFile, knowledge: Knowledge) -> None:
    for device, points in table.devices.items():
        for point in points:
            machine, _, name = point.rpartition("/")
            kind = knowledge.kinds.get(table.machines.get(machine, ""))
            if kind is None or name not in kind.points:
                document.error(
                    ("devices", device),
                    f"没有点位 {point}；写作“设备/点位”",
                    f'no point {point}; write "machine/point"',
                )


def _site(table: RuleTestFile, rules: Mapping[str, Rule], kinds: Mapping[str, Kind]) -> Site:
    machines = {
        id: Equipment(id, kind, Text(id, id), NOTHING, fed_by=tuple(table.fed_by.get(id, ())))
        for id, kind in table.machines.items()
    }
    devices = {
        id: Device(id, "trial", "trial", table.interval_ms, tuple(p.rpartition("/")[2] for p in points), tuple(points))
        for id, points in table.devices.items()
    }
    nodes = {id: Node(id, Role.THROUGH, machine.fed_by) for id, machine in machines.items()}
    always = Layer("operator", date(2026, 1, 1), ("always",), (("nobody",),), (0,))
    return Site(
        id="trial",
        name=Text("试验", "trial"),
        timezone="UTC",
        hash="",
        contract={},
        kinds=kinds,
        equipment=machines,
        lines={"trial": Line("trial", "modbus-tcp", "localhost", 502)},
        devices=devices,
        rules=rules,
        plans={},
        people={},
        parties={},
        roster=Roster((Shift("always", 0, 0),), (always,)),
        supply=Supply(nodes),
    )


@dataclass(frozen=True)
class _Place:
    file: str
    line: int
    problems: Problems

    def error(self, column: str, zh: str, en: str) -> None:
        self.problems.error(self.file, column, zh, en, self.line)


def _rows(path: Path, file: str, problems: Problems) -> Iterator[tuple[_Place, dict[str, str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        problems.error(file, "", "没有这个文件，或不是 UTF-8", "there is no such file, or it is not UTF-8")
        return
    table = csv.DictReader(text.splitlines(), skipinitialspace=True, restval="")
    for row in table:
        place = _Place(file, table.line_num, problems)
        if None in row:
            place.error("", "列数比表头多", "has more columns than the head")
        elif not row.get("at", "").startswith("#"):
            yield place, {key: value.strip() for key, value in row.items()}


def _moment(place: _Place, column: str, word: str) -> int | None:
    found = _MOMENT.match(word)
    if found is None:
        place.error(column, f"{word!r} 不是时刻；写作 00:01:30", f"{word!r} is no moment; write 00:01:30")
        return None
    hours, minutes, seconds, rest = (int(part or 0) for part in found.groups())
    return START_MS + ((hours * 60 + minutes) * 60 + seconds) * 1000 + rest


def _event(place: _Place, row: Mapping[str, str], site: Site) -> Iterator[Event]:
    at_ms, device = _moment(place, "at", row["at"]), row.get("device", "")
    if at_ms is None:
        return
    if device in ("", "restart"):
        yield Restart(at_ms) if device else Pause(at_ms)
        return
    if device not in site.devices:
        place.error("device", f"没有装置 {device}", f"there is no device {device}")
        return
    points = site.devices[device].channels
    said = {name: word for name, word in row.items() if name not in _FIXED and word}
    if "silent" in said.values():
        yield missed(device, at_ms, len(points), Reason.NO_ANSWER)
        return
    taken_ms = _moment(place, "taken", row["taken"]) if row.get("taken") else at_ms
    for name in said.keys() - set(points):
        place.error(name, f"装置 {device} 没有这个点位", f"{device} has no such point")
    read_ = [_value(place, name, said.get(name, "")) for name in points]
    if taken_ms is not None:
        yield Scan(device, taken_ms, at_ms, tuple(value for value, _ in read_), bytes(reason for _, reason in read_))


def _value(place: _Place, column: PointName, word: str) -> tuple[float, Reason]:
    if not word:
        return float("nan"), Reason.NOT_GIVEN
    if word in _REASONS:
        return float("nan"), _REASONS[word]
    try:
        return float(word), Reason.GOOD
    except ValueError:
        place.error(column, f"{word!r} 不是数，也不是质量原因", f"{word!r} is neither a number nor a reason of quality")
        return float("nan"), Reason.NOT_GIVEN


def _told(place: _Place, row: Mapping[str, str]) -> Iterator[Told]:
    at_ms = _moment(place, "at", row["at"])
    said = row.get("said", "")
    if said not in ("raised", "cleared"):
        place.error("said", "应为 raised 或 cleared", "must be raised or cleared")
    elif at_ms is not None:
        rung = row.get("rung", "") or "0"
        if not rung.isdecimal():
            place.error("rung", "应为整数", "must be a whole number")
            return
        yield Told(at_ms, row.get("owner", ""), row.get("rule", ""), int(rung), said == "raised")
