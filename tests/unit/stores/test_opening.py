"""A damaged book is put aside, the newest good snapshot restored, and what can be read after it brought over."""

import random
import shutil
import sqlite3

import pytest

from facility.records import AlarmRaised, IncidentClosed, IncidentNoted, IncidentOpened, Kind, Record, alarm_subject
from stores.errors import StoreForeignError, StoreNewerError
from stores.logbook import LogBook, suspicion
from stores.opening import open_book
from stores.reserve import Reserve
from stores.snapshot import Snapshots

DAY = 86_400_000


def note(i):
    text = f"第 {i} 条，二号楼巡检正常，配电室温度 26.5 度"
    return Record(
        1000 * i, Kind.INCIDENT_NOTED, f"incident:{i % 7}", IncidentNoted(text), request=f"n{i}", about=("a",)
    )


def fill(book, first, last):
    return book.append([note(i) for i in range(first, last + 1)])


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def opened(folder, now_ms=10 * DAY):
    reserve = Reserve(folder / "reserve.bin", 0)
    return open_book(folder / "logbook.db", folder / "snapshots", now_ms, site="demo", reserve=reserve)


def flip(path, at, count=1):
    stored = bytearray(path.read_bytes())
    for i in range(at, min(at + count, len(stored))):
        stored[i] ^= 0xFF
    path.write_bytes(stored)


def edit(folder, sql, *values):
    connection = sqlite3.connect(folder / "logbook.db", isolation_level=None)
    connection.execute(sql, values)
    connection.close()


def numbers(book):
    return [w.seq for w in book.tail(0, 100_000)]


def test_a_new_book_is_opened_without_a_word(folder):
    book, report = opened(folder)
    assert not report
    assert list(report) == []
    book.close()


def test_a_book_keeps_a_reserve_beside_it(folder):
    book, _ = open_book(folder / "logbook.db", folder / "snapshots", 0, site="demo")
    assert (folder / "reserve.bin").stat().st_size == 16 * 1024 * 1024
    book.close()


def test_a_good_book_is_opened_without_a_word_after_a_kill(folder):
    book, _ = opened(folder)
    fill(book, 1, 10)
    # not closed
    again, report = opened(folder)
    assert not report
    assert numbers(again) == list(range(1, 11))
    again.close()
    book.close()


def with_snapshot(folder, before=40, after=20):
    """A book with a snapshot after `before` records, and `after` more since; closed."""
    book, _ = opened(folder)
    fill(book, 1, before)
    book.keep_snapshot(folder / "snapshots", 5 * DAY)
    fill(book, before + 1, before + after)
    book.close()
    return folder / "logbook.db"


def test_damage_covered_by_a_snapshot_loses_nothing(folder):
    path = with_snapshot(folder)
    edit(folder, 'UPDATE record SET data = \'{"note":"forged"}\' WHERE seq = 7')
    book, report = opened(folder)
    assert report.restored.lost == 0
    assert report.restored.doubtful == 0
    assert report.restored.why == "record 7 changed"
    assert numbers(book) == list(range(1, 61))
    assert book.verify().ok
    assert book.verify().scars == ()
    assert "第 7 条" in book.tail(6, 1)[0].record.data.note
    kept = folder / report.restored.kept / path.name
    with sqlite3.connect(kept) as bad:
        assert bad.execute("SELECT data FROM record WHERE seq = 7").fetchone() == ('{"note":"forged"}',)
    bad.close()
    book.close()


def test_the_report_is_given_until_the_book_holds_it(folder):
    with_snapshot(folder)
    edit(folder, "UPDATE record SET at_ms = 0 WHERE seq = 7")
    book, first = opened(folder, 10 * DAY)
    book.close()
    book, second = opened(folder, 11 * DAY)
    assert list(second) == list(first)
    (record,) = second
    assert record.kind is Kind.STORE_RESTORED
    assert record.at_ms == 10 * DAY
    book.append(list(second))
    book.close()
    book, third = opened(folder, 12 * DAY)
    assert not third
    book.close()


def test_a_changed_record_after_the_snapshot_is_kept_as_doubtful_and_what_follows_is_not_given_up(folder):
    with_snapshot(folder)
    edit(folder, 'UPDATE record SET data = \'{"note":"forged"}\' WHERE seq = 50')
    book, report = opened(folder)
    assert (report.restored.lost, report.restored.doubtful) == (0, 1)
    assert numbers(book) == list(range(1, 61))
    verdict = book.verify()
    assert verdict.ok
    assert verdict.scars == (50,)
    fill(book, 61, 62)
    book.close()
    book, report = opened(folder)
    assert report, "until it is written down"
    assert report.restored.why == "record 50 changed"
    assert numbers(book) == list(range(1, 63)), "a scar is admitted, and no reason to repair again"
    book.close()


def test_a_record_that_is_gone_is_a_scar_and_its_time_is_told(folder):
    with_snapshot(folder)
    edit(folder, "DELETE FROM record WHERE seq IN (50, 51)")
    book, report = opened(folder)
    # 52 is there, but nothing says what came before it.
    assert (report.restored.lost, report.restored.doubtful) == (2, 1)
    assert (report.restored.lost_after_ms, report.restored.lost_until_ms) == (49_000, 52_000)
    assert numbers(book) == [*range(1, 50), *range(52, 61)]
    assert book.verify().ok
    assert book.verify().scars == (50, 51, 52)
    assert book.count() == 58
    book.close()


def test_the_newest_record_damaged_is_dropped_so_that_it_can_be_written_again(folder):
    with_snapshot(folder)
    edit(folder, "UPDATE record SET actor = 'x' WHERE seq = 60")
    book, report = opened(folder)
    assert report.restored.lost == 1
    assert report.restored.lost_after_ms == 59_000
    assert not book.has("n60")
    fill(book, 60, 60)
    assert book.verify().ok
    assert book.verify().scars == ()
    book.close()


def test_without_a_snapshot_everything_readable_is_brought_over(folder):
    book, _ = opened(folder)
    fill(book, 1, 30)
    book.close()
    edit(folder, "UPDATE record SET data = 'x' WHERE seq = 3")
    book, report = opened(folder)
    assert (report.restored.lost, report.restored.doubtful) == (0, 1)
    assert numbers(book) == list(range(1, 31))
    assert [w.seq for w in book.find(about="a", limit=1)] == [30]
    book.close()


@pytest.mark.parametrize(("at", "count"), [(0, 16), (16, 2), (100, 16), (0, 4096)])
def test_a_file_that_is_no_database_any_more_is_read_with_the_first_page_of_its_snapshot(folder, at, count):
    path = with_snapshot(folder)
    flip(path, at, count)
    book, report = opened(folder)
    assert report.restored.lost == 0
    assert numbers(book) == list(range(1, 61))
    assert book.verify().ok
    assert sorted(p.name for p in folder.iterdir() if p.is_file()) == [
        "logbook.db",
        "logbook.db-shm",
        "logbook.db-wal",
        "reserve.bin",
    ]
    book.close()


def test_a_file_of_which_nothing_can_be_read_falls_back_to_the_snapshot_and_says_since_when(folder):
    path = with_snapshot(folder)
    flip(path, 0, path.stat().st_size)
    book, report = opened(folder)
    assert numbers(book) == list(range(1, 41))
    assert report.restored.lost == -1
    assert (report.restored.lost_after_ms, report.restored.lost_until_ms) == (40_000, 10 * DAY)
    book.close()


@pytest.mark.parametrize("content", [None, b""])
def test_a_missing_or_empty_file_is_replaced_by_its_snapshot(folder, content):
    path = with_snapshot(folder)
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    book, report = opened(folder)
    assert numbers(book) == list(range(1, 41))
    assert report.restored.lost == -1
    book.close()


def test_a_snapshot_that_is_itself_damaged_is_passed_over(folder):
    book, _ = opened(folder)
    fill(book, 1, 10)
    book.keep_snapshot(folder / "snapshots", 5 * DAY)
    fill(book, 11, 20)
    newest = book.keep_snapshot(folder / "snapshots", 6 * DAY)
    fill(book, 21, 30)
    book.close()
    flip(newest, newest.stat().st_size - 3000, 50)
    flip(folder / "logbook.db", 0, 16)
    book, report = opened(folder)
    assert numbers(book)[:10] == list(range(1, 11))
    assert book.verify().ok
    assert report
    book.close()


def test_what_was_open_stays_open_and_what_was_closed_stays_closed(folder):
    lift = alarm_subject("lift-1a", "lift-trapped")

    def alarm(at):
        data = AlarmRaised("lift-trapped", "lift-1a", 1, "life-safety")
        return Record(at, Kind.ALARM_RAISED, lift, data)

    def opening(incident):
        return Record(1, Kind.INCIDENT_OPENED, f"incident:{incident}", IncidentOpened("lift-entrapment", "lift-1a", 1))

    book, _ = opened(folder)
    book.append([opening("old"), opening("closed-before")])
    book.append([], closed=["incident:closed-before"])
    book.keep_snapshot(folder / "snapshots", 5 * DAY)
    book.append([alarm(1), opening("new"), opening("done")])
    book.append([Record(3, Kind.INCIDENT_CLOSED, "incident:done", IncidentClosed("x"))], closed=["incident:done"])
    fill(book, 1, 20)
    book.close()
    shutil.copytree(folder, folder.with_name("second"))
    still_open = {lift, "incident:old", "incident:new"}

    edit(folder, "UPDATE record SET data = 'x' WHERE seq = 10")
    book, _ = opened(folder)
    assert book.open_subjects() == still_open
    book.close()

    second = folder.with_name("second")
    edit(second, "UPDATE record SET data = 'x' WHERE seq = 10")
    edit(second, "UPDATE open SET subject = 'gone' WHERE subject = ?", lift)
    book, _ = opened(second)
    assert book.open_subjects() == still_open, "a list that makes no sense is not believed"
    book.close()


def test_every_byte_flipped_anywhere_leaves_a_book_that_opens_and_says_so(folder, tmp_path_factory):
    """40 seeded places: never a crash, never silence about a record that changed, never more lost than the page hit."""
    path = with_snapshot(folder, before=150, after=150)
    size = path.stat().st_size
    dice = random.Random(20261122)
    lost = []
    for turn in range(40):
        place = tmp_path_factory.mktemp("flip")
        shutil.copytree(folder, place, dirs_exist_ok=True)
        at = dice.randrange(size)
        flip(place / "logbook.db", at, dice.choice([1, 8, 200]))
        suspicion(place / "logbook.db").write_text("look at every page")
        book, report = opened(place)
        assert numbers(book)[:150] == list(range(1, 151)), (turn, at)
        assert book.verify().ok, (turn, at)
        told = {w.seq for w in book.tail(0, 1000)}
        missing = set(range(1, 301)) - told
        if missing:
            assert report, (turn, at)
            assert report.restored.lost in {-1, len(missing)}, (turn, at, len(missing))
        doubtful = set(book.verify().scars)
        for written in book.tail(0, 1000):
            if written.seq not in doubtful:
                assert written.record == note(written.seq), (turn, at)
        assert fill(book, 1001, 1001), (turn, at)
        lost.append(len(missing))
        book.close()
    assert sorted(lost)[20] == 0
    assert max(lost) < 150, lost


def test_damage_found_while_serving_is_a_record_and_repaired_at_the_next_start(folder):
    with_snapshot(folder)
    book, _ = opened(folder)
    assert book.check_whole() == []
    edit(folder, "UPDATE record SET actor = 'forged' WHERE seq = 3")
    (record,) = book.check_whole(7 * DAY)
    assert record.kind is Kind.STORE_DAMAGED
    assert (record.data.at, record.data.why, record.at_ms) == (3, "changed", 7 * DAY)
    assert book.check_whole()[0].request == record.request
    book.append([record])
    book.close()
    book, report = opened(folder)
    assert report.restored.why == "record 3 changed"
    assert report.restored.lost == 0
    assert book.check_whole() == []
    assert not suspicion(book.path).exists()
    book.close()


def test_a_newer_book_is_refused_and_left_as_it_is(folder):
    path = with_snapshot(folder)
    edit(folder, "PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(StoreNewerError, match=r"99.*安装更新|99"):
        opened(folder)
    with pytest.raises(StoreNewerError):
        LogBook(path, "demo")
    with pytest.raises(StoreNewerError):
        LogBook.reader(path)
    assert path.read_bytes() == before
    assert not (folder / "damaged").exists()


def test_another_sites_book_is_refused_not_repaired(folder):
    with_snapshot(folder)
    with pytest.raises(StoreForeignError):
        open_book(folder / "logbook.db", folder / "snapshots", 0, site="other")
    assert not (folder / "damaged").exists()


@pytest.mark.parametrize("killed_after", ["nothing", "book", "wal"])
def test_a_repair_that_was_killed_is_finished(folder, killed_after):
    """The good file is complete; the bad one, then its WAL, are moved; only then the good one takes the name."""
    path = with_snapshot(folder)
    edit(folder, "UPDATE record SET actor = 'forged' WHERE seq = 3")
    whole = folder / "elsewhere" / "whole"
    shutil.copytree(folder, whole, ignore=shutil.ignore_patterns("elsewhere"))
    opened(whole)[0].close()
    shutil.copy(whole / "logbook.db", folder / "logbook.db.repaired")
    path.with_name("logbook.db-wal").write_bytes(b"left behind")
    if killed_after != "nothing":
        path.unlink()
    if killed_after != "book":
        path.with_name("logbook.db-wal").unlink()
    book, report = opened(folder)
    assert report.restored.lost == 0
    assert numbers(book) == list(range(1, 61))
    assert book.verify().ok
    assert not (folder / "logbook.db.repaired").exists()
    book.close()


def test_snapshots_are_thinned_to_the_newest_three_and_one_for_each_of_seven_days(folder):
    book, _ = opened(folder)
    fill(book, 1, 3)
    for hour in range(0, 12 * 24, 8):
        book.keep_snapshot(folder / "snapshots", hour * 3_600_000)
    kept = [s.taken for s in Snapshots(folder / "snapshots").all()]
    assert [taken[:11] for taken in kept] == [
        *(f"197001{day:02d}T16" for day in range(6, 12)),
        "19700112T00",
        "19700112T08",
        "19700112T16",
    ]
    book.close()


def test_a_bad_copy_never_counts_as_a_snapshot(folder):
    book, _ = opened(folder)
    fill(book, 1, 3)
    good = book.keep_snapshot(folder / "snapshots", 1)
    edit(folder, "UPDATE record SET actor = 'forged' WHERE seq = 3")
    with pytest.raises(Exception, match="损坏"):
        book.keep_snapshot(folder / "snapshots", 2)
    assert [p.name for p in (folder / "snapshots").iterdir()] == [good.name]
    book.close()


def test_a_reader_sees_what_another_process_writes(folder):
    book, _ = opened(folder)
    reader = LogBook.reader(folder / "logbook.db")
    fill(book, 1, 3)
    assert reader.head() == book.head()
    assert reader.verify().text.en == "3 records checked: the chain is whole, its head is record 3."
    edit(folder, "DELETE FROM record WHERE seq = 2")
    assert "第 2 条记录缺失" in reader.verify().text.zh
    reader.close()
    book.close()


def test_two_records_with_one_request_are_the_work_of_damage_and_both_are_kept(folder):
    book, _ = opened(folder)
    fill(book, 1, 30)
    book.close()
    edit(folder, "DROP INDEX record_request")
    edit(folder, "UPDATE record SET request = 'n4' WHERE seq = 5")
    book, report = opened(folder)
    assert report.restored.doubtful == 1
    assert [w.record.request for w in book.tail(3, 2)] == ["n4", None]
    assert numbers(book) == list(range(1, 31))
    book.close()
