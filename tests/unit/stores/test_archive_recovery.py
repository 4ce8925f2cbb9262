"""What the archive survives: a full disk, a broken or lost manifest, a broken file, a kill in its first turn."""

from pathlib import Path

import pytest
from archived import DAY, HOUR, START, count_of, files_of, minute_of
from hands import Hands

from stores.errors import StoreFullError
from stores.telemetry.archive import Archive
from stores.telemetry.catalogue import GRACE_MS
from stores.telemetry.segments import Folder
from stores.telemetry.spool import Spool


def test_a_full_disk_is_said_and_the_turn_is_done_later(
    archive: Archive, spool: Spool, clock: Hands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.commit(minute_of(START))
    clock.ms += 300_000

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("stores.telemetry.segments.sync_folder", full)
        with pytest.raises(StoreFullError):
            archive.compact(spool, clock.ms)
    assert count_of(archive, "M/v", START, START + 60_000) == 60
    assert archive.compact(spool, clock.ms) == 120
    assert count_of(archive, "M/v", START, START + 60_000) == 60
    assert not list((tmp_path / "archive").glob("*.part"))


def _days(archive: Archive, spool: Spool, clock: Hands) -> None:
    """Two days in closed files, a third in open ones and in the spool."""
    for day in range(3):
        for half in range(2):
            clock.ms = START + day * DAY + half * HOUR
            spool.commit(minute_of(clock.ms, every=5000))
            clock.ms += 300_000
            while archive.compact(spool, clock.ms):
                pass
    spool.commit(minute_of(clock.ms, every=5000))


def test_a_broken_manifest_is_made_again_from_what_the_files_say(
    archive: Archive, spool: Spool, clock: Hands, tmp_path: Path
) -> None:
    _days(archive, spool, clock)
    manifest = tmp_path / "archive" / "manifest.json"
    manifest.write_text(manifest.read_text()[:-40])
    again = Archive(tmp_path / "archive", spool)
    assert [file.name for file in again.set_aside] == ["manifest.json.corrupt-1"]
    for buckets in (3, 72, 3 * 1440):
        assert sum(b.count for b in again.history("M/v", START, START + 3 * DAY, buckets)) == 7 * 12
    clock.ms = START + 10 * DAY
    while again.compact(spool, clock.ms):
        pass
    assert [b.count for b in again.history("M/v", START, START + 3 * DAY, 3)] == [24, 24, 36]
    assert [count_of(again, "M/v", START + n * DAY, START + n * DAY + 6 * HOUR) for n in range(3)] == [24, 24, 36]
    again.close()


@pytest.mark.parametrize("broken", [b'{"version"', None])
def test_what_was_recovered_once_outlives_the_next_start_and_a_manifest_that_is_missing_was_lost(
    archive: Archive, spool: Spool, clock: Hands, tmp_path: Path, broken: bytes | None
) -> None:
    """What no manifest names is swept away: the second start after a broken one took all history for leftovers."""
    _days(archive, spool, clock)
    manifest = tmp_path / "archive" / "manifest.json"
    if broken is None:
        manifest.unlink()
    else:
        manifest.write_bytes(broken)
    for _ in range(2):
        Archive(tmp_path / "archive", spool).close()
    again = Archive(tmp_path / "archive", spool)
    assert again.set_aside == ()
    clock.ms = START + 10 * DAY
    while again.compact(spool, clock.ms):
        pass
    assert [b.count for b in again.history("M/v", START, START + 3 * DAY, 3)] == [24, 24, 36]
    again.close()


def test_a_name_that_a_kill_cut_inside_a_character_harms_nothing(
    archive: Archive, spool: Spool, clock: Hands, tmp_path: Path
) -> None:
    _days(archive, spool, clock)
    with (tmp_path / "archive" / "points.txt").open("ab") as names:
        names.write("梯/楼层".encode()[:1])
    again = Archive(tmp_path / "archive", spool)
    assert {"M/v", "L1/floor"} < set(again.points())
    clock.ms += 300_000
    assert again.compact(spool, clock.ms)
    again.close()


def test_a_kill_in_the_first_turn_of_all_leaves_nothing_that_counts(
    archive: Archive, spool: Spool, clock: Hands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.commit(minute_of(START))
    clock.ms += 300_000

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "keep", killed)
        patch.setattr(Folder, "remove", killed)
        with pytest.raises(KeyboardInterrupt):
            archive.compact(spool, clock.ms)
    assert files_of(tmp_path, "raw")
    again = Archive(tmp_path / "archive", spool)
    assert count_of(again, "M/v", START, START + 60_000) == 60
    assert again.compact(spool, clock.ms) == 120
    assert count_of(again, "M/v", START, START + 60_000) == 60
    again.close()


@pytest.mark.parametrize("kind", ["raw", "minute", "hour"])
def test_a_broken_file_is_set_aside_and_costs_no_other_days(
    archive: Archive, spool: Spool, clock: Hands, tmp_path: Path, kind: str
) -> None:
    _days(archive, spool, clock)
    clock.ms += GRACE_MS
    archive.compact(spool, clock.ms)
    bad = files_of(tmp_path, kind)[0]
    content = bytearray(bad.read_bytes())
    content[4:-60] = b"\x55" * (len(content) - 64)
    bad.write_bytes(content)
    again = Archive(tmp_path / "archive", spool)
    month = [b.count for b in again.history("M/v", START, START + 3 * DAY, 3)]
    day = [count_of(again, "M/v", START + n * DAY, START + n * DAY + 6 * HOUR) for n in range(3)]
    assert month == [24, 24, 36], "hours and minutes stand for each other"
    assert day == [24, 24, 36], "the readings, or else their minutes"
    (complete,) = again.completeness(["M/v"], START, START + 3 * DAY)
    assert complete.count == 84
    clock.ms = START + 10 * DAY
    while again.compact(spool, clock.ms):
        pass
    assert count_of(again, "M/v", START + DAY, START + 3 * DAY) == 60
    again.history("M/v", START, START + DAY, 48)  # by the minute
    assert len(again.set_aside) == 1
    again.close()
