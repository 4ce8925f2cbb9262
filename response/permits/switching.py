"""What speaks against an operation: the order of switching, played through on the positions as they stand.

Stop is breaker, then load side, then bus side; start is the reverse; an isolator or truck is never moved under load; an
earth switch is closed only where nothing is live or can become so, and nothing is switched onto an earth.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from facility.equipment import point_id
from facility.point import PointType
from facility.records import SwitchStep
from facility.site import Site
from facility.text import Text
from response.permits import outage

EARTH = "earth_closed"
TRUCK = "truck_in"

At = Callable[[str], "float | None"]
"""The value of a site point as it stands; None when no good reading says so."""


@dataclass(frozen=True, slots=True)
class Remark:
    """What is to be said of one step; a `grave` one forbids it."""

    step: int
    grave: bool
    text: Text


def rehearse(site: Site, steps: Sequence[SwitchStep], at: At) -> list[Remark]:
    """Play the operations through from the present positions; return what is to be said of each, in order."""
    found: list[Remark] = []
    moved: dict[str, float] = {}
    for n, step in enumerate(steps):
        no = _names_nothing(site, step)
        if no is not None:
            found.append(Remark(n, grave=True, text=no))
            continue

        def stands(point: str, overlay: dict[str, float] = moved) -> float | None:
            return overlay[point] if point in overlay else at(point)

        found += [Remark(n, grave, text) for grave, text in judge(site, step, stands)]
        moved[point_id(step.equipment, step.point)] = step.value
    return found


def judge(site: Site, step: SwitchStep, at: At) -> Iterable[tuple[bool, Text]]:
    """Yield what is to be said of one operation, done now: whether it is grave, and in words."""
    machine = step.equipment
    kind = site.kinds[site.equipment[machine].kind]
    point = point_id(machine, step.point)
    name = site.equipment[machine].name
    now = at(point)
    if point not in site.device_of:
        yield (
            False,
            Text(
                f"{name.zh}此位置没有遥信，不能回读：须两人写明理由确认。",
                f"No telemetry reads this position of {name.en}: both people must confirm it with a reason.",
            ),
        )
    elif now is None:
        yield False, Text(f"{name.zh}此位置现在未知。", f"This position of {name.en} is not known now.")
    elif now == step.value:
        yield False, Text(f"{name.zh}已在该位置。", f"{name.en} stands there already.")
    closed = at(point_id(machine, kind.conducts)) if kind.conducts else None
    if step.point == EARTH and step.value == 1:
        yield from _earthing(site, machine, closed, at)
    elif step.point == TRUCK and closed != 0:
        yield (
            True,
            Text(
                f"{name.zh}断路器未在分位（或未知）：不得移动手车或隔离开关。先分断路器。",
                f"The breaker of {name.en} is not known to be open: its truck or isolator must not be moved. "
                "Open the breaker first.",
            ),
        )
    elif step.point == kind.conducts and step.value == 1:
        yield from _closing(site, machine, at)
    elif step.point == kind.conducts and step.value == 0:
        yield from _opening(site, machine, at)


def _names_nothing(site: Site, step: SwitchStep) -> Text | None:
    machine = site.equipment.get(step.equipment)
    known = site.kinds[machine.kind].points.get(step.point) if machine else None
    if known is None or known.type not in {PointType.STATE, PointType.ENUM}:
        return Text(
            f"没有这个可操作的位置：{step.equipment}/{step.point}。",
            f"There is no such position to switch: {step.equipment}/{step.point}.",
        )
    if step.value not in ({c.value for c in known.codes} or {0, 1}):
        return Text(f"{known.text.zh}没有这个位置值。", f"{known.text.en} has no such position.")
    return None


def _earthing(site: Site, machine: str, closed: float | None, at: At) -> Iterable[tuple[bool, Text]]:
    name = site.equipment[machine].name
    if closed != 0:
        state = Text("在合位", "closed") if closed == 1 else Text("位置未知", "not known to be open")
        yield (
            True,
            Text(
                f"{name.zh}开关{state.zh}：不得合接地刀闸。先分开关并核对。",
                f"The switch of {name.en} is {state.en}: its earth switch must not be closed. Open it and see it open.",
            ),
        )
        return
    power = site.supply.energised(outage.position(site, at))
    # Its own side is dead once it is open; what it feeds may still be live from another side.
    live = [m for m in site.supply.feeds.get(machine, ()) if power.get(m) is not False and _through(site, m)]
    if live:
        names = "、".join(site.equipment[m].name.zh for m in live if m in site.equipment)
        yield (
            True,
            Text(
                f"{name.zh}负荷侧仍可能带电（{names}）：不得合接地刀闸。",
                f"The load side of {name.en} may still be live: its earth switch must not be closed.",
            ),
        )


def _closing(site: Site, machine: str, at: At) -> Iterable[tuple[bool, Text]]:
    kind = site.kinds[site.equipment[machine].kind]
    switch = point_id(machine, kind.conducts or "")
    stands = outage.position(site, at)
    then = outage.position(site, lambda point: 1.0 if point == switch else at(point))
    before, after = site.supply.energised(stands), site.supply.energised(then)
    woken = {machine, *(m for m in after if after[m] is not False and before[m] is not True)}
    for other in sorted(woken):
        known = site.equipment.get(other)
        if known is None or EARTH not in site.kinds[known.kind].points:
            continue
        earth = at(point_id(other, EARTH))
        if earth == 1:
            yield (
                True,
                Text(
                    f"{known.name.zh}接地刀闸在合位：不得送电。先拉开接地刀闸。",
                    f"The earth switch of {known.name.en} is closed: nothing may be energised onto it. Open it first.",
                ),
            )
        elif earth is None and other == machine and point_id(other, EARTH) in site.device_of:
            yield (
                True,
                Text(
                    f"{known.name.zh}接地刀闸位置未知：不得送电。到现场核对。",
                    f"The earth switch of {known.name.en} is not known to be open: do not energise. Look at the place.",
                ),
            )


def _opening(site: Site, machine: str, at: At) -> Iterable[tuple[bool, Text]]:
    lifts = outage.lifts(site, (machine,), outage.position(site, at))
    if lifts:
        names = [site.equipment[lift].name for lift in lifts]
        yield (
            False,
            Text(
                f"此步使电梯失电：{'、'.join(n.zh for n in names)}。先把轿厢停到平层并确认无人。",
                f"This takes the supply of lifts: {', '.join(n.en for n in names)}. Park them empty first.",
            ),
        )


def _through(site: Site, machine: str) -> bool:
    """Say whether power can come back through a machine: one that has other sources than the bay it hangs on."""
    return len(site.supply.nodes[machine].fed_by) > 1
