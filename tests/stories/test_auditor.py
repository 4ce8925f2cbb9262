"""The auditor at the real desk: nothing found in a sound night; a seeded difference is written down and put right."""

import dataclasses

from building import Building, demo_site
from msgspec.structs import replace

from collectors.difference import Difference
from dutyroom.auditor import Auditor
from dutyroom.exchange import Exchange
from dutyroom.selfwatch import with_host
from facility.records import AuditFound, Kind, Record, RosterChanged, roster_subject
from sitefolder import Loaded

TRAPPED = {"doors_closed": 1, "occupied": 1, "running": 0, "door_zone": 0, "service_mode": 1, "fault_code": 71}


async def test_a_desk_that_forgot_an_escalation_is_found_out_and_rings_again(tmp_path) -> None:
    night = await Building.open(tmp_path, "02:13")
    await night.reads("lift-1b", **TRAPPED)
    auditor = Auditor(night.clock, night.book, night.desk)
    await night.until("02:14:30")
    assert await auditor.look() == []
    true = night.incident
    night.desk.matters.incidents.mend(
        replace(true, accepted={"nobody": night.clock.now()})
    )  # somebody who never accepted
    night.desk._stand(night.desk.standing.seq)
    found = await auditor.look()
    assert [f.what for f in found] == ["state"]
    await night.turn()
    assert [r.data.incident for r in night.records(Kind.AUDIT_FOUND)] == [true.id]
    assert night.desk.counts.audit_found == 1, "which the rule host-audit-found makes an alarm of"
    before = len(night.pages())
    await night.until("02:16")
    assert len(night.pages()) > before
    assert await auditor.look() == []
    await night.close()


async def test_what_is_decided_and_on_its_way_to_the_book_is_no_finding_and_is_not_undone(tmp_path) -> None:
    night = await Building.open(tmp_path, "02:13")
    await night.reads("lift-1b", **TRAPPED)
    auditor = Auditor(night.clock, night.book, night.desk)
    await night.until("02:13:30")
    night.clock.time += 600_000  # levels come due, are decided, and wait for a slow disk
    night.desk.matters.settle(night.clock.now())
    assert night.desk.unwritten().records
    assert await auditor.look() is None
    assert night.desk.matters.incidents.open()[night.incident.id].level > night.incident.level  # nothing was undone
    await night.turn()
    assert await auditor.look() == []
    assert night.records(Kind.AUDIT_FOUND) == []
    await night.close()


async def test_a_roster_that_is_changed_and_not_yet_committed_is_not_compared_with_the_book(tmp_path) -> None:
    night = await Building.open(tmp_path, "02:13")
    await night.reads("lift-1b", **TRAPPED)
    auditor = Auditor(night.clock, night.book, night.desk)
    now = night.clock.now()
    data = RosterChanged("extra", "he-jun", "lift-technician", now, now + 3_600_000, "ill")
    night.desk.matters.add([Record(now, Kind.ROSTER_CHANGED, roster_subject("c1"), data, "user:boss", "r-roster")])
    assert await auditor.look() is None
    await night.turn()
    assert await auditor.look() == []
    await night.close()


async def test_an_audit_that_found_a_difference_becomes_an_alarm_of_the_monitoring_computer(tmp_path) -> None:
    night = await Building.open(tmp_path, "02:13", with_host(demo_site()))
    await night.reads("host", audit_found=0)
    await night.until("02:13:10")
    data = AuditFound("261123-1", "missing", "level 1 was due 20 s ago")
    night.desk.report(Record(night.clock.now(), Kind.AUDIT_FOUND, "incident:261123-1", data))
    await night.turn()
    await night.reads("host", audit_found=float(night.desk.counts.audit_found))
    assert [r.data.rule for r in night.records(Kind.ALARM_RAISED)] == ["host-audit-found"]
    await night.close()


async def test_what_is_committed_during_a_look_makes_it_void_only_where_something_was_found(tmp_path) -> None:
    night = await Building.open(tmp_path, "02:13")
    await night.reads("lift-1b", **TRAPPED)
    auditor = Auditor(night.clock, night.book, night.desk)
    await night.until("02:14:30")
    compare = auditor._compare

    def commit_meanwhile(*about):
        found = compare(*about)
        night.desk._stand(night.desk.standing.seq)
        return found

    auditor._compare = commit_meanwhile
    assert await auditor.look() == [], (
        "in a flood every second brings a commit: a look that is put off reads it all again"
    )
    night.desk.matters.incidents.mend(replace(night.incident, level=7))
    night.desk._stand(night.desk.standing.seq)
    assert await auditor.look() is None
    await night.close()


async def test_a_plan_edited_during_an_incident_is_no_finding_and_a_difference_still_is(tmp_path) -> None:
    night = await Building.open(tmp_path, "02:13")
    await night.reads("lift-1b", **TRAPPED)
    auditor = Auditor(night.clock, night.book, night.desk)
    await night.until("02:13:40")
    true = night.incident
    old = night.site.plans[true.plan]
    hasty = tuple(dataclasses.replace(level, within_ms=1_000) for level in old.levels)
    edited = dataclasses.replace(old, version="edited", levels=hasty, repeat_ms=1_000)
    night.desk.matters.plans[edited.id, edited.version] = edited
    site = dataclasses.replace(night.site, plans={**night.site.plans, old.id: edited})
    exchange = Exchange(night.site, Loaded(site, {}, {}, []), site, Difference(), None)
    exchange.prepare()
    night.desk.adopt(exchange)
    await night.turn()
    await night.until("02:14:05")
    assert night.desk.site.plans[old.id].version == "edited"
    assert night.incident.plan_version == old.version
    assert await auditor.look() == []
    night.desk.matters.incidents.mend(replace(night.incident, level=7))
    night.desk._stand(night.desk.standing.seq)
    assert [f.what for f in await auditor.look()] == ["state"]
    await night.close()
