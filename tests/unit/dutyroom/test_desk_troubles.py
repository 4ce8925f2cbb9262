"""The desk when its disk refuses, its task dies in mid-turn, or a command cannot be carried out (faults 40, 44 and 46)."""

import asyncio
import threading

import pytest
from building import Building

from dutyroom import desk as desks
from dutyroom import ledger as ledgers
from facility.commands import AddNote
from facility.records import Kind, Record, ServiceStopped
from stores.errors import StoreFullError

TRAPPED = {"doors_closed": 1, "occupied": 1, "running": 0, "door_zone": 0, "fault_code": 71}


@pytest.fixture
async def night(tmp_path):
    night = await Building.open(tmp_path, "02:13")
    yield night
    night.desk.ledger.close()
    night.spool.close()
    night.book.close()


def refusing(store, name, monkeypatch, times=10_000):
    """Let a store refuse so often; return the list of refusals."""
    whole, refusals = getattr(store, name), []

    def refuse(*args, **more):
        if len(refusals) < times:
            refusals.append(args)
            raise StoreFullError(store.path if hasattr(store, "path") else store._path)
        return whole(*args, **more)

    monkeypatch.setattr(store, name, refuse)
    return refusals


async def test_a_spool_that_refuses_delays_no_page_and_gets_its_scans_later(night, monkeypatch) -> None:
    refusals = refusing(night.spool, "commit", monkeypatch, times=2)
    done = []
    monkeypatch.setattr(night.desk, "scan", _with_done(night.desk.scan, done))
    await night.reads("lift-1b", **TRAPPED)
    assert night.pages()
    assert night.desk.ledger.refused
    assert night.desk.ledger.waiting == 1
    assert not done, "the broker keeps it too, for the first moment"
    await night.until("02:13:02")
    assert len(refusals) == 2, "not tried at every turn"
    assert done, "acknowledged all the same, or the broker would send nothing more"
    await night.until("02:13:10")
    assert not night.desk.ledger.refused
    assert night.desk.ledger.waiting == 0
    assert sum(len(scans) for _, _, scans in night.spool.read("test", 100)) == 1
    assert night.desk.ledger.readings == 0


async def test_what_comes_during_a_commit_is_acknowledged_by_the_next(night, monkeypatch) -> None:
    done, whole, writing, go_on = [], night.spool.commit, threading.Event(), threading.Event()

    def slow(*args, **more):
        writing.set()
        go_on.wait(10)
        return whole(*args, **more)

    monkeypatch.setattr(night.spool, "commit", slow)
    monkeypatch.setattr(night.desk, "scan", _with_done(night.desk.scan, done))
    await night.reads("lift-1b", turn=False, **TRAPPED)
    turn = asyncio.create_task(night.desk.turn())
    await asyncio.to_thread(writing.wait, 10)
    await night.reads("lift-1a", turn=False, doors_closed=1)
    go_on.set()
    await turn
    assert [s.device for s in done] == ["gw-lift-1b"]
    await night.until("02:13:02")
    assert [s.device for s in done] == ["gw-lift-1b", "gw-lift-1a"]


def _with_done(scan, done):
    return lambda s: scan(s, lambda: done.append(s))


async def test_what_memory_cannot_hold_is_let_go_oldest_first_and_counted_and_its_alarm_stands(
    night, monkeypatch
) -> None:
    refusing(night.spool, "commit", monkeypatch)
    monkeypatch.setattr(ledgers, "READINGS_LIMIT", 100)
    for _ in range(30):
        await night.reads("lift-1b", **TRAPPED)
        night.clock.time += 1000
    assert night.desk.counts.scans_lost > 0
    assert night.desk.ledger.readings <= 100
    assert night.desk.ledger.waiting + night.desk.counts.scans_lost == 30
    assert len([r for r in night.records(Kind.ALARM_RAISED) if r.subject.startswith("alarm:lift-1b/")]) >= 1
    assert night.pages()


async def test_a_turn_that_is_cut_off_while_the_book_refuses_loses_no_record(night, monkeypatch) -> None:
    refusals = refusing(night.book, "append", monkeypatch)
    night.clock.until = lambda at_ms: asyncio.sleep(0.01)
    await night.reads("lift-1b", turn=False, **TRAPPED)
    turn = asyncio.create_task(night.desk.turn())
    while len(refusals) < 3:
        await asyncio.sleep(0.005)
    assert night.desk.ledger.stuck
    turn.cancel()
    await asyncio.gather(turn, return_exceptions=True)
    assert not night.pages(), "record first, then act"
    monkeypatch.undo()
    await night.turn()
    assert not night.desk.ledger.stuck
    assert night.pages()
    requests = [r.request for r in night.records() if r.request]
    assert len(requests) == len(set(requests))
    assert night.book.verify().ok


async def test_an_error_in_the_middle_of_deciding_loses_no_alarm(night, monkeypatch) -> None:
    await night.reads("lift-1b", turn=False, **TRAPPED)
    whole, failures = night.desk.matters.incidents.decide, []

    def fail_once(context):
        if not failures:
            failures.append(context)
            raise RuntimeError("staged")
        return whole(context)

    monkeypatch.setattr(night.desk.matters.incidents, "decide", fail_once)
    with pytest.raises(RuntimeError, match="staged"):
        await night.desk.turn()
    await night.turn()
    assert len(night.records(Kind.INCIDENT_OPENED)) == 1
    assert night.pages()


async def test_a_command_that_cannot_be_carried_out_is_the_askers_trouble(night, monkeypatch) -> None:
    def fail(*_):
        raise RuntimeError("staged")

    monkeypatch.setattr(night.desk.matters.incidents, "ask", fail)
    with pytest.raises(RuntimeError, match="staged"):
        await night.ask(AddNote, "chen-yu", incident="x", note="hello")
    await night.reads("lift-1b", **TRAPPED)
    assert night.pages()


async def test_a_listener_that_fails_stops_nobody(night) -> None:
    heard = []

    def fail(_written):
        raise RuntimeError("staged")

    night.desk.subscribe(fail)
    night.desk.subscribe(heard.append)
    await night.reads("lift-1b", **TRAPPED)
    assert heard
    assert night.pages()


async def test_the_last_words_come_last(night) -> None:
    await night.reads("lift-1b", turn=False, **TRAPPED)
    last = Record(night.clock.now(), Kind.SERVICE_STOPPED, "site:wanglan", ServiceStopped("asked to"))
    await night.desk.stop([last])
    kinds = [r.kind for r in night.records()]
    assert Kind.PAGE_REQUESTED in kinds
    assert kinds[-1] is Kind.SERVICE_STOPPED


async def test_a_disk_that_does_not_take_the_last_words_does_not_hold_the_stop(night, monkeypatch) -> None:
    refusing(night.book, "append", monkeypatch)
    monkeypatch.setattr(desks, "STOP_S", 0.1)
    night.clock.until = lambda at_ms: asyncio.sleep(0.01)
    last = Record(night.clock.now(), Kind.SERVICE_STOPPED, "site:wanglan", ServiceStopped("asked to"))
    with pytest.raises(TimeoutError):
        await night.desk.stop([last])
