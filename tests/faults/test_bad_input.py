"""Bad input at the start, and a field that is not there: one clear sentence, nothing touched, retried where that makes sense."""

import contextlib
import sqlite3
import time

import pytest
from killing import DEMO, Building, free_port, prepare
from serving import Serving, cli, eventually, one_clear_sentence

from stores.logbook import LogBook
from tests import disks

NOWHERE = "http://127.0.0.1:9/"
BACK_S = 6
WATCHED = ("lift-broker", "contact-line")


def refused(*words: object, code: int = 1) -> str:
    return one_clear_sentence(cli("serve", *words, "--port", free_port()), code)


def test_a_site_folder_that_is_not_there_is_named(tmp_path) -> None:
    said = refused(tmp_path / "nowhere", "--data", tmp_path / "data")
    assert str(tmp_path / "nowhere") in said
    assert not (tmp_path / "data").exists()


def test_a_file_that_is_missing_is_named(tmp_path) -> None:
    site = prepare(tmp_path, NOWHERE)
    (site / "roster.toml").unlink()
    assert "roster.toml" in refused(site, "--data", tmp_path / "data")


def test_a_data_folder_that_is_a_file_is_named(tmp_path) -> None:
    (tmp_path / "data").write_text("a file")
    assert str(tmp_path / "data") in refused(DEMO, "--data", tmp_path / "data")


@pytest.fixture
def small_disk():
    """Mounts a tmpfs with these options on a folder."""
    with contextlib.ExitStack() as while_it_runs:
        yield lambda options: while_it_runs.enter_context(disks.in_memory(options))


def test_a_data_folder_that_cannot_be_written_is_named(small_disk) -> None:
    data = small_disk("ro")
    said = refused(DEMO, "--data", data)
    assert str(data) in said
    assert "--data" in said


def test_a_first_start_on_a_full_disk_says_so(small_disk) -> None:
    """Fault 40, before there is a reserve: nothing half-made stays, and the same start works when there is room."""
    disk = small_disk("size=16m")
    (disk / "somebody-elses.dump").write_bytes(bytes(16 * 1024 * 1024 - 8192))
    assert "disk" in refused(DEMO, "--data", disk / "data").lower()


def test_a_setting_out_of_its_range_is_a_usage_error() -> None:
    said = cli("serve", DEMO, "--port", "99999")
    assert said.returncode == 2
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("PRAGMA user_version = 99", "99"),
        ("UPDATE meta SET value = 'elsewhere' WHERE key = 'site'", "elsewhere"),
    ],
    ids=["of a newer program", "of another site"],
)
def test_a_log_book_that_is_not_ours_is_left_as_it_is(tmp_path, change: str, says: str) -> None:
    data = tmp_path / "data"
    LogBook(data / "logbook.db", "wanglan").close()
    connection = sqlite3.connect(data / "logbook.db", isolation_level=None)
    connection.execute(change)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    before = (data / "logbook.db").read_bytes()
    said = refused(DEMO, "--data", data)
    assert "logbook.db" in said
    assert says in said
    assert (data / "logbook.db").read_bytes() == before


def test_a_field_that_is_not_there_is_told_once_and_asked_until_it_is(tmp_path) -> None:
    """Unreachable broker and gateways: the service runs, says so, tries again, and reads within 6 s of their return."""
    site = prepare(tmp_path, NOWHERE)
    service = Serving(site, tmp_path / "data")
    building = None

    def lines() -> dict[str, bool]:
        return {row["id"]: row["connected"] for row in service.health()["lines"]}

    try:
        service.start()
        eventually(lambda: all(f"line={line}" in service.log.read_text() for line in WATCHED), 10)
        health = service.health()
        assert health["status"] == "degraded"
        assert not any(lines().values())
        said = [reason["zh"] + reason["en"] for reason in health["reasons"]]
        assert all(any(line in reason for reason in said) for line in WATCHED), said
        missed = sum(sum(row["failures"].values()) for row in health["lines"])
        eventually(lambda: sum(sum(r["failures"].values()) for r in service.health()["lines"]) > missed + 20, 10)
        log = service.log.read_text()
        assert [log.count(f"line={line}") for line in WATCHED] == [1, 1], "told once, however often it is tried"
        assert "Traceback" not in log

        building = Building(site, tmp_path)
        began = time.monotonic()
        eventually(lambda: all(lines().values()), BACK_S, lines)
        back = time.monotonic() - began
        eventually(lambda: service.health()["status"] == "ok", 5, service.health)
        eventually(lambda: [service.log.read_text().count(f"line={line}") for line in WATCHED] == [2, 2], 5)
        assert service.stop()[0] == 0
    finally:
        service.kill()
        if building:
            building.close()
    print(f"all lines were back {back:.1f} s after the field")
