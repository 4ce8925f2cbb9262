"""Times of the day and of the week as people write them: "08:00", "tue 10:00"."""

from typing import Annotated

from pydantic import StringConstraints

_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
OFF = "off"

Clock = Annotated[str, StringConstraints(pattern=f"^{_CLOCK}$")]
"""A time of the day, "00:00" to "23:59"."""

Weekly = Annotated[str, StringConstraints(pattern=f"^({OFF}|({'|'.join(DAYS)}) {_CLOCK})$")]
"""A day of the week and a time, or never."""


def minute(clock: str) -> int:
    """Return the minute of the day."""
    hours, _, minutes = clock.partition(":")
    return int(hours) * 60 + int(minutes)


def weekly(words: str) -> tuple[int | None, int]:
    """Return the day of the week (0 is Monday; None: never) and the minute of the day."""
    if words == OFF:
        return None, 0
    day, _, clock = words.partition(" ")
    return DAYS.index(day), minute(clock)
