"""Durations are words: "90 s", "3 min", "8 h", "2 d" and, for wires, "200 ms"."""

import re
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from sitefolder.finding import WordError

UNITS = {"ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}

LONGEST_MS = 10 * 366 * UNITS["d"]

PATTERN = r"^(\d+(?:\.\d+)?) (ms|s|min|h|d)$"
_SHAPE = re.compile(PATTERN, re.ASCII)


def parse(word: object) -> int:
    """Return the milliseconds of a duration word.

    Raises:
        WordError: it is no text, no number with a known unit, no whole millisecond, or beyond ten years.
    """
    found = _SHAPE.match(word) if isinstance(word, str) else None
    if found is None:
        raise WordError(
            f"{word!r} 不是时长；写作“数字 空格 单位”，单位为 ms、s、min、h、d，例如 90 s、3 min",
            f'{word!r} is not a duration; write a number, a space and ms, s, min, h or d, such as "90 s" or "3 min"',
        )
    milliseconds = float(found[1]) * UNITS[found[2]]
    if milliseconds != int(milliseconds) or milliseconds > LONGEST_MS:
        raise WordError(
            f"{word!r} 不是整毫秒，或超过十年",
            f"{word!r} is not a whole number of milliseconds, or longer than ten years",
        )
    return int(milliseconds)


def format(milliseconds: int) -> str:
    """Return the shortest duration word that means exactly so many milliseconds."""
    unit = next(u for u in ("d", "h", "min", "s", "ms") if milliseconds % UNITS[u] == 0 and (milliseconds or u == "s"))
    return f"{milliseconds // UNITS[unit]} {unit}"


Duration = Annotated[
    int,
    BeforeValidator(parse),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "examples": ["90 s", "3 min", "8 h", "2 d"]}),
]
"""A pydantic field that is written as words and read as milliseconds."""
