"""A turn with records does not wait for the scans of everybody else, and nothing is lost or doubled by that."""

import asyncio
import threading

import pytest
from building import Building

from facility.records import Kind
from facility.scan import Scan
from stores.errors import StoreFullError

TRAPPED = {"doors_closed": 1, "occupied": 1, "running": 0, "door_zone": 0, "fault_code": 71}
FREED = {"doors_closed": 0, "occupied": 0, "running": 1, "door_zone": 1, "fault_code": 0}
LIFT, OTHER = "gw-lift-1b", "gw-lift-1a"


class Written:
    """Notes what is written, and can hold up what is no part."""

    def __init__(self, night: Building, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows: list[tuple[set[str], bool]] = []
        self.go_on = threading.Event()
        self.go_on.set()
        self._whole = night.spool.commit
        monkeypatch.setattr(night.spool, "commit", self.commit)

    def commit(self, scans, settled=None, *, part=False):
        if not part:
            self.go_on.wait(10)
        self.rows.append(({scan.device for scan in scans}, part))
        return self._whole(scans, settled, part=part)


@pytest.fixture
async def night(tmp_path):
    night = await Building.open(tmp_path, "02:13")
    await night.reads("lift-1a", **FREED)
    await night.reads("lift-1b", **FREED)
    night.clock.time += 500
    await night.turn()  # the first commit, with a checkpoint
    yield night
    night.desk.ledger.close()
    night.spool.close()
    night.book.close()


def much(night: Building, device: str = OTHER, n: int = 300) -> None:
    """Let a device say so often what it said before."""
    newest = night.live.newest(device)
    assert newest is not None
    for _ in range(n):
        night.clock.time += 1
        now = night.clock.now()
        night.desk.scan(Scan(device, now, now, newest.values, newest.reasons))


async def test_records_wait_for_the_scans_of_their_own_devices_only(night, monkeypatch) -> None:
    written = Written(night, monkeypatch)
    much(night)
    await night.reads("lift-1b", turn=False, **TRAPPED)
    await night.desk._turn()
    assert written.rows == [({LIFT}, True)]
    assert night.records(Kind.ALARM_RAISED)
    night.clock.time += 500
    await night.turn()
    assert written.rows[1:] == [({OTHER}, False)]
    assert night.desk.ledger.waiting == night.desk.ledger.readings == 0


async def test_an_alarm_overtakes_what_is_being_written_but_nothing_of_its_own_device(night, monkeypatch) -> None:
    written = Written(night, monkeypatch)
    much(night)
    night.clock.time += 500
    written.go_on.clear()
    await night.desk._turn()
    assert night.desk.ledger.bulk == {OTHER}
    await night.reads("lift-1b", turn=False, **TRAPPED)
    await night.desk._turn()
    assert written.rows == [({LIFT}, True)]
    raised = len(night.records(Kind.ALARM_RAISED))
    assert raised
    await night.reads("lift-1a", turn=False, **TRAPPED)
    turn = asyncio.create_task(night.desk._turn())
    await asyncio.sleep(0.05)
    assert not turn.done()
    assert len(night.records(Kind.ALARM_RAISED)) == raised
    assert [r for r in night.desk.unwritten().records if r.kind is Kind.ALARM_RAISED], (
        "decided, and waits to be written"
    )
    written.go_on.set()
    await turn
    await night.turn()
    assert [devices for devices, _ in written.rows] == [{LIFT}, {OTHER}, {OTHER}]
    assert len(night.records(Kind.ALARM_RAISED)) > raised


async def test_what_waited_behind_a_bulk_that_is_refused_stays_behind_it_and_is_recorded(night, monkeypatch) -> None:
    written = Written(night, monkeypatch)
    whole, refused = night.spool.commit, []

    def refuse_first(scans, *args, **more):
        if not refused:
            refused.append(len(scans))
            written.go_on.wait(10)
            raise StoreFullError(night.spool._path)
        return whole(scans, *args, **more)

    monkeypatch.setattr(night.spool, "commit", refuse_first)
    much(night)
    night.clock.time += 500
    written.go_on.clear()
    await night.desk._turn()
    await night.reads("lift-1a", turn=False, **TRAPPED)
    turn = asyncio.create_task(night.desk._turn())
    await asyncio.sleep(0.05)
    written.go_on.set()
    await turn
    assert refused == [300]
    assert written.rows == []
    assert night.records(Kind.ALARM_RAISED), "alarms do not wait for telemetry"
    await night.desk._turn()
    assert night.desk.ledger.refused
    assert night.desk.ledger.waiting == 301
    night.clock.time += 1_100
    await night.turn()
    assert night.desk.ledger.waiting == night.desk.ledger.readings == 0
    heard = [scan.at_ms for _, _, scans in night.spool.read("test", 1_000) for scan in scans if scan.device == OTHER]
    assert len(heard) >= 301
    assert heard == sorted(heard)


async def test_no_checkpoint_knows_of_scans_that_are_not_written(night, monkeypatch) -> None:
    taken = []
    whole = night.spool.checkpoint
    monkeypatch.setattr(night.spool, "checkpoint", lambda *a: (taken.append(night.desk.ledger.waiting), whole(*a)))
    written = Written(night, monkeypatch)
    for n in range(60):
        much(night)
        await night.reads("lift-1b", turn=False, **(TRAPPED if n % 2 else FREED))
        await night.desk._turn()
    night.clock.time += 500  # what still waits is due, too
    await night.turn()
    assert len(taken) >= 1
    assert any(part for _, part in written.rows)
    new = night.again()
    assert new.desk.evaluation.evaluator.memory() == night.desk.evaluation.evaluator.memory(), (
        "checkpoint and what came after tell the same"
    )
    assert not new.desk.evaluation.moves
    assert new.desk.evaluation.evaluator.standing() == night.desk.evaluation.evaluator.standing()
    new.desk.ledger.close()


async def test_a_message_written_ahead_is_acknowledged_and_those_that_wait_are_not(night) -> None:
    done = []
    much(night)
    now = night.clock.now()
    for device in (OTHER, LIFT):
        newest = night.live.newest(device)
        night.desk.scan(Scan(device, now, now, newest.values, newest.reasons), lambda d=device: done.append(d))
    await night.reads("lift-1b", turn=False, **TRAPPED)
    await night.desk._turn()
    assert done == [LIFT]
    night.clock.time += 500
    await night.turn()
    assert done == [LIFT, OTHER]
