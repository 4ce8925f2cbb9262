"""The newest word of every point, and since when."""

import random
from math import isnan, nan

from facility.ports import Layout
from facility.scan import Reason, Scan, missed
from stores.live import Live, Now, believable

_LIFT = Layout(1, "lift-1", ("L1/floor", "L1/speed"), "p")
_METER = Layout(2, "meter", ("M/v",), "p")
_GOOD = bytes(2)


def _live() -> Live:
    return Live({"lift-1": _LIFT, "meter": _METER})


def test_nothing_heard_is_nothing_known() -> None:
    live = _live()
    assert live.read("L1/floor") is None
    assert live.read("no/such") is None
    assert live.device("lift-1") == {}
    assert live.since(0) == (0, {})


def test_a_point_tells_its_value_its_change_and_its_last_good() -> None:
    live = _live()
    live.update(Scan("lift-1", 1000, 1005, (3.0, 1.5), _GOOD))
    live.update(Scan("lift-1", 2000, 2005, (3.0, 1.75), _GOOD))
    assert live.read("L1/floor") == Now(3.0, 0, 2000, 2005, changed_ms=1000, last_good=3.0, last_good_ms=2000)
    assert live.read("L1/speed") == Now(1.75, 0, 2000, 2005, changed_ms=2000, last_good=1.75, last_good_ms=2000)


def test_a_missed_scan_keeps_the_last_good_value_with_its_age() -> None:
    live = _live()
    live.update(Scan("lift-1", 1000, 1000, (3.0, 1.5), _GOOD))
    for at in (2000, 3000):
        live.update(missed("lift-1", at, 2, Reason.NO_ANSWER))
    now = live.read("L1/floor")
    assert now is not None
    assert isnan(now.value)
    assert not believable(now)
    assert (now.reason, now.at_ms, now.changed_ms) == (Reason.NO_ANSWER, 3000, 2000)
    assert (now.last_good, now.last_good_ms) == (3.0, 1000)
    live.update(Scan("lift-1", 4000, 4000, (3.0, 1.5), _GOOD))
    again = live.read("L1/floor")
    assert again is not None
    assert believable(again)
    assert (again.changed_ms, again.last_good_ms) == (4000, 4000)


def test_only_the_points_that_fail_lose_their_value() -> None:
    live = _live()
    live.update(Scan("lift-1", 1000, 1000, (3.0, 1.5), _GOOD))
    live.update(Scan("lift-1", 2000, 2000, (nan, 2.5), bytes([Reason.UNKNOWN_TEXT, 0]), texts={0: "B2"}))
    floor, speed = live.device("lift-1").values()
    assert (floor.text, floor.last_good, floor.last_good_ms) == ("B2", 3.0, 1000)
    assert (speed.value, speed.text, speed.last_good_ms) == (2.5, "", 2000)


def test_an_older_scan_is_not_the_newest_word() -> None:
    live = _live()
    live.update(Scan("meter", 2000, 2000, (230.0,), b"\0"))
    live.update(Scan("meter", 1000, 2100, (0.0,), b"\0"))
    now = live.read("M/v")
    assert now is not None
    assert (now.value, now.at_ms, live.late) == (230.0, 2000, 1)


def test_a_clock_that_ran_ahead_once_does_not_silence_the_device() -> None:
    live = _live()
    live.update(Scan("meter", 9_000_000, 2000, (1.0,), b"\0"))
    live.update(Scan("meter", 3000, 3000, (2.0,), b"\0"))
    now = live.read("M/v")
    assert now is not None
    assert now.value == 2.0


def test_since_a_version_only_what_changed_is_told() -> None:
    live = _live()
    live.update(Scan("lift-1", 1000, 1000, (3.0, 1.5), _GOOD))
    live.update(Scan("meter", 1000, 1000, (230.0,), b"\0"))
    version, first = live.since(0)
    assert set(first) == {"L1/floor", "L1/speed", "M/v"}
    live.update(Scan("lift-1", 2000, 2000, (3.0, 1.75), _GOOD))
    live.update(Scan("meter", 2000, 2000, (230.0,), b"\0"))
    later, changed = live.since(version)
    assert list(changed) == ["L1/speed"]
    assert live.since(version, ["L1/floor", "M/v", "no/such"])[1] == {}
    assert list(live.since(version, ["L1/speed"])[1]) == ["L1/speed"]
    assert live.since(later) == (later, {})


def test_a_scan_that_fits_no_layout_changes_nothing() -> None:
    live = _live()
    live.update(Scan("meter", 1000, 1000, (1.0, 2.0), _GOOD))
    live.update(Scan("stranger", 1000, 1000, (1.0,), b"\0"))
    assert live.since(0) == (0, {})


def test_what_is_worked_out_for_many_devices_at_once_is_what_each_said() -> None:
    roll = random.Random(3)
    layouts = {f"d{n}": Layout(n, f"d{n}", tuple(f"d{n}/p{i}" for i in range(3)), "p") for n in range(4)}
    live, asked = Live(layouts), Live(layouts)
    for at in range(1, 400):
        device = roll.choice(list(layouts))
        values = tuple(roll.choice((1.0, 2.0, nan)) for _ in range(3))
        scan = Scan(device, at, at, values, bytes(roll.choice((0, 0, Reason.LATE, Reason.NO_ANSWER)) for _ in range(3)))
        live.update(scan)
        asked.update(scan)
        assert asked.device(device)  # so that each of its scans is worked out alone
        if at % 40 == 0:
            version = live.version - roll.randrange(30)
            assert repr(live.since(version)) == repr(asked.since(version))
            assert [repr(live.device(d)) for d in layouts] == [repr(asked.device(d)) for d in layouts]


def test_under_other_layouts_who_stays_keeps_all_and_who_goes_is_not_silently_good() -> None:
    live = _live()
    live.update(Scan("lift-1", 1000, 1000, (3.0, 1.5), _GOOD))
    live.update(Scan("meter", 1000, 1000, (230.0,), bytes(1)))
    live.update(missed("lift-1", 2000, 2, Reason.NO_ANSWER))
    version, _ = live.since(0)
    live.exchange({"lift-1": _LIFT, "other": Layout(3, "other", ("N/v",), "p")})
    now = live.read("L1/floor")
    assert now
    assert (now.reason, now.last_good, now.last_good_ms) == (Reason.NO_ANSWER, 3.0, 1000)
    assert live.read("M/v") is None
    assert live.read("N/v") is None
    assert live.since(version) == (version, {})
    live.update(Scan("meter", 3000, 3000, (231.0,), bytes(1)))
    live.update(Scan("other", 3000, 3000, (7.0,), bytes(1)))
    assert list(live.since(version)[1]) == ["N/v"]


def test_a_device_that_is_read_by_another_profile_is_unknown_until_it_speaks() -> None:
    live = _live()
    live.update(Scan("meter", 1000, 1000, (230.0,), bytes(1)))
    live.exchange({"lift-1": _LIFT, "meter": Layout(9, "meter", ("M/v",), "p2")})
    assert live.read("M/v") is None
    live.update(Scan("meter", 2000, 2000, (460.0,), bytes(1)))
    now = live.read("M/v")
    assert now
    assert (now.value, now.changed_ms) == (460.0, 2000)
