"""What a word, a number or a list found in a message means: the slow reading, with a reason for every doubt."""

import math
import re
from typing import Any

from collectors.modbus.numbers import NAN
from collectors.mqtt.payload import number, word
from collectors.profile import MqttField, Reads
from facility.point import Point, PointType
from facility.scan import Reason

_FLOOR = re.compile(r"^(B)?F?(-?\d{1,3})F?$", re.IGNORECASE)


def meaning(spec: MqttField, point: Point | None, found: Any, *, inverted: bool) -> tuple[float, Reason, str]:
    """Return what was found at a field's place: its value, how far to believe it, and the word nobody could map."""
    if found is None or found == "":
        return NAN, Reason.NOT_GIVEN, ""
    value, reason, odd = _listed(spec, found) if isinstance(found, list) or spec.contains else _single(spec, found)
    if reason is not Reason.GOOD:
        return NAN, reason, odd
    if spec.inverted is not inverted:
        value = 1.0 - value
    if not math.isfinite(value):
        return NAN, Reason.NOT_A_NUMBER, ""
    return _possible(point, value)


def _possible(point: Point | None, value: float) -> tuple[float, Reason, str]:
    if point is None:
        return value, Reason.GOOD, ""
    if point.type is PointType.STATE and value not in (0.0, 1.0):
        return NAN, Reason.OUT_OF_RANGE, f"{value:g}"
    if point.type is PointType.ENUM and point.codes and all(value != code.value for code in point.codes):
        return NAN, Reason.UNKNOWN_TEXT, f"{value:g}"
    if (point.low is not None and value < point.low) or (point.high is not None and value > point.high):
        return NAN, Reason.OUT_OF_RANGE, f"{value:g}"
    return value, Reason.GOOD, ""


def _single(spec: MqttField, found: Any) -> tuple[float, Reason, str]:
    if isinstance(found, dict):
        return NAN, Reason.UNDECODABLE, "{…}"
    said = word(found)
    if said in spec.sentinels:
        return NAN, Reason.SENTINEL, ""
    if said in spec.ignore:
        return NAN, Reason.NOT_GIVEN, said
    if spec.codes:
        known = spec.codes.get(said)
        return (NAN, Reason.UNKNOWN_TEXT, said) if known is None else (known, Reason.GOOD, "")
    raw = _floor(said) if spec.reads is Reads.FLOOR else number(found)
    if raw is None:
        return NAN, Reason.UNKNOWN_TEXT, said
    return raw * spec.scale + spec.offset, Reason.GOOD, ""


def _listed(spec: MqttField, found: Any) -> tuple[float, Reason, str]:
    words = [word(one) for one in (found if isinstance(found, list) else [found])]
    if spec.contains:
        return (1.0 if any(one in spec.contains for one in words) else 0.0), Reason.GOOD, ""
    telling = [one for one in words if one not in spec.ignore]
    if not telling:
        return (NAN, Reason.NOT_GIVEN, "") if spec.empty is None else (spec.empty, Reason.GOOD, "")
    for one in telling:
        if one in spec.codes:
            return spec.codes[one], Reason.GOOD, ""
    return NAN, Reason.UNKNOWN_TEXT, ",".join(telling)


def _floor(said: str) -> float | None:
    found = _FLOOR.match(said)
    if found is None:
        return None
    floor = float(found[2])
    return -abs(floor) if found[1] else floor
