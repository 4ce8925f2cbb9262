"""Two devices that speak by the minute, and what of it an archive holds."""

from pathlib import Path

from facility.scan import Scan
from stores.telemetry.archive import Archive

DAY = 86_400_000
START = 20_700 * DAY
HOUR = 3_600_000


def minute_of(start: int, every: int = 1000) -> list[Scan]:
    """A minute of both devices."""
    scans = []
    for at in range(start, start + 60_000, every):
        scans.append(Scan("meter", at, at + 5, (230.0 + at % 7, 0.1 * (at // 1000 % 10)), bytes(2)))
        scans.append(Scan("lift-1", at + 1, at + 6, (3.0, 1.5, 0.0), bytes(3)))
    return scans


def count_of(archive: Archive, point: str, start: int, end: int) -> int:
    return sum(bucket.count for bucket in archive.history(point, start, end, 1))


def files_of(tmp_path: Path, kind: str) -> list[Path]:
    return sorted((tmp_path / "archive").glob(f"{kind}-*.parquet"))
