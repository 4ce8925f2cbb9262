"""The quick reading of JSON messages: a function generated once per kind of message and device layout.

It looks at each place once, and answers nothing as soon as anything is not as the profile would have it best: a value
that is missing, a word nobody knows, a number out of range. Only numbers and names of our own go into the generated
text, never a word from a file.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from collectors.modbus.numbers import BITS, LARGEST, NAN
from collectors.mqtt.meaning import meaning
from collectors.profile import MqttField, Reads
from facility.point import Point, PointType

Quick = Callable[[Any], tuple[Any, Any, tuple[float, ...]] | None]
"""Takes a body; returns what stands at the time's and the number's place, and the values; None when in doubt."""


class Place(NamedTuple):
    """One value of the device: where it stands, its field, its point, and whether this site wires it inverted."""

    position: int
    field: MqttField
    point: Point | None
    inverted: bool


@dataclass
class _Writer:
    """Collects the generated function."""

    names: dict[str, object] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    objects: dict[tuple[str, ...], str] = field(default_factory=lambda: {(): "body"})

    def keep(self, value: object) -> str:
        """Give a constant a name in the function's world."""
        name = f"k{len(self.names)}"
        self.names[name] = value
        return name

    def at(self, path: Sequence[str]) -> str:
        """Return the expression of what stands at a path; objects on the way are looked up once."""
        *way, last = path
        here: tuple[str, ...] = ()
        for step in way:
            there = (*here, step)
            if there not in self.objects:
                name = f"o{len(self.objects)}"
                self.lines.append(f"{name} = {self.objects[here]}[{self.keep(step)}]")
                self.objects[there] = name
            here = there
        return f"{self.objects[here]}[{self.keep(last)}]"


def generate(places: Sequence[Place], size: int, time: Sequence[str], seq: Sequence[str]) -> Quick | None:
    """Return the function; None where a path leads through a list, which only the slow reading does.

    Args:
        places: the values that this kind of message brings.
        size: of the device; all other values are not-a-number.
        time: path of the device's time; empty: it has none.
        seq: path of the sequence number.
    """
    if any(step.isdecimal() for path in (time, seq, *(p.field.path for p in places)) for step in path):
        return None
    writer = _Writer()
    heads = [writer.at(path) if path else "None" for path in (time, seq)]
    values, checks = ["nan"] * size, []
    for place in places:
        name = f"v{place.position}"
        writer.lines.append(f"x = {writer.at(place.field.path)}")
        writer.lines.append(f"{name} = {_value(writer, place)}")
        values[place.position] = name
        checks.append(_check(writer, place, name))
    body = "".join(f"        {line}\n" for line in writer.lines)
    source = (
        f"def quick(body):\n    try:\n{body}        t, s = {', '.join(heads)}\n"
        "    except (KeyError, TypeError, OverflowError):\n        return None\n"
        f"    return (t, s, ({', '.join(values)},)) if {' and '.join(checks)} else None\n"
    )
    world: dict[str, Any] = {**writer.names, "nan": NAN}
    exec(compile(source, "<message>", "exec"), world)  # noqa: S102 - only numbers and our own names are in it
    quick: Quick = world["quick"]
    return quick


def _value(writer: _Writer, place: Place) -> str:
    """Return the expression of a value, found as `x`; not-a-number where the slow reading must look."""
    spec = place.field
    inverted = spec.inverted is not place.inverted
    if spec.contains or spec.ignore or spec.sentinels or spec.empty is not None or spec.reads is not Reads.NUMBER:
        return f"{writer.keep(_judge(place))}(x)"
    if spec.codes:
        # A number is looked up as well as its word; true is no 1 there, though it equals it.
        table: dict[int | str, float] = {int(said): code for said, code in spec.codes.items() if _is_whole(said)}
        table.update(spec.codes)
        known = f"{writer.keep(table)}[x]"
        known = f"1.0 - {known}" if inverted else known
        return f"{known} if x.__class__ is not bool else {writer.keep(_judge(place))}(x)"
    value = f"x * {spec.scale!r}" + (f" + {spec.offset!r}" if spec.offset else "")
    return f"1.0 - ({value})" if inverted else value


def _check(writer: _Writer, place: Place, name: str) -> str:
    point = place.point
    if point is not None and point.type is PointType.STATE:
        return f"{name} in {writer.keep(frozenset(BITS))}"
    if point is not None and point.type is PointType.ENUM and point.codes:
        return f"{name} in {writer.keep(frozenset(float(c.value) for c in point.codes))}"
    low = -LARGEST if point is None or point.low is None else float(point.low)
    high = LARGEST if point is None or point.high is None else float(point.high)
    return f"{low!r} <= {name} <= {high!r}"


def _judge(place: Place) -> Callable[[Any], float]:
    """Return the slow reading of one place; not-a-number when it has a doubt."""

    def judge(found: Any) -> float:
        return meaning(place.field, place.point, found, inverted=place.inverted)[0]

    return judge


def _is_whole(said: str) -> bool:
    return said.removeprefix("-").isdecimal() and str(int(said)) == said
