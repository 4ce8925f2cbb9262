"""How well the alarms serve the people who watch them: ISA-18.2 / IEC 62682's figures of a span of local days.

Pure: from the days of a tally to figures, each judged by its limit. "Per console" means: per operator's position. A
site has one today, which sees every system; where positions divide the site, a console is one system's alarms.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from alarms.limits import Limit, Verdict
from alarms.tally import DAY_MS, OUT_OF_SERVICE, SHELVED, SLOT_MS, SUPPRESSED, Day, Tally
from facility.site import Site

FLOOD_BEGINS, FLOOD_ENDS = 10, 5
"""A flood begins with more than the first in ten minutes, and ends with fewer than the second."""
BUSY_HOUR = 30
HOUR_MS = 3_600_000
TEN = 10


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: its value (None: nothing to measure), what it counts where it is a share, and when it was reached."""

    limit: Limit
    value: float | None
    verdict: Verdict
    count: int | None = None
    at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Flood:
    """Ten-minute periods in which an operator could not follow; [from_ms, to_ms) and its alarms."""

    from_ms: int
    to_ms: int
    alarms: int


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of a console over local days.

    `since_ms` is where counting begins: the first day's start, or the first record of the book. `slots` are alarms
    per ten minutes as (start, count), zeros included, up to now; `stale` and `waiting` are of now.
    """

    first: date
    last: date
    from_ms: int
    to_ms: int
    since_ms: int
    alarms: int
    figures: Sequence[Figure]
    top: Sequence[tuple[str, int]]  # subject, alarms
    priorities: Mapping[int, int]
    floods: Sequence[Flood]
    slots: Sequence[tuple[int, int]]
    days: Sequence[tuple[int, int]]  # alarms by day, as (start, count)
    chattering: Sequence[str]
    stale: Mapping[str, int]  # subject -> active since
    waiting: int  # alarms that nobody has acknowledged


def consoles(site: Site) -> Mapping[str, str]:
    """Return which console (a system's id) each machine and device belongs to."""
    found = {e.id: site.kinds[e.kind].system.value for e in site.equipment.values()}
    for device in site.devices.values():
        # That a device has gone silent is for whoever watches its machines.
        machine = next((p.rpartition("/")[0] for p in device.points), "")
        found.setdefault(device.id, found.get(machine, "system"))
    return found


def configured(site: Site) -> Counter[str]:
    """Return how many alarms can be raised, by console: one for each rule on each machine, or device, of its kind."""
    console, found = consoles(site), Counter[str]()
    kinds = Counter(rule.kind for rule in site.rules.values())
    for machine in site.equipment.values():
        found[console[machine.id]] += kinds[machine.kind]
    for device in site.devices.values():
        found[console[device.id]] += kinds["device"]
    return found


def report(
    tally: Tally,
    span: tuple[date, date],
    now: int,
    begun_ms: int,
    limits: Mapping[str, Limit],
    configured: int,
    console: str = "",
) -> Report:
    """Return the figures from the first local day of the span to the last, both included, as far as they are over.

    `begun_ms` is the first record of the book, `configured` how many alarms the console can have. Costs some
    milliseconds for thirty days.
    """
    first, last = span
    from_ms, to_ms = tally.days.start(first), tally.days.start(last + timedelta(1))
    since, until = max(from_ms, min(begun_ms, now)), min(to_ms, now)
    told = [(day, tally.day(day, now, console)) for day in tally.days.between(first, last)]
    whole = Day()
    for _, day in told:
        whole.add(day)
    slots = [s for day, found in told for s in _slots(tally, day, found, since, until)]
    before = first - timedelta(1)
    lead = _slots(tally, before, tally.day(before, now, console), 0, from_ms)
    floods = _floods(lead, slots)
    alarms = sum(whole.alarms.values())
    made = _Maker(limits, alarms)
    made.rates(slots, max(until - since, 1))
    made.peaks(slots, tally)
    made.add("flood", _percent(sum(f.to_ms - f.from_ms for f in floods), SLOT_MS * len(slots)), count=len(floods))
    top = sorted(whole.alarms.items(), key=lambda one: (-one[1], one[0]))[:TEN]
    made.add("top_ten", _percent(sum(n for _, n in top), alarms))
    made.add("stale", max((len(day.stale) for _, day in told), default=0))
    made.add("chattering", len(whole.chattering))
    made.mix(whole.priorities)
    made.waits(whole.waits)
    for id, how in (("shelved", SHELVED), ("suppressed", SUPPRESSED), ("out_of_service", OUT_OF_SERVICE)):
        away = len(whole.away.get(how, ()))
        made.add(id, min(100.0, _percent(away, configured) or 0.0), count=away)
    return Report(
        first,
        last,
        from_ms,
        to_ms,
        since,
        alarms,
        made.figures,
        top,
        {p: whole.priorities[p] for p in (1, 2, 3, 4)},
        floods,
        slots,
        [(tally.days.start(day), sum(found.alarms.values())) for day, found in told],
        sorted(whole.chattering),
        tally.standing_stale(now, console),
        tally.waiting(console),
    )


class _Maker:
    """Puts figures together and has each judged by its limit."""

    def __init__(self, limits: Mapping[str, Limit], alarms: int) -> None:
        self._limits, self._alarms = limits, alarms
        self.figures: list[Figure] = []

    def add(self, id: str, value: float | None, *, count: int | None = None, at_ms: int | None = None) -> None:
        limit = self._limits[id]
        self.figures.append(Figure(limit, value, limit.judge(value, self._alarms), count, at_ms))

    def rates(self, slots: Sequence[tuple[int, int]], span_ms: int) -> None:
        # A rate over the first minutes of a day is no rate: less than an hour counts as one, less than a day as one.
        alarms = sum(n for _, n in slots)
        hours = max(span_ms / HOUR_MS, 1.0)
        self.add("rate_hour", alarms / hours)
        self.add("rate_10min", alarms / hours / 6)
        self.add("rate_day", alarms / max(span_ms / DAY_MS, 1.0), count=alarms)

    def peaks(self, slots: Sequence[tuple[int, int]], tally: Tally) -> None:
        hours: Counter[int] = Counter()
        for at, n in slots:
            start = tally.days.around(at)[0]
            hours[start + (at - start) // HOUR_MS * HOUR_MS] += n
        for id, by_time in (("peak_10min", slots), ("peak_hour", list(hours.items()))):
            at, most = max(by_time, key=lambda one: one[1], default=(0, 0))
            self.add(id, most, at_ms=at if most else None)
        busy = sum(n > FLOOD_BEGINS for _, n in slots)
        self.add("busy_periods", _percent(busy, len(slots)), count=busy)
        busy = sum(n > BUSY_HOUR for n in hours.values())
        self.add("busy_hours", _percent(busy, len(hours)), count=busy)

    def mix(self, priorities: Mapping[int, int]) -> None:
        for id, which in (("mix_life", (1,)), ("mix_high", (2,)), ("mix_low", (3, 4))):
            n = sum(priorities.get(p, 0) for p in which)
            self.add(id, _percent(n, sum(priorities.values())), count=n)

    def waits(self, waits: list[int]) -> None:
        waits = sorted(waits)
        mean = sum(waits) / len(waits) / 1000 if waits else None
        self.add("seen_mean", mean, count=len(waits))
        self.add("seen_p95", waits[-(-len(waits) * 95 // 100) - 1] / 1000 if waits else None, count=len(waits))


def _percent(part: float, whole: float) -> float | None:
    return 100.0 * part / whole if whole else None


def _slots(tally: Tally, day: date, found: Day, since: int, until: int) -> list[tuple[int, int]]:
    """Return the ten-minute periods of a day that began before `until` and ended after `since`."""
    start, end = tally.days.start(day), tally.days.start(day + timedelta(1))
    return [
        (at, found.slots[(at - start) // SLOT_MS])
        for at in range(start, end, SLOT_MS)
        if at < until and at + SLOT_MS > since
    ]


def _floods(lead: Iterable[tuple[int, int]], slots: Iterable[tuple[int, int]]) -> list[Flood]:
    """Return the floods in `slots`; `lead` is the day before, in which one may have begun."""
    flooded = False
    for _, n in lead:
        flooded = n > FLOOD_BEGINS or (flooded and n >= FLOOD_ENDS)
    found: list[Flood] = []
    for at, n in slots:
        flooded = n > FLOOD_BEGINS or (flooded and n >= FLOOD_ENDS)
        if not flooded:
            continue
        if found and found[-1].to_ms == at:
            found[-1] = Flood(found[-1].from_ms, at + SLOT_MS, found[-1].alarms + n)
        else:
            found.append(Flood(at, at + SLOT_MS, n))
    return found
