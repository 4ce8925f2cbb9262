"""The codec of a batch of scans: what goes in comes out, bit for bit, or a damage is said."""

import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facility.scan import Reason, Scan, missed
from stores.telemetry import batch

_INT64 = st.integers(-(2**63), 2**63 - 1)
_VALUES = st.one_of(
    st.floats(),
    st.sampled_from([0.0, -0.0, math.inf, -math.inf, math.nan, 1e300, 5e-324, 0.1, 23.4, -32768.0, 32767.0, 2.0**31]),
    st.integers(-(2**33), 2**33).map(float),
    st.integers(-(2**31), 2**31).map(lambda n: n / 10),
    st.integers(-(2**31), 2**31).map(lambda n: n * 0.1),
    st.floats(width=32),
)


@st.composite
def _scans(draw: st.DrawFn) -> list[Scan]:
    scans = []
    for _ in range(draw(st.integers(0, 12))):
        values = tuple(draw(st.lists(_VALUES, max_size=6)))
        reasons = bytes(draw(st.lists(st.sampled_from(list(Reason)), min_size=len(values), max_size=len(values))))
        texts = draw(st.none() | st.dictionaries(st.integers(0, 5), st.text(st.characters()), min_size=1, max_size=2))
        scans.append(
            Scan("d", draw(_INT64), draw(_INT64), values, reasons, draw(_INT64), texts, moved=draw(st.booleans()))
        )
    return scans


def _same(left: Scan, right: Scan) -> bool:
    bits = [struct.pack(f"{len(s.values)}d", *s.values) for s in (left, right)]
    rest = [(s.device, s.at_ms, s.received_ms, s.reasons, s.seq, s.texts, s.moved) for s in (left, right)]
    return bits[0] == bits[1] and rest[0] == rest[1]


def _back(scans: list[Scan]) -> list[Scan]:
    return batch.decode(batch.encode(scans, [7] * len(scans))).scans({7: "d"})


@settings(deadline=None)
@given(_scans())
def test_any_scans_come_back_bit_for_bit(scans: list[Scan]) -> None:
    back = _back(scans)
    assert len(back) == len(scans)
    assert all(map(_same, scans, back))


@settings(deadline=None, max_examples=60)
@given(st.data(), st.integers(0, 2**32 - 1))
def test_a_stacked_batch_of_any_columns_comes_back_bit_for_bit(data: st.DataObject, seed: int) -> None:
    """Large enough that every form of a column is used: integers, decimals, float32, float64, with holes in them."""
    rng = np.random.default_rng(seed)
    rows = data.draw(st.integers(86, 300))
    makers = [
        lambda: rng.integers(-5, 5, rows).astype(float),
        lambda: rng.integers(-(2**31), 2**31, rows).astype(float),
        lambda: rng.integers(-(2**40), 2**40, rows).astype(float),
        lambda: rng.integers(-40000, 40000, rows) / 10,
        lambda: rng.integers(-40000, 40000, rows) * 0.1,
        lambda: rng.integers(-40000, 40000, rows) / 100,
        lambda: rng.integers(-40000, 40000, rows) * 0.001,
        lambda: rng.normal(50, 3, rows).astype("f4").astype(float),
        lambda: rng.normal(50, 3, rows),
        lambda: np.zeros(rows) * -1.0,
        lambda: rng.choice([0.0, -0.0, 1.0], rows),
        lambda: np.full(rows, np.nan),
        lambda: rng.choice([np.inf, -np.inf, 1.0, np.nan], rows),
        lambda: np.frombuffer(rng.bytes(8 * rows), "f8"),
    ]
    chosen = data.draw(st.lists(st.sampled_from(makers), min_size=6, max_size=20))
    matrix = np.stack([make() for make in chosen], axis=1)
    holes = rng.random(matrix.shape) < data.draw(st.sampled_from([0.0, 0.1, 1.0]))
    matrix[holes] = np.nan
    reasons = np.where(holes, Reason.NO_ANSWER, Reason.GOOD).astype(np.uint8)
    scans = [Scan("d", i, i, tuple(matrix[i].tolist()), reasons[i].tobytes()) for i in range(rows)]
    assert all(map(_same, scans, _back(scans)))


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_damage_is_said_and_never_decoded(data: st.DataObject) -> None:
    rng = np.random.default_rng(4)
    scans = [Scan("d", i, i, tuple(rng.normal(size=100).tolist()), bytes(100)) for i in range(40)]
    blob = bytearray(batch.encode(scans, [1] * 40))
    if data.draw(st.booleans()):
        blob[data.draw(st.integers(0, len(blob) - 1))] ^= data.draw(st.integers(1, 255))
    else:
        del blob[data.draw(st.integers(0, len(blob) - 1)) :]
    with pytest.raises(ValueError, match="batch"):
        batch.decode(bytes(blob))


def test_noisy_columns_shrink_to_their_information() -> None:
    """float32 readings take 4 bytes less noise, maker's integers take two at most, missed scans nearly none."""
    rng = np.random.default_rng(5)
    narrow = [Scan("d", i, i, tuple(map(float, rng.normal(50, 3, 108).astype("f4"))), bytes(108)) for i in range(250)]
    tenths = [Scan("d", i, i, tuple((rng.integers(0, 900, 108) * 0.1).tolist()), bytes(108)) for i in range(250)]
    gone = [missed("d", i, 108, Reason.NO_ANSWER) for i in range(250)]
    sizes = [len(batch.encode(scans, [1] * 250)) / (250 * 108) for scans in (narrow, tenths, gone)]
    assert sizes[0] < 3.2
    assert sizes[1] < 1.6
    assert sizes[2] < 0.05


def test_a_scan_whose_reasons_do_not_match_its_values_is_refused() -> None:
    with pytest.raises(ValueError, match="device d: 2 values but 1 reasons"):
        batch.encode([Scan("d", 0, 0, (1.0, 2.0), b"\0")], [1])
    with pytest.raises(ValueError, match="64 bits"):
        batch.encode([Scan("d", 2**63, 0, (1.0,), b"\0")], [1])
