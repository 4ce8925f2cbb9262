"""What the stores of a service that has stopped hold: counted in the files, not in what it says of itself."""

import json
import time
from pathlib import Path

from dutyroom.clock import SystemClock
from stores.telemetry.archive import HEAD_MS, Archive
from stores.telemetry.spool import Spool


def believed(data: Path) -> dict[str, int]:
    """Move what is still in the spool into the archive, and return how many good readings it holds.

    By the first letter of the machine's id; "dead letters" are counted too.
    """
    import duckdb

    spool = Spool(data / "spool.db", SystemClock())
    archive = Archive(data / "archive", spool)
    later = time.time_ns() // 1_000_000 + HEAD_MS + 1
    try:
        while spool.pending(spool.cursor("archive")).rows:
            archive.compact(spool, later)
        dead = sum(spool.dead_counts().values())
    finally:
        archive.close()
        spool.close()
    manifest = json.loads((data / "archive" / "manifest.json").read_text())
    files = [str(data / "archive" / s["name"]) for s in manifest["segments"] if s["kind"] == "raw"]
    rows = duckdb.execute(
        "SELECT point[1], count(*) FROM read_parquet(?) WHERE reason = 0 GROUP BY 1", [files]
    ).fetchall()
    return {**dict(rows), "dead letters": dead}


def size_mb(data: Path) -> float:
    """Return what the archive takes on the disk."""
    return round(sum(f.stat().st_size for f in (data / "archive").glob("*.parquet")) / 1e6, 1)
