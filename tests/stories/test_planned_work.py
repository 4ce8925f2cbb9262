"""Planned work at the demo site: what a permit hides and what it never hides, and who hears of it when."""

from collections.abc import Iterable
from pathlib import Path

from building import Building, ms

from facility.commands import CheckEquipment, EndPermit, ExtendPermit, IssuePermit, Refused
from facility.records import Kind

LIFT = "lift-1b"
HOLDER = "wang-jianguo"
STOPPED = {"service_mode": 1, "door_zone": 1, "doors_closed": 1, "occupied": 0, "running": 0, "fault_code": 3}
WELL = {**STOPPED, "fault_code": 0}


async def issue(
    night: Building,
    work: str = "permit",
    *machines: str,
    begin: str = "09:00",
    end: str = "11:00",
    holder: str = HOLDER,
) -> str:
    said = await night.ask(
        IssuePermit, "user:op", work=work, equipment=machines or (LIFT,), holder=holder, task="换门机皮带",
        from_ms=ms(begin), until_ms=ms(end),
    )  # fmt: skip
    assert not isinstance(said, Refused), said.why.en
    (written,) = said
    return written.record.subject.removeprefix("permit:")


def times(night: Building, *kinds: Kind) -> list[tuple[str, int]]:
    return [(str(r.kind), r.at_ms) for r in night.records(*kinds)]


def alarm(night: Building, rule: str, owner: str = LIFT) -> str:
    found = night.desk.standing.alarms.get(f"alarm:{owner}/{rule}")
    return found.state.value if found else "normal"


def refused(said: "Iterable[object] | Refused") -> str:
    assert isinstance(said, Refused)
    return said.code


async def test_a_permit_hides_a_stopped_lift_for_exactly_its_window_and_what_still_stands_then_is_told(
    tmp_path: Path,
) -> None:
    night = await Building.open(tmp_path, "08:50")
    await night.reads(LIFT, **WELL)
    permit = await issue(night)
    await night.until("09:10")
    await night.reads(LIFT, **STOPPED)
    await night.until("10:59")
    assert alarm(night, "lift-fault-stop") == "out-of-service"
    assert night.pages() == []

    await night.until("11:01")
    assert alarm(night, "lift-fault-stop") == "unacknowledged"
    assert times(night, Kind.PERMIT_STARTED, Kind.PERMIT_OVERDUE, Kind.ALARM_SHOWN) == [
        ("permit.started", ms("09:00")),
        ("permit.overdue", ms("11:00")),
        ("alarm.shown", ms("11:00")),
    ]
    assert {i.plan for i in night.desk.standing.incidents.values()} == {"permit-overdue", "lift-stop"}
    await night.ask(EndPermit, "user:op", permit=permit)
    assert [i.plan for i in night.desk.standing.incidents.values()] == ["lift-stop"]  # its call is over with it
    await night.close()


async def test_a_bell_under_a_permit_rings_as_ever_and_its_holder_hears_at_once(tmp_path: Path) -> None:
    night = await Building.open(tmp_path, "08:59")
    await night.reads(LIFT, **WELL)
    await issue(night)
    await night.until("09:30")
    await night.reads(LIFT, bell=1)
    assert alarm(night, "lift-bell") == "unacknowledged"
    assert [m.person for m in night.pages()] == [HOLDER]  # the desk has its minute; he stands there
    await night.until("09:31:01")
    assert len({m.person for m in night.pages()}) > 3  # nobody answered the car: everybody is called
    assert sum(m.person == HOLDER for m in night.pages()) == 1  # told once, and not called again
    await night.close()


async def test_an_overdue_permit_pages_its_holder_then_the_leader_until_somebody_says_what_is_so(
    tmp_path: Path,
) -> None:
    night = await Building.open(tmp_path, "08:59")
    permit = await issue(night)
    await night.until("11:09")
    assert {m.person for m in night.pages()} == {HOLDER}
    assert len(night.pages()) == 2  # at once and after five minutes
    assert permit in night.pages()[0].text
    await night.until("11:11")
    assert len({m.person for m in night.pages()}) == 2

    before = len(night.pages())
    await night.ask(ExtendPermit, "user:op", permit=permit, until_ms=ms("12:30"), reason="配件晚到")
    await night.until("12:29")
    assert len(night.pages()) == before
    assert night.desk.standing.permits[permit].state == "running"
    await night.ask(EndPermit, "user:op", permit=permit)
    await night.until("12:58")
    assert len(night.pages()) == before
    await night.until("13:00")  # half an hour after the end nobody has checked the lift
    assert "复验" in night.pages()[-1].text
    await night.ask(CheckEquipment, "user:op", permit=permit, equipment=LIFT, works=True, person=HOLDER)
    assert permit not in night.desk.standing.permits
    assert night.desk.standing.incidents == {}
    await night.close()


async def test_a_machine_that_fails_its_check_is_a_matter_of_its_own(tmp_path: Path) -> None:
    night = await Building.open(tmp_path, "08:59")
    permit = await issue(night)
    await night.until("10:00")
    await night.ask(EndPermit, "user:op", permit=permit)
    no = await night.ask(CheckEquipment, "user:op", permit=permit, equipment=LIFT, works=False, person=HOLDER)
    assert refused(no) == "invalid"
    await night.ask(
        CheckEquipment, "user:op", permit=permit, equipment=LIFT, works=False, person=HOLDER, note="平层不准"
    )
    assert night.incident.plan == "equipment-fault"
    assert night.incident.equipment == LIFT
    await night.close()


async def test_before_its_begin_a_permit_is_cancelled_and_hides_nothing_afterwards(tmp_path: Path) -> None:
    night = await Building.open(tmp_path, "08:30")
    permit = await issue(night)
    assert refused(await night.ask(EndPermit, "user:op", permit=permit)) == "conflict"
    await night.ask(EndPermit, "user:op", permit=permit, why="cancelled")
    await night.until("09:30")
    assert night.desk.standing.permits == {}
    assert night.records(Kind.PERMIT_STARTED) == []
    await night.close()


async def test_what_cannot_be_a_permit_is_refused_with_what_to_do(tmp_path: Path) -> None:
    night = await Building.open(tmp_path, "08:30")
    good = {
        "work": "permit", "equipment": (LIFT,), "holder": HOLDER, "task": "t", "from_ms": ms("09:00"), "until_ms": ms("11:00"),
    }  # fmt: skip
    for wrong, code in (
        ({"until_ms": ms("22:00")}, "invalid"),  # thirteen hours
        ({"until_ms": ms("08:00")}, "invalid"),
        ({"holder": "nobody"}, "not-found"),
        ({"equipment": ("lift-9",)}, "not-found"),
        ({"equipment": ()}, "invalid"),
        ({"task": " "}, "invalid"),
        ({"work": "picnic"}, "invalid"),
        ({"work": "genset-test"}, "invalid"),  # a lift is none
    ):
        assert refused(await night.ask(IssuePermit, "user:op", **{**good, **wrong})) == code, wrong
    assert night.desk.standing.permits == {}
    await night.close()


async def test_a_planned_power_cut_expects_what_it_causes_and_any_other_alarm_is_real(tmp_path: Path) -> None:
    night = await Building.open(tmp_path, "08:50")
    await night.reads("utility-1", live=1)
    await night.reads("hv-incomer", breaker_closed=1, v_ab=10000, v_bc=10000, v_ca=10000)
    await night.reads("rmu-1", switch_closed=1)
    await night.reads("hv-f1", breaker_closed=1)
    await night.reads("hv-f2", breaker_closed=1)
    await night.reads("lvm-1", v_ab=400, v_bc=400, v_ca=400, freq=50)
    await night.reads("ats-lift-1a", position=1, normal_available=1, emergency_available=1)
    for lift in ("lift-1a", LIFT, "lift-p1"):
        await night.reads(lift, **WELL)
    await night.reads("lift-p1", occupied=1, running=1)
    await night.until("08:56")
    asked = IssuePermit("user:op", "p", "power-cut", ("hv-f1",), HOLDER, ms("09:00"), ms("11:00"), "换柜")
    would = night.desk.preview(asked)
    assert not isinstance(would, Refused)
    permit = await issue(night, "power-cut", "hv-f1")
    await night.ask(
        CheckEquipment, "user:op", permit=permit, equipment="lift-p1", works=False, person="chen-yu", note="有人"
    )
    await night.until("09:00:01")
    (started,) = night.records(Kind.PERMIT_STARTED)
    assert {"alarm:hv-f1/hv-breaker-opened", "alarm:lvm-1/lv-power-lost", f"alarm:{LIFT}/lift-power-lost"} <= {
        *started.data.expected  # type: ignore[attr-defined]
    }
    assert [(h.subject, h.how) for h in would] == [(s, "suppressed") for s in started.data.expected]  # type: ignore[attr-defined]
    assert not [s for s in started.data.expected if "lift-2" in s or "bell" in s or "trapped" in s]  # type: ignore[attr-defined]
    assert started.data.unparked == ("lift-p1",)  # type: ignore[attr-defined]

    await night.reads("hv-f1", breaker_closed=0)
    await night.reads("lvm-1", v_ab=0, v_bc=0, v_ca=0, freq=0)
    await night.reads(LIFT, power_source=1)
    await night.until("09:20")
    assert night.pages() == []
    assert alarm(night, "hv-breaker-opened", "hv-f1") == "suppressed"
    assert alarm(night, "lv-power-lost", "lvm-1") == "suppressed"

    await night.reads("hv-f2", breaker_closed=0)  # nobody planned that
    await night.until("09:21")
    assert alarm(night, "hv-breaker-opened", "hv-f2") == "unacknowledged"
    assert night.incident.plan == "hv-trip"
    assert night.pages()

    await night.ask(EndPermit, "user:op", permit=permit)  # and the supply does not come back
    assert alarm(night, "lv-power-lost", "lvm-1") == "unacknowledged"
    await night.close()


async def test_a_restart_in_the_midst_changes_nothing(tmp_path: Path) -> None:
    night = await Building.open(tmp_path, "08:59")
    await night.reads(LIFT, **WELL)
    permit = await issue(night)
    await night.until("09:10")
    await night.reads(LIFT, **STOPPED)
    await night.until("09:12")
    night = night.again()
    assert night.desk.standing.permits[permit].state == "running"
    assert alarm(night, "lift-fault-stop") == "out-of-service"
    night.clock.time = ms("11:07")  # down for two hours, over the end of the window
    await night.until("11:08")
    assert night.records(Kind.PERMIT_OVERDUE)[0].at_ms == ms("11:00")
    assert {m.person for m in night.pages()} >= {HOLDER}
    calls = len(night.records(Kind.INCIDENT_OPENED))
    night = night.again()
    await night.until("11:09")
    assert len(night.records(Kind.INCIDENT_OPENED)) == calls
    assert len(night.records(Kind.PERMIT_OVERDUE)) == 1
    await night.close()


async def test_a_life_safety_alarm_that_the_desk_judges_calls_whoever_works_there(tmp_path: Path) -> None:
    night = await Building.open(tmp_path, "08:59")
    await night.reads(LIFT, **WELL)
    await night.reads("lift-2b", **WELL)
    await issue(night)
    await night.until("09:30")
    await night.reads("lift-2b", service_mode=6)  # the seismic sensor of a lift where nobody works: the desk decides
    assert night.pages() == []
    await night.reads(LIFT, service_mode=6)
    assert night.incident.plan == "permit-alarm"
    assert HOLDER in {m.person for m in night.pages()}
    await night.until("09:32:30")
    assert sum(m.person == HOLDER for m in night.pages()) > 1  # again, until he answers
    await night.close()


async def test_a_transformer_out_of_use_is_an_alarm_while_it_is_energised_and_only_then(tmp_path: Path) -> None:
    night = await Building.open(tmp_path, "08:50")
    await night.reads("hv-f1", breaker_closed=1)
    await night.until("08:55")
    assert night.pages() == []
    await issue(night, "out-of-use", "tx-1", begin="09:00", end="09:30")
    await night.until("09:01")
    assert alarm(night, "transformer-energised-out-of-use", "tx-1") == "unacknowledged"
    assert night.incident.equipment == "tx-1"
    await night.until("09:31")
    assert night.records(Kind.PERMIT_ENDED)[0].data.why == "expired"  # type: ignore[attr-defined]
    assert night.desk.standing.permits == {}
    await night.close()
