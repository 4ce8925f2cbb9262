"""History in an InfluxDB server: what was forwarded is asked for in InfluxQL, the rest is read from the spool."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from facility.ports import Bucket, Layout
from facility.scan import FIRST_BAD, Reason, Scan
from facility.text import Text
from stores.errors import StoreError
from stores.telemetry import lineprotocol
from stores.telemetry.batch import Batch, Floats, Ints, Octets, decode, encode
from stores.telemetry.buckets import Buckets, checked
from stores.telemetry.columns import believed
from stores.telemetry.forward import POST_BYTES, Forwarder, Poster
from stores.telemetry.head import place_of, readings_of
from stores.telemetry.influxserver import Address, InfluxAwayError, InfluxRefusedError, Server, Table
from stores.telemetry.lineprotocol import BAD, UNCERTAIN, Lines
from stores.telemetry.names import Codes
from stores.telemetry.spool import Spool

_NS = 1_000_000
_APART_MS = 60_000
_WINDOWS = 20
_AHEAD_MS = 3_600_000
_PORTION = 5_000
_AT_ONCE = 3
"""Questions asked of the server at a time: one that hangs must not take every thread of the service."""
_RAW_ROWS = 500_000

Readings = tuple[Ints, Floats, Octets]
Span = tuple[int, int]


class StoreAwayError(StoreError):
    """The server of the history does not answer; the readings are safe in the spool."""

    def __init__(self, why: str) -> None:
        super().__init__(
            Text(
                f"历史数据库 InfluxDB 没有应答（{why}）。读数仍保存在本机暂存中，恢复后自动补传。请检查该服务器。",
                f"The history server InfluxDB does not answer ({why}). The readings are kept in the spool and are"
                " forwarded by themselves when it is back. Check that server.",
            )
        )
        self.why = why


class Influx:
    """Implements `facility.ports.Telemetry` on a server; `spool` is where its newest readings still are."""

    def __init__(self, address: Address, site: str, kinds: Mapping[str, str], spool: Spool | None = None) -> None:
        """Connect to nothing yet; `kinds` names the kind of each machine."""
        self._server, self._spool = Server(address), spool
        self._lines = Lines(site, kinds)
        self.forwarder = Forwarder(self._server.write, self._server.life, self._lines)
        self._asking = threading.BoundedSemaphore(_AT_ONCE)

    def exchange(self, kinds: Mapping[str, str]) -> None:
        """Name measurements by these kinds from now on."""
        self._lines.exchange(kinds)

    # Writing.

    def forward(self, spool: Spool, now_ms: int) -> int:
        """Post one bounded portion of the spool and return how many scans it had; see `Forwarder.forward`."""
        return self.forwarder.forward(spool, now_ms)

    def write(self, scans: Sequence[Scan], layouts: Mapping[str, Layout]) -> None:
        """Store scans that are in no spool.

        Raises:
            ValueError: a scan has no layout, or does not fit it; or the server refuses a reading.
            StoreAwayError: the server does not take it; the same call may be repeated.
        """
        for scan in scans:
            layout = layouts.get(scan.device)
            if layout is None or len(layout.points) != scan.width:
                raise ValueError(f"device {scan.device}: no layout of {scan.width} points")
        by_id = {layout.id: layout for layout in layouts.values()}
        batch = decode(encode(scans, [layouts[scan.device].id for scan in scans]))
        lines = lineprotocol.posts(self._lines.lines(batch, by_id.__getitem__), POST_BYTES)
        poster = Poster(self._server.write, self.forwarder.probe)
        poster.load(lines)
        refused: list[str] = []
        try:
            while poster.left:
                poster.work(1, lambda line, why: refused.append(f"{line.decode()[:200]}: {why}"))
        except InfluxAwayError as away:
            raise StoreAwayError(str(away)) from None
        if refused:
            raise ValueError(f"the server refuses {len(refused)} readings, among them {refused[0]}")

    # Reading.

    def history(self, point: str, from_ms: int, to_ms: int, buckets: int) -> list[Bucket]:
        """Return `buckets` spans of equal length over [from_ms, to_ms): low, mean and high of what was believed.

        Raises:
            ValueError: the span or the number of buckets makes no sense.
            StoreAwayError: the server does not answer.
        """
        checked(from_ms, to_ms, buckets)
        # First the spool: what is forwarded meanwhile is then seen twice, and never not at all.
        head = self._head(point, from_ms, to_ms)
        near = [(from_ms, to_ms)] if to_ms - from_ms < 2 * buckets else _windows(head[0], from_ms, to_ms)
        answer = Buckets(from_ms, to_ms, buckets)
        try:
            raw = self._readings(point, near)
            self._add_sums(answer, point, _between(near, from_ms, to_ms), (from_ms, to_ms, buckets))
        except InfluxAwayError as away:
            raise StoreAwayError(str(away)) from None
        except InfluxRefusedError as refused:
            raise StoreAwayError(str(refused)) from None
        # A reading that is in the spool and on the server is the same in everything, and counts once.
        answer.add_readings(
            np.concatenate((head[0], raw[0])), np.concatenate((head[1], raw[1])), np.concatenate((head[2], raw[2]))
        )
        return answer.answer()

    def _ask(self, statements: Sequence[str]) -> list[list[Table]]:
        if not statements:
            return []
        if not self._asking.acquire(timeout=1):
            raise InfluxAwayError("several questions are waiting for it")
        try:
            return self._server.query(statements)
        finally:
            self._asking.release()

    def _from(self, point: str, span: Span) -> str:
        series = self._lines.series(point)
        # A point that belongs to no machine has no such tag, which InfluxQL calls empty.
        where = [
            f"site = {_text(self._lines.site)}",
            f"equipment = {_text(series.equipment)}",
            f"time >= {span[0]}ms",
            f"time < {span[1]}ms",
        ]
        return f"FROM {_name(series.measurement)} WHERE {' AND '.join(where)}"

    def _add_sums(self, answer: Buckets, point: str, spans: Sequence[Span], chart: tuple[int, int, int]) -> None:
        """Add what the server sums up, span by span; its buckets start where ours do."""
        from_ms, to_ms, buckets = chart
        width = (to_ms - from_ms) * _NS // buckets
        group = f"GROUP BY time({width}ns, {from_ms * _NS % width}ns) fill(none)"
        field = self._lines.series(point).field
        value, bad = _name(field), _name(field + BAD)
        asked: list[str] = []
        for span in spans:
            source = self._from(point, span)
            asked += [
                f"SELECT count({value}), min({value}), max({value}), sum({value}) {source} {group}",
                f"SELECT count({bad}) {source} {group}",
            ]
        for number, tables in enumerate(self._ask(asked)):
            for table in tables:
                rows = [row for row in table.rows if row[1]]
                starts = np.array([row[0] for row in rows], np.int64)
                middle = np.clip((starts + width // 2) // _NS, from_ms, to_ms - 1)
                nothing = np.zeros(len(rows))
                if number % 2:
                    answer.add_sums(middle, _codes(nothing), _codes([r[1] for r in rows]), nothing, nothing, nothing)
                else:
                    low, high, total = (np.array([row[i] for row in rows], np.float64) for i in (2, 3, 4))
                    answer.add_sums(middle, _codes([r[1] for r in rows]), _codes(nothing), low, high, total)

    def _readings(self, point: str, spans: Sequence[Span]) -> Readings:
        """Return the readings themselves, where the spool has some too."""
        field = self._lines.series(point).field
        wanted = ", ".join(_name(field + part) for part in ("", UNCERTAIN, BAD))
        asked = [f"SELECT {wanted} {self._from(point, span)} LIMIT {_RAW_ROWS}" for span in spans]
        at: list[int] = []
        value: list[float] = []
        reason: list[int] = []
        for tables in self._ask(asked):
            for row in (row for table in tables for row in table.rows):
                for one, why in _said(row[1], row[2], row[3]):
                    at.append(row[0] // _NS)
                    value.append(one)
                    reason.append(why)
        return np.array(at, np.int64), np.array(value, np.float64), np.array(reason, np.uint8)

    def _head(self, point: str, from_ms: int, to_ms: int) -> Readings:
        """Return what the server has not acknowledged yet, in the form that it gives back."""
        if self._spool is None:
            return np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.uint8)
        layout_of = self._spool.layout_of
        batches = self._batches(self._spool, from_ms)
        at, value, reason = readings_of(batches, lambda layout: place_of(point, layout_of(layout).points))
        inside = (at >= from_ms) & (at < to_ms)
        at, value, reason = at[inside], value[inside], reason[inside]
        good = believed(value, reason)
        # As lines say it: no number where nothing is believed.
        reason = np.where((reason < FIRST_BAD) & ~good, np.uint8(Reason.NOT_A_NUMBER), reason)
        return at, np.where(good, value, np.nan), reason

    def _batches(self, spool: Spool, from_ms: int) -> Iterable[Batch]:
        # Read anew each time, a portion at a time: after a day's outage it would not fit the memory.
        # What was committed before the chart begins is older than it, but for clocks that run ahead.
        row = spool.row_before(self.forwarder.sent(spool), from_ms - _AHEAD_MS)
        while portion := spool.batches(row, _PORTION):
            yield from (batch for _, batch in portion)
            row = portion[-1][0]

    def close(self) -> None:
        """Let go of the connections."""
        self._server.close()


def _codes(numbers: Any) -> Codes:
    return np.asarray(numbers, np.int32)


def _said(value: float | None, uncertain: int | None, bad: int | None) -> Iterable[tuple[float, int]]:
    """Return the readings of one moment: two messages may have said different things."""
    if value is not None:
        yield float(value), int(uncertain or 0)
    if bad is not None:
        yield float("nan"), int(bad)


def _windows(at: Ints, from_ms: int, to_ms: int) -> list[Span]:
    """Return the few spans that hold all these moments."""
    if not len(at):
        return []
    at = np.unique(at)
    gaps = np.diff(at)
    cuts = np.flatnonzero(gaps > _APART_MS)
    if len(cuts) >= _WINDOWS:
        cuts = np.sort(cuts[np.argsort(gaps[cuts])[-_WINDOWS + 1 :]])
    starts, ends = at[np.concatenate(([0], cuts + 1))], at[np.concatenate((cuts, [len(at) - 1]))]
    return [(max(from_ms, a), min(to_ms, b + 1)) for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]


def _between(windows: Sequence[Span], from_ms: int, to_ms: int) -> list[Span]:
    """Return what the windows leave of a span."""
    edges = [from_ms, *(edge for window in windows for edge in window), to_ms]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [(a, b) for a, b in pairs if a < b]


def _name(text: str) -> str:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{quoted}"'


def _text(text: str) -> str:
    quoted = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{quoted}'"
