"""Thirty days of readings that the demo building would have given, as columns."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facility.equipment import split_point
from facility.point import Point, PointType
from facility.site import Site

EVERY_MS = 600_000
DAY_MS = 86_400_000
RESTS_AT_1 = {
    "breaker_closed", "switch_closed", "doors_closed", "door_zone", "position", "evap_flow", "spring_charged",
    "truck_in", "run_enabled", "normal_available", "service_mode",
}  # fmt: skip
BASES = {"degC": 55.0, "A": 180.0, "V": 230.0, "kW": 90.0, "kWh": 0.0, "Hz": 42.0, "%": 60.0, "kPa": 0.0}


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
    for device in site.devices.values():
        for point in device.points:
            found = site.point(point)
            if found is not None:
                roll = np.random.default_rng(abs(hash_of(point)))
                yield Column(point, at, _values(point, found, use, roll))


def hash_of(text: str) -> int:
    """Return a number that is the same in every process."""
    return int.from_bytes(text.encode()[-8:].rjust(8, b"\0"), "big")


def _values(id: str, point: Point, use: NDArray[np.float64], roll: np.random.Generator) -> NDArray[np.float64]:
    n = len(use)
    name = split_point(id)[1]
    noise = roll.normal(0, 1, n)
    shapes: dict[str, NDArray[np.float64]] = {
        "floor": np.round(roll.uniform(1, 18, n) * use),
        "occupied": (roll.random(n) < use * 0.6).astype(float),
        "running": (roll.random(n) < 0.1 + use * 0.4).astype(float),
        "leaving_temp": 7.0 + use * 0.8 + noise * 0.15,
        "entering_temp": 9.5 + use * 3.2 + noise * 0.2,
        "capacity": 30 + use * 50 + noise * 2,
        "outdoor_temp": 14 + use * 7 + noise * 0.3,
        "pf": 0.92 + use * 0.02 + noise * 0.003,
        "freq": 50 + noise * 0.01,
    }
    if name in shapes:
        return shapes[name]
    if point.type is PointType.STATE or point.type is PointType.ENUM:
        return np.full(n, float(name in RESTS_AT_1))
    if point.type is PointType.COUNTER:
        start = roll.uniform(1_000, 100_000)
        return np.floor(start + np.cumsum(use) * 3)
    base = BASES.get(point.unit, 10.0)
    if point.unit == "V":
        return base * (math.sqrt(3) if name in {"v_ab", "v_bc", "v_ca"} else 1) + noise * 0.8
    out = base * (0.55 + 0.5 * use) + noise * base * 0.01
    low = -math.inf if point.low is None else point.low
    high = math.inf if point.high is None else point.high
    return np.clip(out, low, high)
