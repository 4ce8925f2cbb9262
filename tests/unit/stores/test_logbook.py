"""The log book: in order, once, chained, found again."""

import json
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facility.records import (
    AlarmCleared,
    AlarmRaised,
    IncidentNoted,
    IncidentOpened,
    Kind,
    PageSent,
    Record,
    ServiceStarted,
    alarm_subject,
    incident_subject,
)
from stores.chain import BEGINNING
from stores.errors import StoreFencedError, StoreForeignError
from stores.logbook import LogBook
from stores.payload import Raw

LIFT = alarm_subject("lift-1a", "lift-trapped")


@pytest.fixture
def book(tmp_path):
    book = LogBook(tmp_path / "logbook.db", "demo")
    yield book
    book.close()


def raised(at_ms=1000, owner="lift-1a", request=None):
    data = AlarmRaised("lift-trapped", owner, 1, "life-safety", 71.0, f"{owner}/fault_code", "gw-1", at_ms)
    return Record(at_ms, Kind.ALARM_RAISED, alarm_subject(owner, "lift-trapped"), data, request=request, about=(owner,))


def cleared(at_ms=2000, owner="lift-1a"):
    return Record(at_ms, Kind.ALARM_CLEARED, alarm_subject(owner, "lift-trapped"), AlarmCleared("lift-trapped", owner))


def note(text="看过了", at_ms=3000, incident="261122-1", **more):
    return Record(at_ms, Kind.INCIDENT_NOTED, incident_subject(incident), IncidentNoted(text), **more)


def raw(book):
    """The file as an outsider edits it."""
    return sqlite3.connect(book.path, isolation_level=None)


def test_what_was_written_comes_back_typed_and_in_order(book):
    records = [raised(request="r1"), note(actor="user:wang", about=("lift-1a", "person-zhang"))]
    written = book.append(records)
    assert [w.seq for w in written] == [1, 2]
    assert [w.record for w in book.tail(0)] == records
    assert book.tail(0) == written
    assert book.tail(1) == written[1:]
    assert book.head() == (2, written[1].hash)
    assert book.count() == 2


def test_a_repeated_request_is_written_once_and_left_out(book):
    book.append([raised(request="r1")])
    assert [w.record.request for w in book.append([raised(request="r1"), note(request="r2")])] == ["r2"]
    assert book.append([note(request="r2"), note("another", request="r2")]) == []
    assert book.has("r1")
    assert not book.has("r3")
    assert book.has_any(["r1", "r2", "r3"]) == {"r1", "r2"}


def test_the_same_request_twice_in_one_call_counts_once(book):
    assert len(book.append([note(request="r"), note(request="r")])) == 1


def test_records_without_a_request_are_never_taken_for_repeats(book):
    assert len(book.append([note(), note()])) == 2


def test_nothing_to_write_writes_nothing(book):
    assert book.append([]) == []
    assert book.head() == (0, BEGINNING.hex())


def test_a_subject_stays_open_until_the_desk_says_it_is_closed(book):
    book.append([raised()])
    book.append([cleared()])
    assert book.open_subjects() == {LIFT}
    assert [w.record.kind for w in book.open_records()] == [Kind.ALARM_RAISED, Kind.ALARM_CLEARED]
    book.append([], closed=[LIFT])
    assert list(book.open_records()) == []


def test_a_subject_that_opens_again_starts_with_its_new_opening(book):
    book.append([raised(1000)])
    book.append([cleared(2000)], closed=[LIFT])
    book.append([raised(3000)])
    assert [w.record.at_ms for w in book.open_records()] == [3000]


def test_a_thousand_open_records_come_whole_though_their_subject_is_closed_while_they_are_read(book):
    book.append([raised(1000 + n) for n in range(1001)])
    coming = book.open_records()
    first = next(coming)
    book.append([], closed=[LIFT])
    assert [first.seq, *(w.seq for w in coming)] == list(range(1, 1002))


def test_a_subject_opened_twice_keeps_its_first_opening(book):
    book.append([raised(1000)])
    book.append([raised(2000)])
    assert [w.record.at_ms for w in book.open_records()] == [1000, 2000]


def test_a_subject_opened_and_closed_in_one_call_is_closed(book):
    book.append([raised(), cleared()], closed=[LIFT])
    assert list(book.open_records()) == []


def test_a_repeated_opening_does_not_open_what_was_closed_since(book):
    book.append([raised(request="r1")])
    book.append([cleared()], closed=[LIFT])
    book.append([raised(request="r1")])
    assert book.open_subjects() == frozenset()


def test_open_records_of_several_subjects_come_in_the_order_of_the_book(book):
    opened = Record(1, Kind.INCIDENT_OPENED, incident_subject("261122-1"), IncidentOpened("lift-entrapment", "a", 1))
    book.append([raised(owner="a"), opened, raised(owner="b"), note()])
    assert [w.seq for w in book.open_records()] == [1, 2, 3, 4]


def test_everything_survives_a_restart(tmp_path):
    with_book = LogBook(tmp_path / "b.db", "demo")
    written = with_book.append([raised(request="r1"), note()])
    with_book.close()
    again = LogBook(tmp_path / "b.db", "demo")
    assert again.tail(0) == written
    assert again.has("r1")
    assert [w.seq for w in again.append([note()])] == [3]
    assert again.verify().ok
    again.close()


def test_every_opening_is_a_new_epoch_and_knows_how_the_last_one_ended(tmp_path):
    first = LogBook(tmp_path / "b.db", "demo")
    assert (first.epoch, first.clean) == (1, True)
    first.close()
    first.close()
    second = LogBook(tmp_path / "b.db", "demo")
    assert (second.epoch, second.clean) == (2, True)
    second.append([note()])
    # Not closed: as after a kill.
    third = LogBook(tmp_path / "b.db", "demo")
    assert (third.epoch, third.clean) == (3, False)
    third.append([note()])
    with raw(third) as connection:
        assert [epoch for (epoch,) in connection.execute("SELECT epoch FROM record ORDER BY seq")] == [2, 3]
    connection.close()
    third.close()
    second.close()


def test_an_older_opening_that_is_still_alive_may_not_write(tmp_path):
    zombie = LogBook(tmp_path / "b.db", "demo")
    heir = LogBook(tmp_path / "b.db", "demo")
    with pytest.raises(StoreFencedError, match="接管"):
        zombie.append([note()])
    assert [w.seq for w in heir.append([note()])] == [1]
    zombie.close()
    heir.close()
    reopened = LogBook(tmp_path / "b.db", "demo")
    assert reopened.clean, "the zombie's end says nothing about the heir's"
    reopened.close()


def test_a_book_of_another_site_is_refused(tmp_path):
    LogBook(tmp_path / "b.db", "demo").close()
    with pytest.raises(StoreForeignError, match="demo"):
        LogBook(tmp_path / "b.db", "other")


def test_find_narrows_by_everything_and_pages_newest_first(book):
    book.append([raised(1000, "a"), note("x", 2000, about=("a", "zhang")), raised(3000, "b"), note("y", 4000)])

    def seqs(**question):
        return [w.seq for w in book.find(**question)]

    assert seqs() == [4, 3, 2, 1]
    assert seqs(limit=2) == [4, 3]
    assert seqs(limit=2, before_seq=3) == [2, 1]
    assert seqs(subject=incident_subject("261122-1")) == [4, 2]
    assert seqs(about="a") == [2, 1]
    assert seqs(about="a", before_seq=2) == [1]
    assert seqs(kinds=[Kind.ALARM_RAISED]) == [3, 1]
    assert seqs(kinds=[Kind.ALARM_RAISED, "incident.noted"], about="a") == [2, 1]
    assert seqs(kinds=[]) == []
    assert seqs(from_ms=2000, to_ms=4000) == [3, 2]
    assert seqs(subject="nobody") == []


def test_last_is_the_newest_of_its_kind(book):
    book.append([raised(1, "a"), raised(2, "b"), note()])
    assert book.last(Kind.ALARM_RAISED).record.data.owner == "b"
    assert book.last(Kind.SERVICE_STARTED) is None


def test_a_kind_and_fields_of_a_newer_program_are_kept_as_they_are(book):
    later = Record(1, "permit.granted", "permit:7", Raw('{"gate":"G1","hours":4}'))
    book.append([later, Record(2, Kind.SERVICE_STARTED, "site:demo", Raw('{"version":"9","colour":"red"}'))])
    first, second = book.tail(0)
    assert first.record == later
    assert second.record.data == ServiceStarted("9")
    assert book.verify().ok


def test_a_payload_that_no_longer_fits_is_kept_as_raw(book):
    book.append([Record(1, Kind.PAGE_SENT, "incident:x", Raw('{"key":7}'))])
    assert book.tail(0)[0].record.data == Raw('{"key":7}')


def test_text_that_utf8_cannot_hold_is_stored_with_a_replacement(book):
    book.append([note("half a smile \ud83d", request="a\0b", actor="user:\udc00")])
    stored = book.tail(0)[0].record
    assert stored.data.note == "half a smile ?"
    assert stored.actor == "user:?"
    assert book.has("a\0b")
    assert book.append([note(request="a\0b")]) == []
    assert book.verify().ok


def test_not_a_number_is_stored_as_nothing(book):
    record = raised()
    book.append([replace(record, data=replace(record.data, value=float("nan")))])
    assert book.tail(0)[0].record.data.value is None


def test_the_stored_payload_is_plain_json_in_utf8(book):
    book.append([note("电梯困人")])
    with raw(book) as connection:
        (data,) = connection.execute("SELECT data FROM record").fetchone()
    connection.close()
    assert data == '{"note":"电梯困人"}'
    assert json.loads(data) == {"note": "电梯困人"}


@pytest.mark.parametrize(
    ("edit", "broken", "why"),
    [
        ('UPDATE record SET data = \'{"note":"no"}\' WHERE seq = 3', 3, "changed"),
        ("UPDATE record SET at_ms = at_ms + 1 WHERE seq = 2", 2, "changed"),
        ("UPDATE record SET actor = 'user:li' WHERE seq = 4", 4, "changed"),
        ("UPDATE record SET about = 'lift-9' WHERE seq = 4", 4, "changed"),
        ("UPDATE record SET request = '' WHERE seq = 4", 4, "changed"),
        ("UPDATE record SET epoch = 7 WHERE seq = 1", 1, "changed"),
        ("DELETE FROM record WHERE seq = 2", 2, "missing"),
        ("UPDATE record SET data = x'00' WHERE seq = 5", 5, "changed"),
        ("UPDATE record SET seq = 9 WHERE seq = 5", 5, "missing"),
    ],
)
def test_an_edit_is_found_at_its_record(book, edit, broken, why):
    book.append([note(str(i)) for i in range(5)])
    with raw(book) as connection:
        connection.execute(edit)
    connection.close()
    verdict = book.verify()
    assert (verdict.ok, verdict.broken, verdict.why) == (False, broken, why)


def test_verify_can_begin_anywhere(book):
    book.append([note(str(i)) for i in range(1203)])
    assert book.verify().checked == 1203
    verdict = book.verify(1200)
    assert (verdict.ok, verdict.checked, verdict.head) == (True, 4, 1203)
    with raw(book) as connection:
        connection.execute("UPDATE record SET subject = 'x' WHERE seq = 3")
    connection.close()
    assert book.verify(1200).ok
    assert book.verify().broken == 3
    assert book.verify(4).ok, "what follows a changed record is chained to the hash it had"


def test_the_chain_is_what_the_documentation_says(book):
    """Recomputed from the file with nothing of ours: ten lines of any language."""
    book.append([note("一", request="r", about=("a", "b")), note("二")])
    with raw(book) as connection:
        rows = connection.execute(
            "SELECT site, seq, epoch, at_ms, kind, subject, actor, request, about, data, hash FROM record ORDER BY seq"
        ).fetchall()
    connection.close()
    previous = bytes(32)
    for *fields, stored in rows:
        text = b"".join(
            b"-," if f is None else str(len(str(f).encode())).encode() + b":" + str(f).encode() + b"," for f in fields
        )
        previous = sha256(previous + text).digest()
        assert previous == stored


def test_many_threads_read_while_one_writes(book):
    book.append([note(str(i), request=f"n{i}") for i in range(50)])
    wrong = []
    stop = threading.Event()

    def read():
        while not stop.is_set():
            rows = book.tail(0, 100_000)
            if [w.seq for w in rows] != list(range(1, len(rows) + 1)) or not book.has("n0"):
                wrong.append(len(rows))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for i in range(60):
        book.append([note(str(i), request=f"m{i}-{k}") for k in range(3)])
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert book.verify().checked == 230


def test_opening_and_appending_load_neither_sqlalchemy_nor_alembic(tmp_path):
    """Serving within 2 s of the start; they cost half a second each."""
    program = (
        "import sys; from pathlib import Path; from stores.logbook import LogBook\n"
        f"b = LogBook(Path({str(tmp_path / 'b.db')!r}), 'demo')\n"
        "b.append([]); list(b.open_records()); b.has('x'); b.close()\n"
        "assert not {'sqlalchemy', 'alembic'} & set(sys.modules), 'heavy'\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)


texts = st.text(max_size=20)
requests = st.one_of(st.none(), st.sampled_from(["r1", "r2", "r3", "r4", "r5"]))


@st.composite
def some_records(draw):
    kind = draw(st.sampled_from(["raised", "cleared", "note", "sent"]))
    owner = draw(st.sampled_from(["a", "b"]))
    at_ms = draw(st.integers(0, 2**53))
    request = draw(requests)
    if kind == "raised":
        return replace(raised(at_ms, owner), request=request, about=tuple(draw(st.lists(texts, max_size=3))))
    if kind == "cleared":
        return replace(cleared(at_ms, owner), request=request)
    if kind == "note":
        return note(draw(texts), at_ms, request=request, actor=draw(texts))
    return Record(at_ms, Kind.PAGE_SENT, "incident:x", PageSent(draw(texts)), request=request)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(
        st.tuples(st.lists(some_records(), max_size=5), st.sets(st.sampled_from(["a", "b"])), st.booleans()), max_size=8
    )
)
def test_whatever_is_written_the_book_agrees_with_a_list(tmp_path_factory, batches):
    """A plain list and a plain dict say what the book must say, over restarts."""
    path = tmp_path_factory.mktemp("book") / "b.db"
    book = LogBook(path, "demo")
    kept: list[Record] = []
    opened: dict[str, int] = {}
    for records, shut, restart in batches:
        written = book.append(records, [alarm_subject(owner, "lift-trapped") for owner in shut])
        expected = []
        for record in records:
            if record.request is None or record.request not in {r.request for r in kept}:
                kept.append(record)
                expected.append(record)
                if record.kind is Kind.ALARM_RAISED:
                    opened.setdefault(record.subject, len(kept))
        for owner in shut:
            opened.pop(alarm_subject(owner, "lift-trapped"), None)
        assert [w.record for w in written] == expected
        if restart:
            book.close()
            book = LogBook(path, "demo")
    assert [w.record.data for w in book.tail(0)] == [r.data for r in kept]
    assert [w.record.request for w in book.tail(0)] == [r.request for r in kept]
    assert book.open_subjects() == set(opened)
    assert [w.seq for w in book.open_records()] == [
        seq for seq, r in enumerate(kept, 1) if r.subject in opened and seq >= opened[r.subject]
    ]
    assert book.verify().checked == len(kept)
    assert book.verify().ok
    book.close()
