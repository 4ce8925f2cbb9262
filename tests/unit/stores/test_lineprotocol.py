"""Lines: every reading is in one, exactly, and a repeat makes the same line."""

import math

from hypothesis import given
from hypothesis import strategies as st

from facility.ports import Layout
from facility.scan import Reason, Scan, missed
from stores.telemetry.batch import decode, encode
from stores.telemetry.lineprotocol import Lines, halves, posts

_AT = 1_790_000_000_000
_METER = Layout(1, "meter 1", ("T1/temp_a", "T1/temp_b"), "v1")
_MODULE = Layout(2, "module", ("T1/alarm", "pit,1/water=high", "loose"), "v1")
_LAYOUTS = {1: _METER, 2: _MODULE}


def _lines(*scans: tuple[int, Scan]) -> list[str]:
    batch = decode(encode([scan for _, scan in scans], [layout for layout, _ in scans]))
    return [line.decode() for line in Lines("site", {"T1": "transformer"}).lines(batch, _LAYOUTS.__getitem__)]


def _meter(*values: float, reasons: bytes = bytes(2), at: int = _AT, received: int = _AT) -> tuple[int, Scan]:
    return 1, Scan("meter 1", at, received, values, reasons)


def test_a_good_scan_is_one_line_with_the_numbers_exactly() -> None:
    assert _lines(_meter(0.1 + 0.2, 1e22)) == [
        rf"transformer,site=site,device=meter\ 1,equipment=T1 temp_a=0.30000000000000004,temp_b=1e22 {_AT}000"
    ]


def test_what_cannot_be_believed_keeps_its_reason_and_its_number() -> None:
    (line,) = _lines(_meter(math.nan, 999.0, reasons=bytes([Reason.SENTINEL, Reason.OUT_OF_RANGE])))
    assert " temp_a.bad=70i,temp_b.bad=71i,temp_b.said=999.0 " in line
    (line,) = _lines(_meter(math.inf, 5.0, reasons=bytes([0, Reason.LATE])))
    assert " temp_a.bad=72i,temp_b=5.0,temp_b.uncertain=4i " in line
    (line,) = _lines((1, missed("meter 1", _AT, 2, Reason.NO_ANSWER)))
    assert " temp_a.bad=65i,temp_b.bad=65i " in line


def test_a_scan_of_several_machines_is_a_line_for_each_and_names_are_escaped() -> None:
    assert _lines((2, Scan("module", _AT, _AT, (1.0, 0.0, 7.0), bytes(3)))) == [
        f"transformer,site=site,device=module,equipment=T1 alarm=1.0 {_AT}000",
        rf"scan,site=site,device=module,equipment=pit\,1 water\=high=0.0 {_AT}000",
        f"scan,site=site,device=module loose=7.0 {_AT}000",
    ]


def test_two_messages_that_a_coarse_clock_gave_one_time_stay_two_and_a_repeat_stays_one() -> None:
    said = [_meter(1.0, 2.0, received=_AT + 300), _meter(1.0, 3.0, received=_AT + 600)]
    repeated = _meter(1.0, 2.0, received=_AT + 9000)
    first, second, again = _lines(*said, repeated)
    assert first == again
    assert first.split()[-1] != second.split()[-1]
    assert {int(line.split()[-1]) // 1000 for line in (first, second)} == {_AT}


def test_lines_stand_in_the_order_of_the_scans() -> None:
    scans = [(1 + i % 2, Scan("d", _AT + i, _AT + i, (float(i),) * (2 + i % 2), bytes(2 + i % 2))) for i in range(9)]
    stamps = [int(line.split()[-1]) for line in _lines(*scans)]
    assert stamps == sorted(stamps)


def test_halves_end_at_one_field_and_lose_none() -> None:
    line = rb"m,site=a\ b x\,y=1.0,z\ =2.0,w.bad=65i 5"
    work, leaves = [[b"a b=1 1", line, b"c d=1 1"]], []
    while work:
        piece = work.pop()
        two = halves(piece)
        work.extend(two) if two else leaves.append(piece[0])
    assert sorted(leaves) == sorted([
        b"a b=1 1", b"c d=1 1", rb"m,site=a\ b x\,y=1.0 5", rb"m,site=a\ b z\ =2.0 5", rb"m,site=a\ b w.bad=65i 5",
    ])  # fmt: skip


def test_posts_are_not_larger_than_they_may_be() -> None:
    lines = [b"x" * n for n in (10, 10, 10, 500, 3)]
    cut = posts(lines, 100)
    assert [line for piece in cut for line in piece] == lines
    assert [len(piece) for piece in cut] == [3, 1, 1]


@given(st.lists(st.floats(), min_size=2, max_size=2))
def test_every_number_is_written_exactly(values: list[float]) -> None:
    (line,) = _lines(_meter(*values))
    fields = dict(field.split("=") for field in line.rsplit(" ", 2)[1].split(","))
    for name, value in zip(("temp_a", "temp_b"), values, strict=True):
        if math.isfinite(value):
            assert float(fields[name]).hex() == value.hex()
        else:
            assert fields[f"{name}.bad"] == f"{Reason.NOT_A_NUMBER:d}i"
