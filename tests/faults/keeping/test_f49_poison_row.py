"""Fault 49: one row at which the program fails, again and again. It is set aside after three tries; the rest runs."""

import asyncio

import pytest
from building import Building

from dutyroom import emergency
from facility.commands import AddNote, StartPlan
from facility.records import Kind
from response import agenda, alerts, commands, consequence
from response.paging import words
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


async def turned(night) -> int:
    """Turn the desk as the supervisor does: again after an error. Return how often it failed."""
    failures = 0
    for _ in range(TRIES + 1):
        try:
            await night.turn()
        except ZeroDivisionError:
            failures += 1
    return failures


async def test_an_alarm_that_cannot_be_placed_is_set_aside_and_the_next_one_is_paged(tmp_path, monkeypatch) -> None:
    night = await Building.open(tmp_path, "02:13")
    monkeypatch.setattr(alerts, "place", failing(alerts.place, lambda alert, *_: alert.owner == "lift-1b"))
    await night.reads("lift-1b", turn=False, **TRAPPED)
    await night.reads("lift-2b", turn=False, **TRAPPED)
    assert await turned(night) == 0, "all else goes on at once"
    assert night.incident.equipment == "lift-2b"
    assert {m.incident for m in night.pages()} == {night.incident.id}
    aside = {r.data.which: r.data for r in night.records(Kind.ITEM_QUARANTINED)}
    assert {(d.what, d.tries) for d in aside.values()} == {("alarm", TRIES)}
    assert all(which.startswith("alarm:lift-1b/") for which in aside)
    words = emergency.undecided(night.site, next(iter(aside)), "alarm")
    assert "手动启动预案" in words.zh
    assert "start a plan by hand" in words.en
    await night.until("02:15")
    said = [r.data.which for r in night.records(Kind.ITEM_QUARANTINED)]
    assert len(set(said)) == len(said), "each is said once"

    monkeypatch.undo()  # it was a moment's trouble after all: it is still in the queue
    await night.reads("lift-1a", **TRAPPED)
    assert {i.equipment for i in night.desk.standing.incidents.values()} == {"lift-1a", "lift-1b", "lift-2b"}
    await night.close()


@pytest.mark.parametrize("where", ["explains", "taken_over"])
async def test_a_consequence_that_cannot_be_judged_keeps_its_incident_and_the_others_paged(
    tmp_path, monkeypatch, where
) -> None:
    night = await Building.open(tmp_path, "02:13")
    monkeypatch.setattr(consequence, where, failing(getattr(consequence, where), lambda *_: True))
    if where == "taken_over":
        monkeypatch.setattr(consequence, "explains", lambda *_: True)
    await night.reads("lift-1b", turn=False, **TRAPPED)
    assert await turned(night) == 0
    first = night.incident.id
    assert {m.incident for m in night.pages()} == {first}, "nobody is called any less"
    await night.reads("lift-2b", turn=False, **TRAPPED)
    assert await turned(night) == 0
    assert {m.incident for m in night.pages()} == set(night.desk.standing.incidents)
    assert len(night.desk.standing.incidents) == 2
    said = night.records(Kind.ITEM_QUARANTINED)
    assert {r.data.what for r in said} == {"consequence"}
    assert len({r.data.which for r in said}) == len(said) <= 2, "each is said once"
    assert emergency.undecided(night.site, first, "consequence") is None, "nobody is woken for it"
    await night.close()


async def test_an_incident_whose_next_moment_cannot_be_told_is_set_aside_and_the_next_one_is_paged(
    tmp_path, monkeypatch
) -> None:
    night = await Building.open(tmp_path, "02:13")
    await night.reads("lift-1b", **TRAPPED)
    poison = night.incident.id
    monkeypatch.setattr(agenda, "agenda", failing(agenda.agenda, lambda i, *_: i.id == poison))
    night.clock.time += 70_000
    await night.reads("lift-2b", turn=False, **TRAPPED)
    assert await turned(night) == TRIES - 1
    (record,) = night.records(Kind.ITEM_QUARANTINED)
    assert (record.data.what, record.data.which) == ("incident", poison)
    await night.until("02:20")
    others = set(night.desk.standing.incidents) - {poison}
    pages = [r for r in night.records(Kind.PAGE_REQUESTED) if r.data.incident in others]
    assert {r.data.round for r in pages} > {1}, "escalation of the other goes on"
    await night.close()


async def test_a_command_is_answered_though_what_is_due_fails_at_the_same_moment(tmp_path, monkeypatch) -> None:
    night = await Building.open(tmp_path, "02:13")
    await night.reads("lift-1b", **TRAPPED)
    poison = night.incident.id
    await night.reads("lift-2b", **TRAPPED)
    (other,) = set(night.desk.standing.incidents) - {poison}
    incidents = night.desk.matters.incidents
    asked = AddNote("user:operator", "r-note", other, "called the guard")
    monkeypatch.setattr(
        incidents, "decide", failing(incidents.decide, lambda _c: asked.request in incidents.open()[other].requests)
    )
    answer = asyncio.ensure_future(night.desk.ask(asked))
    await asyncio.sleep(0)
    with pytest.raises(ZeroDivisionError):
        await night.desk.turn()
    monkeypatch.undo()
    await night.turn()
    (written,) = await answer
    assert written.record.request == "r-note"

    monkeypatch.setattr(commands, "ask", failing(commands.ask, lambda i, *_: i.id == poison))
    with pytest.raises(ZeroDivisionError):  # whoever asks is told; nobody else is concerned
        await night.ask(AddNote, "user:operator", incident=poison, note="x")
    assert await night.ask(AddNote, "user:operator", incident=other, note="y")
    await night.until("02:20")
    assert {r.data.incident for r in night.records(Kind.PAGE_REQUESTED) if r.data.round > 1} == {poison, other}
    await night.close()


async def flooded(day) -> None:
    """Nine machines break down in the morning, none of them with a life at stake."""
    for n in range(9):
        await day.ask(StartPlan, "user:operator", plan="chiller-trip", place=f"plant room {n}")
    await day.until("10:10")


async def test_pages_that_cannot_be_put_together_leave_one_by_one(tmp_path, monkeypatch) -> None:
    calm = await Building.open(tmp_path / "calm", "10:00")
    await flooded(calm)
    assert calm.records(Kind.PAGE_BUNDLED), "so many at once are bundled"
    await calm.close()

    day = await Building.open(tmp_path / "poison", "10:00")
    monkeypatch.setattr(words, "bundle_text", failing(words.bundle_text, lambda *_: True))
    await flooded(day)
    assert not day.records(Kind.PAGE_BUNDLED)
    requested = {r.data.key for r in day.records(Kind.PAGE_REQUESTED) if r.at_ms <= day.clock.now() - 120_000}
    assert requested <= {m.key for m in day.pages()}, "each left, under its own key"
    assert {r.data.what for r in day.records(Kind.ITEM_QUARANTINED)} == {"letter"}
    await day.close()


async def test_a_letter_that_cannot_be_written_or_sent_keeps_no_other_here(tmp_path, monkeypatch) -> None:
    night = await Building.open(tmp_path, "02:13")
    incidents = night.desk.matters.incidents
    ration = incidents._ration
    monkeypatch.setattr(ration, "letters", failing(ration.letters, lambda *_: True))
    monkeypatch.setattr(ration, "held", failing(ration.held, lambda *_: True))
    await night.reads("lift-1b", **TRAPPED)
    assert night.pages(), "each in its own words"
    monkeypatch.undo()
    poison = night.incident.id
    monkeypatch.setattr(
        night.desk.dispatch, "send", failing(night.desk.dispatch.send, lambda incident, _letter: incident.id == poison)
    )
    night.clock.time += 70_000
    await night.turn()
    await night.reads("lift-2b", **TRAPPED)
    await night.until("02:20")
    (other,) = set(night.desk.standing.incidents) - {poison}
    assert {m.incident for m in night.pages()} == {poison, other}
    aside = [r.data for r in night.records(Kind.ITEM_QUARANTINED) if r.data.what == "page"]
    assert aside
    assert {d.which for d in aside} == {poison}
    assert "Phone whoever" in emergency.undecided(night.site, poison, "page").en
    await night.close()
