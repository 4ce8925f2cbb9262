"""When the manifest is broken: made again from what the files say of themselves. A broken file is set aside.

Monitoring must start, with or without its trends: nothing here refuses.
"""

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from stores.telemetry.memory import arrow
from stores.telemetry.segments import BIRTH, MANIFEST, SPANS, Birth, Manifest, Segment
from stores.telemetry.upkeep import CLOSED_ROWS


def recovered(folder: Path) -> tuple[Manifest, list[Path]]:
    """Return the manifest that the files of a folder add up to, and where the broken ones were set aside."""
    aside = [set_aside(folder / MANIFEST)] if (folder / MANIFEST).exists() else []
    births: dict[str, Birth] = {}
    segments: dict[str, Segment] = {}
    for file in sorted(folder.glob("*.parquet")):
        try:
            births[file.name], segments[file.name] = _looked_at(file)
        except Exception:  # noqa: BLE001 - whatever the reader makes of a broken file, it is broken
            aside.append(set_aside(file))
    replaced = {name for birth in births.values() for name in birth.replaces}
    replaced |= {name for name, birth in births.items() if replaced.intersection(birth.of)}
    twins = {of: name for name, birth in births.items() if name not in replaced for of in birth.of}
    kept: list[Segment] = []
    for name, found in segments.items():
        twin = twins.get(name, "")
        if name not in replaced:
            kept.append(replace(found, closed=found.closed or bool(twin), twin=twin))
    spool, row = max(((birth.spool, birth.row) for birth in births.values()), default=(0, 0))
    number = max((int(Path(name).stem.rsplit("-", 1)[1]) for name in segments), default=0)
    return Manifest(spool, row, number + 1, tuple(kept)), aside


def readable(file: Path) -> bool:
    """Say whether every row of a file can be read."""
    _, pq = arrow()

    try:
        pq.read_table(file, use_threads=False)
    except Exception:  # noqa: BLE001 - whatever the reader makes of a broken file, it is broken
        return False
    return True


def set_aside(file: Path) -> Path:
    """Rename a broken file out of the way and return its new name."""
    number = 1
    while (aside := file.with_name(f"{file.name}.corrupt-{number}")).exists():
        number += 1
    with suppress(FileNotFoundError):
        file.rename(aside)
    return aside


def _looked_at(file: Path) -> tuple[Birth, Segment]:
    _, pq = arrow()

    said = pq.read_metadata(file)
    words: dict[str, Any] = json.loads(said.metadata[BIRTH])
    birth = Birth(**{**words, "replaces": tuple(words["replaces"]), "of": tuple(words["of"])})
    times = [said.row_group(i).column(1).statistics for i in range(said.num_row_groups)]
    low, high = min(t.min for t in times), max(t.max for t in times) + SPANS[birth.kind]
    closed = said.num_rows >= CLOSED_ROWS[birth.kind]
    segment = Segment(
        file.name, birth.kind, birth.day, said.num_rows, low, high, birth.made_ms, closed,
        noise=birth.noise, hold_ms=birth.hold_ms,
    )  # fmt: skip
    return birth, segment
