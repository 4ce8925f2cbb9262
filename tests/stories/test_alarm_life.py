"""The life of an alarm at the demo site, on the real desk: shelves, chatter, permits; and a restart in the midst of each."""

from dataclasses import replace

from building import Building, demo_site, ms, without_delays

from facility.commands import (
    Accept,
    AcknowledgeAlarm,
    EndPermit,
    IssuePermit,
    Refused,
    ShelveAlarm,
    UnshelveAlarm,
)
from facility.records import Kind, Record

CHILLER = "chiller-1"
TRIP = f"alarm:{CHILLER}/chiller-trip"
PUMP = "alarm:pump-1/pump-fault"
HOT = "alarm:tx-1/transformer-hot"
TRAPPED = "alarm:lift-1b/lift-trapped-code"
STUCK = {"doors_closed": 1, "occupied": 1, "running": 0, "door_zone": 0, "service_mode": 1, "fault_code": 71}


def state(night: Building, subject: str) -> str:
    found = night.desk.standing.alarms.get(subject)
    return found.state.value if found else "normal"


def about(night: Building, kind: Kind, subject: str = TRIP) -> list[Record]:
    return [r for r in night.records(kind) if r.subject == subject]


async def trips(night: Building, *, alarm: int = 1) -> None:
    await night.reads(CHILLER, alarm=alarm, run_enabled=0, evap_flow=0)


async def opened(tmp_path, clock: str = "02:00") -> Building:
    return await Building.open(tmp_path, clock, without_delays(demo_site(), "chiller-trip", "pump-fault"))


async def shelve(night: Building, subject: str = TRIP, minutes: int = 15, **more: object) -> object:
    return await night.ask(ShelveAlarm, "user:op", alarm=subject, reason="厂家在场调试", minutes=minutes, **more)


async def test_a_shelf_that_ends_while_the_alarm_holds_pages_at_its_minute_also_over_a_restart(tmp_path) -> None:
    night = await opened(tmp_path)
    await trips(night, alarm=0)
    await shelve(night)
    await night.until("02:05")
    await trips(night)
    assert state(night, TRIP) == "shelved"
    assert [(h.subject, h.how, h.active) for h in night.desk.hiding()] == [(TRIP, "shelved", True)]
    night = night.again()
    await night.until("02:14")
    assert night.pages() == []
    assert [h.subject for h in night.desk.hiding()] == [TRIP]
    night = night.again()
    night.clock.time = ms("02:16")  # it was down while the shelf ended
    await night.turn()
    (over,) = night.records(Kind.ALARM_UNSHELVED)
    assert (over.at_ms, over.data.why, over.data.active) == (ms("02:15"), "expired", True)
    assert state(night, TRIP) == "unacknowledged"
    assert [r.data.alarm for r in night.records(Kind.INCIDENT_OPENED)] == [TRIP]
    assert night.pages()
    before = len(night.records(Kind.INCIDENT_OPENED))
    night = night.again()
    await night.turn()
    assert len(night.records(Kind.INCIDENT_OPENED)) == before
    await night.close()


async def test_what_is_taken_back_by_hand_was_seen_and_pages_nobody_also_over_a_restart(tmp_path) -> None:
    night = await opened(tmp_path)
    await trips(night, alarm=0)
    await shelve(night)
    await trips(night)
    await night.until("02:03")
    await night.ask(UnshelveAlarm, "user:op", alarm=TRIP)
    assert state(night, TRIP) == "acknowledged"
    assert night.desk.hiding() == []
    night = night.again()
    await night.until("02:30")
    assert state(night, TRIP) == "acknowledged"
    assert night.pages() == []
    assert night.records(Kind.INCIDENT_OPENED) == []
    await trips(night, alarm=0)
    assert state(night, TRIP) == "normal"
    await night.close()


async def test_until_it_clears_ends_with_the_alarm_and_the_next_one_pages(tmp_path) -> None:
    night = await opened(tmp_path)
    await night.reads("pump-1", fault=1)
    (page, *_) = night.pages()
    await night.ask(AcknowledgeAlarm, "user:op", alarm=PUMP)
    await shelve(night, PUMP, until_clear=True)
    night = night.again()
    assert state(night, PUMP) == "shelved"
    await night.until("03:00")
    await night.reads("pump-1", fault=0)
    assert state(night, PUMP) == "normal"
    assert [r.data.why for r in night.records(Kind.ALARM_UNSHELVED)] == ["cleared"]
    await night.until("03:01")
    await night.reads("pump-1", fault=1)
    assert state(night, PUMP) == "unacknowledged"
    assert page
    await night.close()


async def test_two_seconds_on_two_seconds_off_for_ten_minutes_is_one_alarm_and_pages_once(tmp_path) -> None:
    night = await opened(tmp_path)
    for n in range(150):
        await trips(night)
        night.clock.time += 2_000
        await trips(night, alarm=0)
        night.clock.time += 2_000
        if n in {1, 40, 90}:
            night = night.again()
            await night.turn()
    last = night.clock.time - 2_000
    assert len(about(night, Kind.ALARM_RAISED)) == 3, "the three that showed it"
    assert len(night.records(Kind.ALARM_CHATTERING)) == 1
    assert len(night.records(Kind.INCIDENT_OPENED)) == 1
    (first,) = {(p.data.level, p.data.round) for p in night.records(Kind.PAGE_REQUESTED) if p.at_ms < ms("02:05")}
    assert first in {(0, 0), (0, 1)}
    assert len([h for h in night.desk.hiding() if h.how == "chattering"]) == 1
    assert state(night, TRIP) == "unacknowledged", "it stands"
    night = night.again()
    await night.until("02:20")
    (settled,) = night.records(Kind.ALARM_SETTLED)
    assert settled.at_ms == last + 300_000
    assert [r.data.why for r in about(night, Kind.ALARM_CLEARED)][-1] == "settled"
    assert state(night, TRIP) == "returned"
    assert len(night.records(Kind.INCIDENT_OPENED)) == 1
    await night.close()


async def test_nobody_puts_a_trapped_person_away(tmp_path) -> None:
    night = await opened(tmp_path)
    await night.reads("lift-1b", **STUCK)
    pages = len(night.pages())
    assert pages
    said = await shelve(night, TRAPPED)
    assert isinstance(said, Refused)
    assert said.code == "forbidden"
    assert state(night, TRAPPED) == "unacknowledged"
    night = night.again()
    await night.turn()
    assert state(night, TRAPPED) == "unacknowledged"
    assert night.desk.hiding() == []
    await night.close()


async def test_a_permit_takes_its_machine_out_of_service_and_what_still_holds_at_its_end_pages(tmp_path) -> None:
    night = await opened(tmp_path, "09:00")
    await trips(night, alarm=0)
    said = await night.ask(
        IssuePermit, "user:op", work="permit", equipment=(CHILLER,), holder="wang-jianguo", task="清洗冷凝器",
        from_ms=ms("09:10"), until_ms=ms("11:00"),
    )  # fmt: skip
    assert not isinstance(said, Refused), said.why.en
    (written,) = said
    permit = written.record.subject.removeprefix("permit:")
    await night.until("09:30")
    await trips(night)
    assert state(night, TRIP) == "out-of-service"
    night = night.again()
    await night.until("10:30")
    assert night.records(Kind.INCIDENT_OPENED) == []
    hidden = next(h for h in night.desk.hiding() if h.subject == TRIP)
    assert (hidden.by, hidden.until_ms, hidden.reason) == (f"permit:{permit}", ms("11:00"), "清洗冷凝器")
    ended = await night.ask(EndPermit, "user:op", permit=permit, request="end")
    assert not isinstance(ended, Refused), ended.why.en
    shown = [(r.at_ms, r.data.active) for r in about(night, Kind.ALARM_SHOWN)]
    assert shown == [(ms("10:30"), True)]
    assert state(night, TRIP) == "unacknowledged"
    assert [r.data.alarm for r in night.records(Kind.INCIDENT_OPENED)] == [TRIP]
    await night.close()


async def too_hot(tmp_path) -> Building:
    """02:01: a transformer at 135 °C, of which only the ladder of the one rule is looked at; all who are called come."""
    site = without_delays(demo_site(), "transformer-hot")
    rules = {id: r for id, r in site.rules.items() if r.kind != "transformer" or id == "transformer-hot"}
    night = await Building.open(tmp_path, "02:00", replace(site, rules=rules))
    await night.reads("tx-1", temp_a=90, temp_b=90, temp_c=90)
    await night.until("02:01")
    await night.reads("tx-1", temp_b=135)
    for person in {m.person for m in night.pages()}:
        await night.ask(Accept, f"person:{person}", incident=night.incident.id, person=person)
    return night


def called(night: Building) -> list[str]:
    return [r.data.why for r in night.records(Kind.LEVEL_REACHED)]


async def test_a_graver_rung_calls_again_whoever_was_called_to_less_and_a_lesser_one_only_informs(tmp_path) -> None:
    night = await too_hot(tmp_path)
    await night.ask(AcknowledgeAlarm, "user:op", alarm=HOT)
    first = [m.person for m in night.pages()]
    assert first
    assert called(night) == ["start"]

    await night.reads("tx-1", temp_b=155)
    await night.until("02:01:06")  # the graver rung's five seconds are over
    assert [(r.at_ms, r.data.priority) for r in about(night, Kind.ALARM_GRADED, HOT)] == [(ms("02:01:05"), 1)]
    assert (state(night, HOT), night.incident.priority) == ("unacknowledged", 1)
    assert called(night) == ["start", "worse"]
    assert {m.person for m in night.pages()[len(first) :]} == set(first)

    night = night.again()
    paged = len(night.pages())
    await night.ask(AcknowledgeAlarm, "user:op", alarm=HOT, request="seen again")
    await night.reads("tx-1", temp_b=139)
    await night.until("02:01:30")
    assert [r.data.priority for r in about(night, Kind.ALARM_GRADED, HOT)] == [1, 2]
    assert (state(night, HOT), night.desk.standing.alarms[HOT].priority) == ("acknowledged", 2)
    assert (called(night), len(night.pages())) == (["start", "worse"], paged)
    await night.close()


async def test_a_shelf_stops_no_incident_that_already_runs_and_a_graver_rung_breaks_it(tmp_path) -> None:
    night = await too_hot(tmp_path)
    await shelve(night, HOT, minutes=60)
    assert state(night, HOT) == "shelved"
    (incident,) = night.desk.standing.incidents
    await night.until("02:30")  # nobody has come as promised
    assert list(night.desk.standing.incidents) == [incident]
    assert called(night)[:2] == ["start", "late"]
    assert state(night, HOT) == "shelved"

    await night.reads("tx-1", temp_b=155)
    await night.until("02:30:06")
    (back,) = about(night, Kind.ALARM_UNSHELVED, HOT)
    assert (back.at_ms, back.data.why, back.data.priority) == (ms("02:30:05"), "graver", 1)
    assert state(night, HOT) == "unacknowledged"
    # For a life, who accepted and is not there in ten minutes is not waited for: of neither of the two.
    assert called(night)[-3:] == ["worse", "late", "late"]
    await night.close()
