"""roster.toml: shifts, who covers which role in which rhythm, and who is away."""

import re
from datetime import date, datetime, time
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, WithJsonSchema

from facility.duty import Days, Layer, Leave, Shift
from sitefolder.calendarfile import CalendarTable, DayTable
from sitefolder.finding import WordError
from sitefolder.strict import Id, Strict

_MINUTES_A_DAY = 1440


def _minutes(word: object) -> int:
    found = re.fullmatch(r"(\d\d):(\d\d)", word, re.ASCII) if isinstance(word, str) else None
    minutes = int(found[1]) * 60 + int(found[2]) if found and int(found[2]) < 60 else _MINUTES_A_DAY + 1  # noqa: PLR2004
    if minutes > _MINUTES_A_DAY:
        raise WordError(f"{word!r} 不是时刻，写作 08:00", f'{word!r} is no time of day; write it "08:00"')
    return minutes


def _moment(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time())
    raise WordError(
        f"{value!r} 不是时间，写作 2027-02-01T08:00:00 或 2027-02-01（不加引号）",
        f"{value!r} is no moment; write 2027-02-01T08:00:00 or 2027-02-01 without quotes",
    )


TimeOfDay = Annotated[int, BeforeValidator(_minutes), WithJsonSchema({"type": "string", "pattern": r"^\d\d:\d\d$"})]
Moment = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]


class ShiftTable(Strict):
    """[[shift]]: a daily span in the site's time; `to` before `from` runs over midnight."""

    id: Id
    start: TimeOfDay = Field(alias="from")
    end: TimeOfDay = Field(alias="to")

    def shift(self) -> Shift:
        """Return it in the language of the facility."""
        return Shift(self.id, self.start, self.end)


class LayerTable(Strict):
    """[[layer]]: every team walks through `cycle`, one entry a day, starting at its own offset on `since`.

    With `days` workdays or rest-days nobody of it works, and nobody is missing, on the others; the cycle walks on.
    """

    role: Id
    since: date
    cycle: list[Id] = Field(min_length=1)
    teams: list[list[Id]] = Field(min_length=1)
    offsets: list[int] | None = None
    minimum: int = Field(default=1, ge=0)
    certificates: dict[Id, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    days: Days = "all"

    def layer(self) -> Layer:
        """Return it in the language of the facility; without offsets team n begins n days into the cycle."""
        offsets = self.offsets if self.offsets is not None else list(range(len(self.teams)))
        return Layer(
            role=self.role,
            since=self.since,
            cycle=tuple(self.cycle),
            teams=tuple(tuple(team) for team in self.teams),
            offsets=tuple(offset % len(self.cycle) for offset in offsets),
            minimum=self.minimum,
            certificates=tuple(self.certificates.items()),
            days=self.days,
        )


class LeaveTable(Strict):
    """[[leave]]: somebody is away; times are the site's own unless they name an offset."""

    person: Id
    start: Moment = Field(alias="from")
    end: Moment = Field(alias="to")
    substitute: Id | None = None
    reason: str = ""

    def leave(self, zone: ZoneInfo) -> Leave:
        """Return it in the language of the facility."""
        return Leave(
            person=self.person,
            from_ms=_utc_ms(self.start, zone),
            to_ms=_utc_ms(self.end, zone),
            substitute=self.substitute or "",
            reason=self.reason,
        )


class RosterFile(Strict):
    """The whole of roster.toml; read entry by entry, modelled here for the schema."""

    shift: list[ShiftTable] = Field(default_factory=list)
    layer: list[LayerTable] = Field(default_factory=list)
    leave: list[LeaveTable] = Field(default_factory=list)
    calendar: CalendarTable = Field(default_factory=CalendarTable)
    day: list[DayTable] = Field(default_factory=list)


def _utc_ms(moment: datetime, zone: ZoneInfo) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    return round(aware.timestamp() * 1000)
