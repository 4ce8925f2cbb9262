"""Forwarding: in order, nothing lost, nothing given up but what is refused alone; on a clock moved by hand."""

import math
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hands import Hands
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facility.scan import Reason, Scan, missed
from stores.telemetry import forward
from stores.telemetry.forward import CURSOR, LOOK_MS, SETTLE_MS, Forwarder
from stores.telemetry.influxserver import InfluxAwayError, InfluxRefusedError, Life
from stores.telemetry.lineprotocol import Lines
from stores.telemetry.spool import Spool

_START = 1_790_000_000_000


class _Server:
    """Keeps what it takes; `away` is what it answers instead, `poison` what it never takes, `mark` which run it is."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.away: InfluxAwayError | None = None
        self.poison: bytes | None = None
        self.mark, self.young = "1", False
        self.posts = 0

    def life(self) -> Life:
        if self.away and self.away.restarted:
            self.posts += 1
            raise self.away
        return Life(self.mark, self.young)

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
def clock() -> Hands:
    return Hands(_START)


@pytest.fixture
def spool(tmp_path: Path, clock: Hands) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool.db", clock)
    spool.layout("lift-1", ("L1/floor", "L1/speed"), "v1")
    yield spool
    spool.close()


def _fill(spool: Spool, clock: Hands, numbers: range) -> None:
    for n in numbers:
        clock.ms += 1000
        spool.checkpoint(spool.commit([Scan("lift-1", clock.ms, clock.ms, (float(n), 1.5), bytes(2))]), b"")


def _forwarder(server: _Server) -> Forwarder:
    return Forwarder(server, server.life, Lines("site", {"L1": "lift"}), chance=lambda: 1.0)


def _drain(forwarder: Forwarder, spool: Spool, clock: Hands) -> None:
    while forwarder.forward(spool, clock.ms):
        pass


def test_readings_arrive_in_order_and_are_kept_a_minute_more(spool: Spool, clock: Hands) -> None:
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
    clock.ms += LOOK_MS
    forwarder.forward(spool, clock.ms)
    assert spool.cursor(CURSOR) == spool.last_row
    assert spool.trim(clock.ms) == 5


def test_a_minute_is_counted_from_the_end_of_a_turn_that_took_long(spool: Spool, clock: Hands) -> None:
    server = _Server()
    forwarder = _forwarder(server)
    _fill(spool, clock, range(1))
    forwarder.forward(spool, clock.ms)
    clock.ms += 50_000  # so long did that post take
    forwarder.forward(spool, clock.ms)
    clock.ms += 59_000
    forwarder.forward(spool, clock.ms)
    assert spool.cursor(CURSOR) == 0
    clock.ms += LOOK_MS
    forwarder.forward(spool, clock.ms)
    assert spool.cursor(CURSOR) == spool.last_row


def test_a_server_that_was_killed_between_two_posts_gets_everything_again_that_it_may_have_forgotten(
    spool: Spool, clock: Hands
) -> None:
    server = _Server()
    forwarder = _forwarder(server)
    _fill(spool, clock, range(3))
    _drain(forwarder, spool, clock)
    clock.ms += 60_000
    _fill(spool, clock, range(3, 5))
    _drain(forwarder, spool, clock)
    server.lines, server.mark = [], "2"
    assert forwarder.trouble == ""
    assert not forwarder.sure
    clock.ms += LOOK_MS
    _drain(forwarder, spool, clock)
    assert server.values == [3, 4]
    clock.ms += LOOK_MS
    _drain(forwarder, spool, clock)
    assert forwarder.sure


def test_what_was_acknowledged_twice_and_killed_twice_is_sent_a_third_time(spool: Spool, clock: Hands) -> None:
    server = _Server()
    forwarder = _forwarder(server)
    for run in range(20):
        _fill(spool, clock, range(run, run + 1))
        clock.ms += 2_000
        server.away, server.lines, server.mark = None, [], str(run)
        _drain(forwarder, spool, clock)
        server.away = InfluxAwayError("connection refused")
        clock.ms += 2_000
        forwarder.forward(spool, clock.ms)
    server.away = None
    clock.ms += LOOK_MS
    _drain(forwarder, spool, clock)
    assert sorted(set(server.values)) == list(range(20))


def test_what_two_runs_acknowledged_is_counted_from_the_second(spool: Spool, clock: Hands) -> None:
    server = _Server()
    forwarder = _forwarder(server)
    _fill(spool, clock, range(1))
    _drain(forwarder, spool, clock)
    clock.ms += 55_000
    server.mark = "2"
    for _ in range(4):
        _drain(forwarder, spool, clock)
        clock.ms += LOOK_MS - 1
    assert spool.cursor(CURSOR) == 0
    clock.ms += LOOK_MS
    _drain(forwarder, spool, clock)
    assert spool.cursor(CURSOR) == spool.last_row


def test_trouble_of_a_server_that_lived_on_repeats_nothing(spool: Spool, clock: Hands) -> None:
    server = _Server()
    forwarder = _forwarder(server)
    _fill(spool, clock, range(3))
    _drain(forwarder, spool, clock)
    server.away = InfluxAwayError("HTTP 503: busy")
    _fill(spool, clock, range(3, 5))
    assert forwarder.forward(spool, clock.ms) == 0
    server.away = None
    clock.ms += 2_000
    _drain(forwarder, spool, clock)
    assert server.values == [0, 1, 2, 3, 4]


def test_a_server_that_has_just_been_started_is_left_alone_for_a_moment(spool: Spool, clock: Hands) -> None:
    server = _Server()
    server.young = True
    forwarder = _forwarder(server)
    _fill(spool, clock, range(2))
    assert forwarder.forward(spool, clock.ms) == 0
    assert forwarder.trouble == ""
    server.young = False
    clock.ms += 1_000
    assert forwarder.forward(spool, clock.ms) == 2


@pytest.mark.parametrize("marks", [("",), ("1", "2", "1", "2", "1")], ids=["silent", "several"])
def test_a_server_that_does_not_say_which_run_it_is_gets_the_last_minute_after_trouble(
    spool: Spool, clock: Hands, marks: Sequence[str]
) -> None:
    server = _Server()
    forwarder = _forwarder(server)
    for server.mark in marks:
        _fill(spool, clock, range(1))
        clock.ms += LOOK_MS
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


def test_trouble_within_every_minute_does_not_send_the_same_minute_for_ever(spool: Spool, clock: Hands) -> None:
    server = _Server()
    server.mark = ""
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


def test_a_forwarder_that_starts_again_repeats_and_skips_nothing(spool: Spool, clock: Hands) -> None:
    server = _Server()
    _fill(spool, clock, range(3))
    _drain(_forwarder(server), spool, clock)
    _fill(spool, clock, range(3, 6))
    _drain(_forwarder(server), spool, clock)
    assert server.values == [0, 1, 2, 0, 1, 2, 3, 4, 5]
    assert len(set(server.lines)) == 6, "a repeat is the same line"


def test_it_backs_off_and_comes_back_by_itself(spool: Spool, clock: Hands) -> None:
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
def test_it_waits_as_long_as_the_server_asks(spool: Spool, clock: Hands, said: str, waits: int) -> None:
    server = _Server()
    forwarder = _forwarder(server)
    _fill(spool, clock, range(1))
    server.away = InfluxAwayError("HTTP 429", wait=said, restarted=False)
    forwarder.forward(spool, clock.ms)
    server.away = None
    assert forwarder.forward(spool, clock.ms + waits - 1) == 0
    assert forwarder.forward(spool, clock.ms + waits) == 1


def test_only_what_is_refused_alone_is_given_up_and_kept_as_a_dead_letter(spool: Spool, clock: Hands) -> None:
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


def test_a_server_that_refuses_everything_gets_nothing_given_up_for_it(spool: Spool, clock: Hands) -> None:
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


def test_many_refused_lines_take_several_turns_and_each_is_bounded(spool: Spool, clock: Hands) -> None:
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


def test_a_long_backlog_goes_in_portions_of_which_the_next_is_made_ready_meanwhile(
    spool: Spool, clock: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward, "TURN_READINGS", 400)  # four scans of a width not known yet, then 200
    server = _Server()
    forwarder = _forwarder(server)
    _fill(spool, clock, range(500))
    assert forwarder.forward(spool, clock.ms) == 4
    _fill(spool, clock, range(500, 510))
    server.mark = "2"
    clock.ms += LOOK_MS
    assert forwarder.forward(spool, clock.ms) == 200, "from the beginning, not what was made ready"
    _drain(forwarder, spool, clock)
    assert server.values == [*range(4), *range(510)]


def test_what_is_missing_is_said_and_not_left_out(spool: Spool, clock: Hands) -> None:
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


def test_a_second_turn_at_the_same_time_does_nothing(spool: Spool, clock: Hands) -> None:
    found: list[int] = []

    def post(_: bytes) -> None:
        found.append(forwarder.forward(spool, clock.ms))

    forwarder = Forwarder(post, lambda: Life("1"), Lines("site", {}))
    _fill(spool, clock, range(1))
    assert forwarder.forward(spool, clock.ms) == 1
    assert found == [0]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["commit", "kill", "commit", "kill", "away", "busy", "restart"]),
            st.sampled_from([100, 3_000, 18_000, 70_000]),
        ),
        min_size=5,
        max_size=20,
    )
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_fails_a_kill_never_loses_what_the_cursor_has_passed(
    tmp_path: Path, acts: list[tuple[str, int]]
) -> None:
    """Against a server that loses, at each kill, all it took in the last minute, and is back before anybody asks."""
    clock = Hands(_START)
    spool = Spool(tmp_path / f"{uuid.uuid4()}.db", clock)
    spool.layout("lift-1", ("L1/floor", "L1/speed"), "v1")
    server, taken, number, runs = _Server(), dict[float, int](), 0, 1

    def post(body: bytes) -> None:
        server(body)
        for value in server.values:
            taken.setdefault(value, clock.ms)
        server.lines.clear()
        clock.ms += 10

    def forwarder() -> Forwarder:
        return Forwarder(post, server.life, Lines("site", {"L1": "lift"}), chance=lambda: 1.0)

    def turns(ms: int) -> None:
        until = clock.ms + ms
        while clock.ms < until:
            if not carrier.forward(spool, clock.ms):
                clock.ms += 500

    carrier = forwarder()
    first = spool.last_row
    for act, ms in acts:
        if act == "commit":
            _fill(spool, clock, range(number, number + 3))
            number += 3
        elif act == "kill":
            runs += 1
            server.mark = str(runs)
            for value in [v for v, at_ms in taken.items() if clock.ms - at_ms < SETTLE_MS]:
                del taken[value]
        elif act in ("away", "busy"):
            server.away = InfluxAwayError(act, restarted=act != "busy")
            turns(ms)
            server.away = None
        elif act == "restart":
            carrier = forwarder()
        turns(ms)
        passed = spool.cursor(CURSOR) - first
        assert taken.keys() >= {float(n) for n in range(passed)}
    turns(300_000)
    assert taken.keys() == {float(n) for n in range(number)}
    assert spool.cursor(CURSOR) in (0, spool.last_row)
    assert carrier.sure
    spool.close()


def test_the_head_of_a_chart_begins_where_the_chart_does(spool: Spool, clock: Hands) -> None:
    _fill(spool, clock, range(10))
    first = spool.last_row - 9
    assert spool.row_before(0, _START) == first - 1
    assert spool.row_before(0, _START + 4_500) == first + 3
    assert spool.row_before(first + 6, _START + 4_500) == first + 6
    assert spool.row_before(0, _START + 99_000) == spool.last_row
