"""Reads one plan's file, and checks that it knows what it speaks of: roles, certificates, promises, steps, answers."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from facility.plan import LIFE_CLOCK, CloseCheck, FalseAlarm, LifeClock, Plan, Step
from facility.point import Kind, Point
from sitefolder.document import Document, Entry, Loc
from sitefolder.finding import WordError
from sitefolder.library import Library
from sitefolder.planfile import CallTable, CloseTable, Gate, LevelTable, PlanFile, PlanHead, plan_of
from sitefolder.stepcheck import step_fits
from sitefolder.stepfile import StepTable


def read_plan(document: Document, id: str, library: Library) -> Plan | None:
    """Return the plan of a file; None, and every reason noted, when anything in it is wrong."""
    before = len(document.problems.errors)
    head = _head(document)
    levels = [entry.value.level() for entry in document.entries("level", LevelTable) if _level_fits(entry, library)]
    machine = _merged(library.kinds[kind] for kind in (head.kinds if head else ()) if kind in library.kinds)
    tables = document.entries("step", StepTable)
    steps = [step for entry in tables if (step := _step(entry, tables, machine, library)) is not None]
    for key in ("level", "step"):
        if not document.data.get(key):
            document.error((key,), f"至少需要一个 [[{key}]]", f"needs at least one [[{key}]]")
    if head is None:
        return None
    _head_fits(document, head, library)
    _no_cycle(document, steps)
    gate = _gate(document, head, tables, machine, library)
    if gate is None or len(document.problems.errors) != before:
        return None
    return plan_of(id, document.hash[:12], head, levels, steps, gate)


def _gate(
    document: Document, head: PlanHead, tables: list[Entry[StepTable]], machine: Kind | None, library: Library
) -> Gate | None:
    """Return what stands at a plan's end; None, and the reasons noted, when it is not right."""
    before = len(document.problems.errors)
    _gate_steps(document, head, tables)
    tried: list[tuple[Loc, Callable[[], object]]] = [
        ((*close.loc, "proof"), partial(close.value.check, machine, library.kinds))
        for close in document.entries("close", CloseTable)
    ]
    if head.false_alarm:
        tried.append((("false_alarm", "proof"), partial(head.false_alarm.false_alarm, machine, library.kinds)))
    if head.life_clock:
        tried.append((("life_clock", "moves"), partial(head.life_clock.clock, machine)))
    made: list[object] = []
    for place, make in tried:
        try:
            made.append(make())
        except WordError as error:
            document.error(place, error.text.zh, error.text.en)
    if len(document.problems.errors) != before:
        return None
    return Gate(
        close=tuple(part for part in made if isinstance(part, CloseCheck)),
        false_alarm=next((part for part in made if isinstance(part, FalseAlarm)), None),
        life_clock=next((part for part in made if isinstance(part, LifeClock)), None),
        hold=head.hold.hold() if head.hold else None,
    )


def _gate_steps(document: Document, head: PlanHead, tables: list[Entry[StepTable]]) -> None:
    ids = {entry.value.id for entry in tables} | document.broken.get("step", set())
    for key, step in (
        ("life_clock.until", head.life_clock.until if head.life_clock else ""),
        ("hold.after", head.hold.after if head.hold else ""),
    ):
        if step and step not in ids:
            document.error(tuple(key.split(".")), f"没有步骤 {step}", f"there is no step {step}")
    if head.life_clock is None:
        for entry in tables:
            if entry.value.from_ == LIFE_CLOCK:
                entry.error(("from",), "预案没有 [life_clock]", "the plan has no [life_clock]")


def _head(document: Document) -> PlanHead | None:
    document.known(_keys(PlanFile))
    top = {key: value for key, value in document.data.items() if key in _keys(PlanHead)}
    return dataclasses.replace(document, data=top).model(PlanHead)


def _keys(model: type[PlanHead]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def _head_fits(document: Document, head: PlanHead, library: Library) -> None:
    if head.arrival is not None and head.arrival not in library.promises:
        document.error(("arrival",), f"没有承诺 {head.arrival}", f"there is no promise {head.arrival}")
    for kind in head.kinds:
        if kind not in library.kinds and kind not in library.doubted:
            document.error(("kinds",), f"没有设备类型 {kind}", f"there is no kind {kind}")


def _level_fits(entry: Entry[LevelTable], library: Library) -> bool:
    if not entry.value.calls:
        entry.error(("calls",), "这一级没有通知任何人", "this level calls nobody")
        return False
    fits = [_call_fits(entry, call, library) for call in entry.value.calls]  # every call is to be told, not the first
    return all(fits)


def _call_fits(entry: Entry[LevelTable], call: CallTable, library: Library) -> bool:
    return _known_role(entry, "calls", call.role, library) and _known_certificates(
        entry, "calls", call.certificates, library
    )


def _known_role(entry: Entry[LevelTable] | Entry[StepTable], key: str, role: str, library: Library) -> bool:
    if role in library.roles or role in library.party_roles:
        return True
    entry.error((key,), f"没有角色 {role}", f"there is no role {role}")
    return False


def _known_certificates(
    entry: Entry[LevelTable] | Entry[StepTable], key: str, certificates: Iterable[str], library: Library
) -> bool:
    unknown = [certificate for certificate in certificates if certificate not in library.certificates]
    for certificate in unknown:
        entry.error((key,), f"没有证书种类 {certificate}", f"there is no certificate {certificate}")
    return not unknown


def _step(entry: Entry[StepTable], all_: list[Entry[StepTable]], machine: Kind | None, library: Library) -> Step | None:
    table = entry.value
    _known_role(entry, "role", table.role, library)
    for role in table.also:
        _known_role(entry, "also", role, library)
    _known_certificates(entry, "certificates", table.certificates, library)
    ids = {other.value.id for other in all_} | entry.document.broken.get("step", set())
    for other in table.after:
        if other not in ids:
            entry.error(("after",), f"没有步骤 {other}", f"there is no step {other}")
    if table.contract is not None and table.contract not in library.promises:
        entry.error(("contract",), f"没有承诺 {table.contract}", f"there is no promise {table.contract}")
    if table.contract is not None and table.promise is not None:
        entry.error(("promise",), "promise 和 contract 只能写一个", "write either promise or contract")
    step_fits(entry, all_, library)
    try:
        return table.step(machine, library.kinds)
    except WordError as error:
        entry.error(("proof",), error.text.zh, error.text.en)
        return None


def _merged(kinds: Iterable[Kind]) -> Kind | None:
    """Return the points of all machines a plan is for as one kind: a proof may name any of them."""
    found = list(kinds)
    if not found:
        return None
    points: Mapping[str, Point] = {name: point for kind in reversed(found) for name, point in kind.points.items()}
    return dataclasses.replace(found[0], points=points)


def _no_cycle(document: Document, steps: list[Step]) -> None:
    done: set[str] = set()
    left = list(steps)
    ids = {step.id for step in steps}
    while left:
        ready = [step for step in left if all(other in done or other not in ids for other in _before(step))]
        if not ready:
            names = ", ".join(step.id for step in left)
            document.error(("step",), f"步骤互相等待：{names}", f"steps wait for each other: {names}")
            return
        done.update(step.id for step in ready)
        left = [step for step in left if step.id not in done]


def _before(step: Step) -> set[str]:
    """Return the steps that must be settled before this one can be."""
    return {*step.after, *(branch.step for branch in step.when), *({step.since} - {"", LIFE_CLOCK})}
