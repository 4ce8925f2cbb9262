"""Reads rules and plans, of the library and of the site, and checks that they know what they speak of."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from facility.plan import Plan, Step
from facility.point import Kind, Point
from facility.rule import Compare, Rule
from sitefolder.changing import ChangeTable, Override, changed, graver
from sitefolder.document import Document, Entry, read
from sitefolder.finding import Problems, WordError
from sitefolder.library import Library
from sitefolder.planfile import CallTable, LevelTable, PlanFile, PlanHead, StepTable, plan_of
from sitefolder.rulefile import RuleTable

DEVICE = "device"


@dataclass
class Planning:
    """Rules and plans by id, with where they came from."""

    rules: dict[str, Rule] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    sources: dict[str, Entry[RuleTable]] = field(default_factory=dict)  # of rules
    doubted_plans: set[str] = field(default_factory=set)
    hashes: list[tuple[str, str]] = field(default_factory=list)
    overrides: list[Override] = field(default_factory=list)
    disabled: set[str] = field(default_factory=set)  # rules that this site does not want


def plan(
    library_folder: Path, site_folder: Path, library: Library, problems: Problems, rules: Path | None = None
) -> Planning:
    """Read all plans, then all rules, then the site's changes; a site's plan replaces the library's of the same id.

    A file of `rules` stands in for the site's own.
    """
    planning = Planning()
    for folder, label in ((library_folder / "plans", "library/plans"), (site_folder / "plans", "plans")):
        for path in sorted(folder.glob("*.toml")):
            _plan(planning, path, f"{label}/{path.name}", library, problems)
    for path in sorted((library_folder / "rules").glob("*.toml")):
        document = _read(planning, path, f"library/rules/{path.name}", problems)
        if document:
            document.known(("rule",))
            _rules(planning, document, library)
    own = rules or site_folder / "rules.toml"
    if rules or own.exists():
        document = _read(planning, own, own.name, problems)
        if document:
            document.known(("rule", "change"))
            _rules(planning, document, library)
            for change in document.entries("change", ChangeTable):
                _change(planning, change)
    _references(planning)
    return planning


def rules_of(path: Path, file: str, library: Library, problems: Problems) -> dict[str, Rule]:
    """Return the rules of one file, for a trial; their references are not looked at."""
    planning = Planning()
    document = _read(planning, path, file, problems)
    if document:
        document.known(("rule",))
        _rules(planning, document, library)
    return planning.rules


def _read(planning: Planning, path: Path, file: str, problems: Problems) -> Document | None:
    document = read(path, file, problems)
    if document:
        planning.hashes.append((file, document.hash))
    return document


def _rules(planning: Planning, document: Document, library: Library) -> None:
    for entry in document.entries("rule", RuleTable):
        table = entry.value
        kind = library.kinds.get(table.kind)
        if kind is None and table.kind != DEVICE:
            if table.kind not in library.doubted:
                entry.error(("kind",), f"没有设备类型 {table.kind}", f"there is no kind {table.kind}")
            continue
        try:
            rules = table.rules(kind, tuple(library.kinds.values()))
        except WordError as error:
            entry.error(("when",), error.text.zh, error.text.en)
            continue
        for rule in rules:
            if rule.id in planning.rules:
                entry.error(("id",), f"规则 {rule.id} 重复", f"the rule {rule.id} is there already")
                continue
            milder = graver(rule)
            if milder:
                entry.error(
                    ("ladder", milder - 1),
                    f"ladder 第 {milder} 级不比规则本身更严重",
                    f"rung {milder} of the ladder is no graver than the rule itself",
                )
            silent = any(condition.compare is Compare.SILENT for condition in rule.when)
            if silent is not (rule.kind == DEVICE):
                entry.error(("when",), "silent 只用于 kind = device", "silent goes with kind = device, and only there")
            planning.rules[rule.id] = rule
            planning.sources[rule.id] = entry


def _change(planning: Planning, entry: Entry[ChangeTable]) -> None:
    change = entry.value
    rule = planning.rules.get(change.id)
    if rule is None:
        entry.error(("id",), f"没有规则 {change.id}", f"there is no rule {change.id}")
        return
    new, overrides = changed(rule, change, entry.error)
    planning.overrides += overrides
    if new is None:
        del planning.rules[change.id]
        planning.disabled.add(change.id)
    else:
        planning.rules[change.id] = new


def _references(planning: Planning) -> None:
    for rule in list(planning.rules.values()):
        entry = planning.sources[rule.id]
        if rule.plan not in planning.plans and rule.plan not in planning.doubted_plans:
            entry.error(("plan",), f"没有预案 {rule.plan}", f"there is no plan {rule.plan}")
        for key, others in (("corroborates", rule.corroborates), ("suppressed_by", rule.suppressed_by)):
            for other in others:
                _reference(planning, rule, key, other)
        planning.rules[rule.id] = dataclasses.replace(
            rule,
            corroborates=tuple(other for other in rule.corroborates if other not in planning.disabled),
            suppressed_by=tuple(other for other in rule.suppressed_by if other not in planning.disabled),
        )
    _no_circle(planning)


def _reference(planning: Planning, rule: Rule, key: str, other: str) -> None:
    entry, found = planning.sources[rule.id], planning.rules.get(other)
    if found is None:
        if other not in planning.disabled:
            entry.error((key,), f"没有规则 {other}", f"there is no rule {other}")
    elif key == "suppressed_by" and found.kind != rule.kind:
        entry.error(
            (key,),
            f"{other} 是另一类设备（{found.kind}）的规则；只能写同一台设备的规则",
            f"{other} is a rule of another kind ({found.kind}); only rules of the same machine can be named",
        )


def _no_circle(planning: Planning) -> None:
    """Complain of rules that suppress each other: both would be out of sight for ever."""
    left = {rule.id: set(rule.suppressed_by) & planning.rules.keys() for rule in planning.rules.values()}
    while ready := [rule for rule, others in left.items() if not others]:
        for rule in ready:
            del left[rule]
        for others in left.values():
            others.difference_update(ready)
    names = ", ".join(sorted(left))
    for rule in left:
        planning.sources[rule].error(
            ("suppressed_by",), f"规则互相抑制：{names}", f"rules suppress each other in a circle: {names}"
        )


def _plan(planning: Planning, path: Path, file: str, library: Library, problems: Problems) -> None:
    planning.doubted_plans.add(path.stem)
    document = _read(planning, path, file, problems)
    if document is None:
        return
    before = len(problems.errors)
    head = _head(document)
    levels = [entry.value.level() for entry in document.entries("level", LevelTable) if _level_fits(entry, library)]
    machine = _merged(library.kinds[kind] for kind in (head.kinds if head else ()) if kind in library.kinds)
    tables = document.entries("step", StepTable)
    steps = [step for entry in tables if (step := _step(entry, tables, machine, library)) is not None]
    for key in ("level", "step"):
        if not document.data.get(key):
            document.error((key,), f"至少需要一个 [[{key}]]", f"needs at least one [[{key}]]")
    if head is not None:
        _head_fits(document, head, library)
        _no_cycle(document, steps)
    if head is not None and len(problems.errors) == before:
        planning.plans[path.stem] = plan_of(path.stem, document.hash[:12], head, levels, steps)


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
    _known_certificates(entry, "certificates", table.certificates, library)
    ids = {other.value.id for other in all_} | entry.document.broken.get("step", set())
    for other in table.after:
        if other not in ids:
            entry.error(("after",), f"没有步骤 {other}", f"there is no step {other}")
    if table.contract is not None and table.contract not in library.promises:
        entry.error(("contract",), f"没有承诺 {table.contract}", f"there is no promise {table.contract}")
    if table.contract is not None and table.promise is not None:
        entry.error(("promise",), "promise 和 contract 只能写一个", "write either promise or contract")
    try:
        return table.step(machine)
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
        ready = [step for step in left if all(other in done or other not in ids for other in step.after)]
        if not ready:
            names = ", ".join(step.id for step in left)
            document.error(("step",), f"步骤互相等待：{names}", f"steps wait for each other: {names}")
            return
        done.update(step.id for step in ready)
        left = [step for step in left if step.id not in done]
