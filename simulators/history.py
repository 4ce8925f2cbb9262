"""Thirty days of readings that the demo building would have given, as columns; they end where the building begins."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facility.equipment import split_point
from facility.point import Point, PointType
from facility.site import Site
from simulators.building import Building

EVERY_MS = 600_000
DAY_MS = 86_400_000
RESTS_AT_1 = {
    "breaker_closed", "switch_closed", "doors_closed", "door_zone", "position", "evap_flow", "spring_charged",
    "truck_in", "run_enabled", "normal_available", "service_mode",
}  # fmt: skip
SETTLE_S = 30
SWINGS = {"degC": 0.25, "°C": 0.25, "V": 0.0, "Hz": 0.02, "kPa": 0.1, "%": 0.5}
"""How far a figure follows the use of the building between its quietest and busiest hour, as a part of itself."""
SWING = 0.6


@dataclass(frozen=True, slots=True)
class Column:
    """One point's past: times (UTC ms, int64) and values (float64)."""

    point: str
    at_ms: NDArray[np.int64]
    values: NDArray[np.float64]


def columns(site: Site, now_ms: int, days: int = 30) -> Iterator[Column]:
    """Yield the past of every point, one value each ten minutes, the same for the same day and site."""
    last = now_ms // EVERY_MS * EVERY_MS
    at = np.arange(last - days * DAY_MS, last, EVERY_MS, dtype=np.int64)
    hours = (at + 8 * 3_600_000) % DAY_MS / 3_600_000  # the demo stands in China
    weekend = ((at + 8 * 3_600_000) // DAY_MS + 3) % 7 >= 5  # Saturday and Sunday
    use = np.clip(np.sin((hours - 6.5) / 16 * math.pi), 0, 1) * np.where(weekend, 0.8, 1.0)
    building = Building(site)
    for _ in range(SETTLE_S):
        building.step(1.0)
    for device in site.devices.values():
        for point in device.points:
            found = site.point(point)
            if found is not None:
                roll = np.random.default_rng(abs(hash_of(point)))
                machine, name = split_point(point)
                yield Column(point, at, _values(name, found, building.machines[machine].points.get(name), use, roll))


def hash_of(text: str) -> int:
    """Return a number that is the same in every process."""
    return int.from_bytes(text.encode()[-8:].rjust(8, b"\0"), "big")


def _values(
    name: str, point: Point, today: float | None, use: NDArray[np.float64], roll: np.random.Generator
) -> NDArray[np.float64]:
    n = len(use)
    noise = roll.normal(0, 1, n)
    shapes: dict[str, NDArray[np.float64]] = {
        "floor": np.round(roll.uniform(1, 18, n) * use),
        "occupied": (roll.random(n) < use * 0.6).astype(float),
        "outdoor_temp": 14 + use * 7 + noise * 0.3,
    }
    if name in shapes:
        return shapes[name]
    if point.type is PointType.STATE or point.type is PointType.ENUM:
        rest = float(name in RESTS_AT_1) if today is None else today
        return np.full(n, rest)
    if today is None:
        return np.full(n, math.nan)
    if point.type is PointType.COUNTER:
        past = np.cumsum(use[::-1])[::-1]  # how much the building is used from then until now
        counted: NDArray[np.float64] = np.clip(np.floor(today - past * today / (20 * n)), 0, None)
        return counted
    follow = today * SWINGS.get(point.unit, SWING) * (use - use[-1])
    grain = abs(today) * (0.002 if point.unit in {"V", "Hz"} else 0.008)
    low = -math.inf if point.low is None else point.low
    high = math.inf if point.high is None else point.high
    out: NDArray[np.float64] = np.clip(today + follow + noise * grain, low, high)
    return out
