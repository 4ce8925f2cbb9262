"""Forwarding: in order, nothing lost, nothing given up but what is refused alone; on a clock moved by hand."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from facility.scan import Reason, Scan, missed
from stores.telemetry.forward import CURSOR, Forwarder
from stores.telemetry.influxserver import InfluxAwayError, InfluxRefusedError
from stores.telemetry.lineprotocol import Lines
from stores.telemetry.spool import Spool

_START = 1_790_000_000_000


class _Hands:
    def __init__(self) -> None:
        self.ms = _START

    def now(self) -> int:
        return self.ms

    async def until(self, at_ms: int) -> None:
        self.ms = max(self.ms, at_ms)


class _Server:
    """Keeps what it takes; `away` is what it answers instead, `poison` what it never takes."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.away: InfluxAwayError | None = None
        self.poison: bytes | None = None
        self.posts = 0

    def __call__(self, body: bytes) -> None:
        self.posts += 1
        if self.away:
            raise self.away
        if self.poison is not None and self.poison in body:
            raise InfluxRefusedError("HTTP 400: field type conflict")
        self.lines += body.split(b"\n")

    @property
    def values(self) -> list[float]:
        return [
            float(line.split(b"floor=")[1].split(b" ")[0].split(b",")[0]) for line in self.lines if b"floor=" in line
        ]


@pytest.fixture
def clock() -> _Hands:
    return _Hands()


@pytest.fixture
def spool(tmp_path: Path, clock: _Hands) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool.db", clock)
    spool.layout("lift-1", ("L1/floor", "L1/speed"), "v1")
    yield spool
    spool.close()


def _fill(spool: Spool, clock: _Hands, numbers: range) -> None:
    for n in numbers:
        clock.ms += 1000
        spool.checkpoint(spool.commit([Scan("lift-1", clock.ms, clock.ms, (float(n), 1.5), bytes(2))]), b"")


def _forwarder(server: _Server) -> Forwarder:
    return Forwarder(server, Lines("site", {"L1": "lift"}), chance=lambda: 1.0)


def _drain(forwarder: Forwarder, spool: Spool, clock: _Hands) -> None:
    while forwarder.forward(spool, clock.ms):
        pass


def test_readings_arrive_in_order_and_are_kept_a_minute_more(spool: Spool, clock: _Hands) -> None:
    server = _Server()
    forwarder = _forwarder(server)
    _fill(spool, clock, range(5))
    _drain(forwarder, spool, clock)
    assert server.values == [0, 1, 2, 3, 4]
    assert forwarder.sent(spool) == spool.last_row
    clock.ms += 59_999
    forwarder.forward(spool, clock.ms)
    assert spool.cursor(CURSOR) == 0
    assert spool.trim(clock.ms) == 0, "the server may still forget them"
    clock.ms += 1
    forwarder.forward(spool, clock.ms)
    assert spool.cursor(CURSOR) == spool.last_row
    assert spool.trim(clock.ms) == 5


def test_after_trouble_the_last_minute_is_sent_again(spool: Spool, clock: _Hands) -> None:
    server = _Server()
    forwarder = _forwarder(server)
    _fill(spool, clock, range(3))
    _drain(forwarder, spool, clock)
    clock.ms += 60_000
    _fill(spool, clock, range(3, 5))
    _drain(forwarder, spool, clock)
    server.away = InfluxAwayError("connection refused")
    _fill(spool, clock, range(5, 6))
    assert forwarder.forward(spool, clock.ms) == 0
    server.away, server.lines = None, []
    clock.ms += 2_000
    _drain(forwarder, spool, clock)
    assert server.values == [3, 4, 5], "what was acknowledged within the last minute, and what is new"


def test_a_forwarder_that_starts_again_repeats_and_skips_nothing(spool: Spool, clock: _Hands) -> None:
    server = _Server()
    _fill(spool, clock, range(3))
    _drain(_forwarder(server), spool, clock)
    _fill(spool, clock, range(3, 6))
    _drain(_forwarder(server), spool, clock)
    assert server.values == [0, 1, 2, 0, 1, 2, 3, 4, 5]
    assert len(set(server.lines)) == 6, "a repeat is the same line"


def test_it_backs_off_and_comes_back_by_itself(spool: Spool, clock: _Hands) -> None:
    server = _Server()
    forwarder = _forwarder(server)
    _fill(spool, clock, range(1))
    server.away = InfluxAwayError("HTTP 503")
    waits: list[int] = []
    for _ in range(8):
        began, posts = clock.ms, server.posts
        while server.posts == posts:
            forwarder.forward(spool, clock.ms)
            clock.ms += 500
        waits.append((clock.ms - began) // 1000)
    assert waits == [0, 1, 2, 4, 8, 16, 32, 60]
    assert "503" in forwarder.trouble
    server.away = None
    clock.ms += 60_000
    assert forwarder.forward(spool, clock.ms)
    assert forwarder.trouble == ""
    assert server.values == [0]


@pytest.mark.parametrize(
    ("said", "waits"),
    [("30", 30_000), ("0.5", 1_000), ("Mon, 21 Sep 2026 14:14:21 GMT", 60_000), ("soon", 1_000), ("99999", 600_000)],
)
def test_it_waits_as_long_as_the_server_asks(spool: Spool, clock: _Hands, said: str, waits: int) -> None:
    server = _Server()
    forwarder = _forwarder(server)
    _fill(spool, clock, range(1))
    server.away = InfluxAwayError("HTTP 429", wait=said, restarted=False)
    forwarder.forward(spool, clock.ms)
    server.away = None
    assert forwarder.forward(spool, clock.ms + waits - 1) == 0
    assert forwarder.forward(spool, clock.ms + waits) == 1


def test_only_what_is_refused_alone_is_given_up_and_kept_as_a_dead_letter(spool: Spool, clock: _Hands) -> None:
    server = _Server()
    forwarder = _forwarder(server)
    _fill(spool, clock, range(100))
    server.poison = b"floor=42.0"
    _drain(forwarder, spool, clock)
    assert sorted(set(server.values)) == [float(n) for n in range(100) if n != 42]
    assert sum(b"speed=1.5" in line for line in set(server.lines)) == 100, "the good field of the bad line too"
    (letter,) = spool.dead_letters(10)
    assert letter.source == "influx"
    assert b"floor=42.0" in letter.payload
    assert "field type conflict" in letter.why
    assert forwarder.sent(spool) == spool.last_row


def test_a_server_that_refuses_everything_gets_nothing_given_up_for_it(spool: Spool, clock: _Hands) -> None:
    server = _Server()
    forwarder = _forwarder(server)
    _fill(spool, clock, range(4))
    server.poison = b""
    for _ in range(50):
        forwarder.forward(spool, clock.ms)
        clock.ms += 10_000
    assert "refuses everything" in forwarder.trouble
    assert spool.dead_letters(10) == []
    server.poison = None
    clock.ms += 60_000
    _drain(forwarder, spool, clock)
    assert sorted(set(server.values)) == [0, 1, 2, 3]


def test_many_refused_lines_take_several_turns_and_each_is_bounded(spool: Spool, clock: _Hands) -> None:
    server = _Server()
    forwarder = _forwarder(server)
    _fill(spool, clock, range(200))
    server.poison = b"floor=1"
    most = 0
    while True:
        before = server.posts
        if not forwarder.forward(spool, clock.ms):
            break
        most = max(most, server.posts - before)
    assert most <= 201
    assert spool.dead_counts() == {"influx": 111}
    assert len(set(server.values)) == 89


def test_trouble_within_every_minute_does_not_send_the_same_minute_for_ever(spool: Spool, clock: _Hands) -> None:
    server = _Server()
    forwarder = _forwarder(server)
    for round_ in range(40):
        _fill(spool, clock, range(round_ * 5, round_ * 5 + 5))
        server.away = None
        _drain(forwarder, spool, clock)
        server.away = InfluxAwayError("connection reset")
        _fill(spool, clock, range(1000 + round_, 1001 + round_))
        forwarder.forward(spool, clock.ms)
        clock.ms += 30_000 if round_ > 3 else 2_000
        server.away = None
    assert spool.cursor(CURSOR) > spool.last_row - 60


def test_what_is_missing_is_said_and_not_left_out(spool: Spool, clock: _Hands) -> None:
    server = _Server()
    spool.commit(
        [
            missed("lift-1", clock.ms, 2, Reason.NO_ANSWER),
            Scan("lift-1", clock.ms + 1, clock.ms + 1, (math.nan, 1.0), bytes(2)),
        ]
    )
    _drain(_forwarder(server), spool, clock)
    assert b"floor.bad=65i,speed.bad=65i" in server.lines[0]
    assert b"floor.bad=72i,speed=1.0" in server.lines[1]


def test_a_second_turn_at_the_same_time_does_nothing(spool: Spool, clock: _Hands) -> None:
    found: list[int] = []

    def post(_: bytes) -> None:
        found.append(forwarder.forward(spool, clock.ms))

    forwarder = Forwarder(post, Lines("site", {}))
    _fill(spool, clock, range(1))
    assert forwarder.forward(spool, clock.ms) == 1
    assert found == [0]


def test_the_head_of_a_chart_begins_where_the_chart_does(spool: Spool, clock: _Hands) -> None:
    _fill(spool, clock, range(10))
    first = spool.last_row - 9
    assert spool.row_before(0, _START) == first - 1
    assert spool.row_before(0, _START + 4_500) == first + 3
    assert spool.row_before(first + 6, _START + 4_500) == first + 6
    assert spool.row_before(0, _START + 99_000) == spool.last_row
