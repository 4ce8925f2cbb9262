"""A turn that comes in many portions, decimals and noise side by side, over midnight: files are sorted, sums are whole."""

import random
from collections import Counter
from pathlib import Path

import duckdb
import pytest
from hands import Hands

from facility.scan import Scan
from stores.telemetry import catalogue, columns
from stores.telemetry.archive import Archive
from stores.telemetry.segments import ARRIVAL, HOUR, MINUTE, RAW
from stores.telemetry.spool import Spool

_MIDNIGHT = 20_701 * 86_400_000


def test_minutes_are_whole_and_in_order_however_many_portions_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "PORTION", 50)
    monkeypatch.setattr(catalogue, "_LINES", 10)
    monkeypatch.setattr(catalogue, "ROW_GROUP", {RAW: 40, MINUTE: 3, HOUR: 5, ARRIVAL: 9})
    dice, clock = random.Random(3), Hands(_MIDNIGHT - 150_000)
    spool = Spool(tmp_path / "spool.db", clock)
    archive = Archive(tmp_path / "archive", spool)
    points = {f"d{n}": [f"m{n % 5}/p{n}-{i}" for i in range(3 + n % 3)] for n in range(17)}
    for device, names in points.items():
        spool.layout(device, names, "v1")
    expected: Counter[tuple[str, int]] = Counter()
    for at in range(_MIDNIGHT - 150_000, _MIDNIGHT + 150_000, 5_000):
        some = []
        for device, names in points.items():
            # Odd points are noise, which no decimal of few digits is.
            values = tuple(dice.random() if i % 2 else dice.randrange(9) / 10 for i in range(len(names)))
            some.append(Scan(device, at, at, values, bytes(len(names))))
            expected.update((name, at // 60_000 * 60_000) for name in names)
        spool.commit(some)
    clock.ms = _MIDNIGHT + 900_000
    while archive.compact(spool, clock.ms):
        pass
    files = sorted((tmp_path / "archive").glob("minute-*.parquet"))
    assert len(files) == 2, "one a day"
    found: dict[tuple[str, int], int] = {}
    for file in files:
        rows = duckdb.connect().execute(f"SELECT point, at_ms, count FROM '{file}'").fetchall()
        assert [row[:2] for row in rows] == sorted({row[:2] for row in rows}), "each minute once, in order"
        found.update({row[:2]: row[2] for row in rows})
    assert found == expected
    for file in (tmp_path / "archive").glob("raw-*.parquet"):
        keys = duckdb.connect().execute(f"SELECT point, at_ms FROM '{file}'").fetchall()
        assert keys == sorted(keys)
    archive.close()
    spool.close()
