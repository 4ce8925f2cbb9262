"""What the crowd's devices say: register maps and a JSON shape, as profiles for the reader and as bytes for the sender.

Every Modbus map begins with the moment at which the answer was sent (`sent`, u32) and `TRIPS` points that stand still
until the load generator makes the device trip: then they carry that moment too, with the highest bit set, and without
it in the first answer after. So whoever reads them can tell how long a value was under way, and which change an alarm
speaks of. The rest is noise around a level: 64 prepared images of the registers for each map.
"""

import random
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

IMAGES = 64
TRIPS = 10
TRIPPED = 1 << 31
STAMPED = 1 + TRIPS  # points before the noise, two registers each

_FORMATS = {"f32": ">f", "f64": ">d", "i32": ">i", "u32": ">I", "i16": ">h", "u16": ">H"}
_LIMITS = {"f32": 1000.0, "f64": 1e7, "i32": 90_000.0, "u32": 5e6, "i16": 90.0, "u16": 90.0, "lo": 250.0, "hi": 250.0}
"""Above it a point would be in alarm; the noise stays below."""


def moment() -> int:
    """Return the moment as 31 bits of tenths of a millisecond, the same in every process of this machine."""
    return time.monotonic_ns() // 100_000 & TRIPPED - 1


def since(sent: float) -> float:
    """Return how many milliseconds ago a moment was, as a point carries it; good for a day."""
    return ((time.monotonic_ns() // 100_000 - int(sent)) & TRIPPED - 1) / 10


@dataclass(frozen=True, slots=True)
class Channel:
    """One value of a map: where it stands, how it is read, and the limit of its rule."""

    id: str
    at: int
    type: str
    order: str = "ABCD"
    scale: float = 1.0
    bit: int = 0

    @property
    def limit(self) -> float:
        """The value above which its rule holds; a bit's is its other state."""
        return 0.5 if self.type == "bit" else _LIMITS[self.type]


@dataclass(frozen=True, slots=True)
class Map:
    """One type of device."""

    id: str
    channels: tuple[Channel, ...]
    registers: int

    @property
    def trips(self) -> tuple[Channel, ...]:
        """The points that the generator makes trip."""
        return tuple(c for c in self.channels if c.id.startswith("trip"))

    def images(self) -> list[bytes]:
        """Return the noise: the registers behind the stamped ones."""
        roll = random.Random(self.id)
        return [self._image(roll) for _ in range(IMAGES)]

    def _image(self, roll: random.Random) -> bytes:
        words = bytearray(2 * self.registers)
        for n, c in enumerate(self.channels):
            if c.type == "bit":
                # One bit in fourteen is a running light and goes out now and then; the others are faults that are not.
                if c.bit == 0 and roll.random() < 0.97:
                    words[2 * c.at + 1] |= 1
            elif c.type in {"hi", "lo"}:
                words[2 * c.at + (c.type == "lo")] = roll.randint(90 + n % 60, 100 + n % 60)
            elif c.id.startswith("n"):
                raw = struct.pack(_FORMATS[c.type], _level(c, n, roll))
                if c.order == "CDAB":
                    pairs = [raw[i : i + 2] for i in range(0, len(raw), 2)]
                    raw = b"".join(reversed(pairs))
                words[2 * c.at : 2 * c.at + len(raw)] = raw
        return bytes(words[4 * STAMPED :])


def _level(c: Channel, n: int, roll: random.Random) -> float:
    if c.type in {"f32", "f64"}:
        return 220 + n + roll.uniform(-2, 2) if c.type == "f32" else 1e6 + roll.uniform(0, 500)
    if c.type in {"i32", "u32"}:
        return 10_000 * (1 + n % 8) + roll.randint(0, 500)
    return roll.randint(400 + n % 40, 440 + n % 40)


def _map(id: str, *parts: tuple[str, int, str]) -> Map:
    """Lay out a map: the stamped points, then so many of each type in an order; a `bit` part is words of 14."""
    channels = [Channel("sent", 0, "u32"), *(Channel(f"trip{i}", 2 + 2 * i, "u32") for i in range(TRIPS))]
    at, number = 2 * STAMPED, count()
    for type, many, order in parts:
        for _ in range(many):
            if type == "bit":
                channels += [Channel(f"b{next(number)}", at, "bit", bit=b) for b in range(14)]
            elif type == "bytes":
                channels += [Channel(f"n{next(number)}", at, half) for half in ("hi", "lo")]
            else:
                scale = 0.1 if type in {"i16", "u16"} else 1.0
                channels.append(Channel(f"n{next(number)}", at, type, order, scale))
            at += {"f32": 2, "i32": 2, "u32": 2, "f64": 4}.get(type, 1)
    return Map(id, tuple(channels), at)


LARGE = (
    _map("meter", ("f32", 20, "ABCD"), ("f32", 15, "CDAB"), ("i16", 15, "ABCD"), ("u32", 8, "ABCD"), ("bit", 2, "")),
    _map("chiller", ("f32", 40, "CDAB"), ("i16", 21, "ABCD"), ("bit", 2, "")),
    _map("drive", ("i16", 60, "ABCD"), ("u16", 41, "ABCD"), ("bit", 2, "")),
    _map("relay", ("i32", 20, "CDAB"), ("f64", 10, "ABCD"), ("bytes", 20, ""), ("bit", 3, "")),
)
"""The four of the headline, 125 registers each but for the relay's 125 of odd kinds."""

SMALL = (
    _map("sensor", ("i16", 1, "ABCD")),
    _map("contacts", ("bit", 1, "")),
    _map("fancoil", ("i16", 19, "ABCD"), ("bit", 1, "")),
    _map("submeter", ("f32", 26, "CDAB"), ("i16", 14, "ABCD"), ("bit", 1, "")),
)
"""Devices of 12 to 65 points."""


def named(maps: Sequence[Map]) -> dict[str, Map]:
    """Return the maps by id."""
    return {m.id: m for m in maps}
