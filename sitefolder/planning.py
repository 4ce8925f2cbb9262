"""Reads rules and plans, of the library and of the site, and checks that they know what they speak of."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

from facility.plan import Plan
from facility.rule import Compare, Rule
from sitefolder.changing import ChangeTable, Override, changed, graver
from sitefolder.document import Document, Entry, read
from sitefolder.finding import Problems, WordError
from sitefolder.library import Library
from sitefolder.planreading import read_plan
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
    found = read_plan(document, path.stem, library) if document is not None else None
    if found is not None:
        planning.plans[path.stem] = found
