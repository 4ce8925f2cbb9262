"""Fault 49: one row at which the program fails, again and again. It is set aside after three tries; the rest runs."""

import pytest
from building import Building

from dutyroom import emergency
from facility.records import Kind
from response.quarantine import TRIES

TRAPPED = {"doors_closed": 1, "occupied": 1, "running": 0, "door_zone": 0, "fault_code": 71}


def failing(whole, poisoned):
    """Let a function fail at one of its arguments."""

    def call(*args, **more):
        if poisoned(*args):
            raise ZeroDivisionError("poison")
        return whole(*args, **more)

    return call


async def test_an_incident_that_cannot_be_decided_is_set_aside_and_the_next_one_is_paged(tmp_path, monkeypatch) -> None:
    night = await Building.open(tmp_path, "02:13")
    await night.reads("lift-1b", **TRAPPED)
    poison = night.incident.id
    incidents = night.desk.matters.incidents
    monkeypatch.setattr(incidents, "_next", failing(incidents._next, lambda i, _context: i.id == poison))
    for _ in range(TRIES - 1):
        night.clock.time += 70_000
        with pytest.raises(ZeroDivisionError):  # the supervisor starts the desk again, and counts it
            await night.desk.turn()
    await night.reads("lift-2b", **TRAPPED)
    await night.until("02:20")
    (record,) = night.records(Kind.ITEM_QUARANTINED)
    assert (record.data.what, record.data.which, record.data.tries) == ("incident", poison, TRIES)
    assert "poison" in record.data.why
    assert night.desk.counts.quarantined == 1, "which the rule host-quarantined makes an alarm of"
    others = {i.id for i in night.desk.standing.incidents.values()} - {poison}
    assert {m.incident for m in night.pages()} == {poison, *others}
    pages = [r for r in night.records(Kind.PAGE_REQUESTED) if r.data.incident in others]
    assert {r.data.round for r in pages} > {1}, "escalation of the others goes on"
    assert "人工接手" in emergency.undecided(night.site, poison).zh

    monkeypatch.undo()
    night = night.again()  # a new program, or a new start: it is tried again
    await night.until("02:25")
    assert max(r.at_ms for r in night.records(Kind.PAGE_REQUESTED) if r.data.incident == poison) > record.at_ms
    await night.close()


async def test_what_failed_for_a_moment_and_then_went_on_is_never_set_aside(tmp_path, monkeypatch) -> None:
    """Failures count one after the other: three in the weeks of a long incident must not end its paging."""
    night = await Building.open(tmp_path, "02:13")
    await night.reads("lift-1b", **TRAPPED)
    incidents = night.desk.matters.incidents
    for _ in range(TRIES + 1):
        with monkeypatch.context() as moment:
            moment.setattr(incidents, "_next", failing(incidents._next, lambda *_: True))
            night.clock.time += 70_000
            with pytest.raises(ZeroDivisionError):
                await night.desk.turn()
        await night.desk.turn()
    assert not night.records(Kind.ITEM_QUARANTINED)
    rounds = {(r.data.level, r.data.round) for r in night.records(Kind.PAGE_REQUESTED)}
    assert len(rounds) > TRIES, "it is called for all the time"
    await night.close()


async def test_scans_that_cannot_be_judged_end_nobody_and_are_kept_and_said(tmp_path, monkeypatch) -> None:
    night = await Building.open(tmp_path, "02:13")
    monkeypatch.setattr(
        night.desk.evaluation.evaluator,
        "step",
        failing(night.desk.evaluation.evaluator.step, lambda s: s.device == "gw-lift-1b"),
    )
    for _ in range(5):
        await night.reads("lift-1b", **TRAPPED)
        night.clock.time += 1_000
    await night.reads("lift-2b", **TRAPPED)
    assert night.pages()
    (record,) = night.records(Kind.ITEM_QUARANTINED)
    assert (record.data.what, record.data.which, record.data.tries) == ("scan", "gw-lift-1b", 3)
    assert night.desk.counts.dead_letters == 5
    await night.close()


async def test_a_start_does_not_fail_at_a_scan_or_a_record_that_failed_before(tmp_path, monkeypatch) -> None:
    """A service that dies of a row would find it again at every start."""
    night = await Building.open(tmp_path, "02:13")
    await night.reads("lift-1b", **TRAPPED)
    paged = len(night.pages())
    assert paged
    from alarms.rules import Evaluator
    from response.incidents import Incidents

    monkeypatch.setattr(Evaluator, "step", failing(Evaluator.step, lambda _self, s: s.device == "gw-lift-1b"))
    sent = night.records(Kind.PAGE_SENT)[0]
    monkeypatch.setattr(Incidents, "tell", failing(Incidents.tell, lambda _self, r: r.request == sent.request))
    night = night.again()
    monkeypatch.undo()
    await night.turn()
    kinds = [(r.data.what, r.data.which) for r in night.records(Kind.ITEM_QUARANTINED)]
    assert ("record", str(next(w.seq for w in night.book.tail(0, 999) if w.record.request == sent.request))) in kinds
    assert night.incident
    await night.close()
