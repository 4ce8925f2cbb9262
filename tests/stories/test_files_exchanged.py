"""Other files in the middle of a night: what is open goes on truthfully, and what cannot be exchanged changes nothing."""

import dataclasses

import pytest
from building import Building

from api.views.alarm import alarm_shape
from api.views.incident import incident_shape
from collectors.difference import Changes, Difference
from dutyroom import exchange as exchanging
from dutyroom.exchange import Exchange, NotNowError
from facility.equipment import split_point
from facility.records import Kind
from facility.scan import Reason
from facility.site import Site
from sitefolder import Loaded

TRAPPED = {"doors_closed": 1, "occupied": 1, "running": 0, "door_zone": 0, "service_mode": 1, "fault_code": 71}


def without(site: Site, machine: str) -> tuple[Site, Difference]:
    """The site without a machine and the devices that speak for nothing else."""
    gone = {id for id, d in site.devices.items() if {split_point(p)[0] for p in d.points} == {machine}}
    assert gone
    equipment = {id: m for id, m in site.equipment.items() if id != machine}
    devices = {id: d for id, d in site.devices.items() if id not in gone}
    left = dataclasses.replace(site, equipment=equipment, devices=devices, hash="other")
    return left, Difference(Changes(removed=(machine,)), devices=Changes(removed=tuple(gone)))


def exchange_of(night: Building, site: Site, different: Difference) -> Exchange:
    exchange = Exchange(night.site, Loaded(site, {}, {}, []), site, different, None)
    exchange.prepare()

    def place():
        night.live.exchange({id: night.spool.layout(d.id, d.points, d.profile) for id, d in site.devices.items()})
        return ()

    exchange.place = place
    return exchange


async def test_a_lift_that_is_removed_while_somebody_is_trapped_in_it_stays_everybodys_matter(tmp_path) -> None:
    night = await Building.open(tmp_path, "02:13")
    await night.reads("lift-1b", **TRAPPED)
    await night.until("02:14:30")
    called, opened = len(night.pages()), night.incident.id
    site, different = without(night.site, "lift-1b")
    exchange = exchange_of(night, site, different)
    night.desk.adopt(exchange)
    await night.turn()
    assert exchange.done.done()
    assert exchange.done.exception() is None
    ended = [r.data for r in night.records(Kind.ALARM_CLEARED) if r.data.owner == "lift-1b"]
    assert ended
    assert {data.why for data in ended} == {"removed"}, "not back to normal: nobody knows"
    assert night.incident.id == opened, "people end it, not files"
    assert night.live.read("lift-1b/occupied") is None
    assert night.desk.missing(opened)
    shape = incident_shape(
        night.desk.standing, site, night.incident, night.desk.missing(opened), (), night.desk.matters._read
    )
    assert shape.id == opened
    for alarm in night.desk.standing.alarms.values():
        assert alarm_shape(site, alarm, opened).subject
    await night.until("02:20:00")
    assert len(night.pages()) > called, "who was called and has not answered is called again"
    assert not night.records(Kind.ITEM_QUARANTINED)
    (device,) = different.devices.removed
    again = night.again()
    again.site = site
    assert again.desk.standing.incidents
    await again.close()
    assert device not in site.devices


async def test_the_last_word_of_a_removed_device_is_that_it_was_removed_and_moves_no_rule(tmp_path) -> None:
    night = await Building.open(tmp_path, "02:13")
    await night.reads("lift-1b", **TRAPPED)
    site, different = without(night.site, "lift-1b")
    night.desk.adopt(exchange_of(night, site, different))
    raised = len(night.records(Kind.ALARM_RAISED))
    await night.turn()
    await night.until("02:30:00")
    scans = [s for _, _, scans in night.spool.read("archive", 100_000) for s in scans]
    *_, last = [s for s in scans if s.device in different.devices.removed]
    assert set(last.reasons) == {Reason.REMOVED}
    assert len([r for r in night.records(Kind.ALARM_RAISED) if r.data.owner in different.devices.removed]) == 0
    assert len(night.records(Kind.ALARM_RAISED)) - raised <= 1, "what the open incident brings, and no flood"
    await night.close()


async def test_an_exchange_that_nobody_waits_for_any_more_changes_nothing(tmp_path) -> None:
    night = await Building.open(tmp_path, "02:13")
    site, different = without(night.site, "lift-1b")
    exchange = exchange_of(night, site, different)
    exchange.done.cancel()
    night.desk.adopt(exchange)
    await night.turn()
    assert "lift-1b" in night.desk.site.equipment
    await night.reads("lift-1b", **TRAPPED)
    assert night.incident
    await night.close()


async def test_while_the_disk_takes_no_readings_the_old_files_hold(tmp_path, monkeypatch) -> None:
    night = await Building.open(tmp_path, "02:13")
    site, different = without(night.site, "lift-1b")

    def full(*_args, **_named):
        raise OSError("no space")

    commit = night.spool.commit
    monkeypatch.setattr(night.spool, "commit", full)
    await night.reads("lift-1b", **TRAPPED)
    exchange = exchange_of(night, site, different)
    night.desk.adopt(exchange)
    await night.turn()
    with pytest.raises(NotNowError):
        exchange.done.result()
    assert "lift-1b" in night.desk.site.equipment
    monkeypatch.setattr(night.spool, "commit", commit)
    await night.until("02:14:00")
    scans = [s for _, _, scans in night.spool.read("archive", 100_000) for s in scans]
    assert not [s for s in scans if Reason.REMOVED in s.reasons], "nobody was removed"
    await night.close()


async def test_a_step_that_fails_in_the_middle_ends_the_process(tmp_path, monkeypatch) -> None:
    night = await Building.open(tmp_path, "02:13")
    site, different = without(night.site, "lift-1b")
    exchange, ended = exchange_of(night, site, different), []

    class EndedError(BaseException):
        """The process is no more."""

    def end(code: int) -> None:
        ended.append(code)
        raise EndedError

    def broken():
        raise ValueError("not foreseen")

    exchange.place = broken
    monkeypatch.setattr(exchanging.os, "_exit", end)
    night.desk.adopt(exchange)
    with pytest.raises(EndedError):
        await night.desk.turn()
    assert ended == [exchanging.HALF_EXIT]
    monkeypatch.undo()
