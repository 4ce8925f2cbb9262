"""A gateway dies, or the network: one incident for what is dead, and lives keep their own."""

from building import Building, ms

from facility.records import Kind
from facility.scan import Reason, missed

TRAPPED = {
    "doors_closed": 1,
    "occupied": 1,
    "running": 0,
    "door_zone": 0,
    "service_mode": 1,
    "fault_code": 71,
    "floor": 8,
}
ENTRAPMENT = "lift-entrapment"
SILENCE = "communication-loss"


async def dies(night: Building, devices: list[str], clock: str, seconds: int) -> None:
    """From this moment the devices answer no more; each is polled every five seconds, at its own moment."""
    start = ms(clock)
    for second in range(seconds):
        night.clock.time = max(night.clock.time, start + second * 1_000)
        for n, device in enumerate(devices):
            if n % 5 == second % 5:
                points = len(night.site.devices[device].points)
                night.desk.scan(missed(device, night.clock.now(), points, Reason.NO_ANSWER))
        await night.turn()


def on(night: Building, line: str) -> list[str]:
    return [d.id for d in night.site.devices.values() if d.line == line]


def opened(night: Building, plan: str) -> list[str]:
    return [r.subject for r in night.records(Kind.INCIDENT_OPENED) if r.data.plan == plan]


def silent_in(night: Building) -> set[str]:
    """The devices that are listed in an incident that silence opened."""
    alarms = (a for i in night.desk.standing.incidents.values() if i.plan == SILENCE for a in i.alarms)
    return {a.removeprefix("alarm:").rpartition("/")[0] for a in alarms}


async def test_a_dead_gateway_is_one_incident_that_lists_every_device(tmp_path) -> None:
    night = await Building.open(tmp_path, "02:13")
    await dies(night, on(night, "hv-gateway"), "02:13", 40)
    assert len(opened(night, SILENCE)) == 1
    assert {r.data.why for r in night.records(Kind.INCIDENT_JOINED)} == {"line"}
    assert silent_in(night) == set(on(night, "hv-gateway"))
    assert len(night.pages()) <= 2
    await night.close()


async def test_a_new_process_in_the_middle_decides_the_same(tmp_path) -> None:
    night = await Building.open(tmp_path, "02:13")
    await dies(night, on(night, "lift-broker"), "02:13", 17)
    assert len(opened(night, SILENCE)) == 1
    night = night.again()
    await dies(night, on(night, "lift-broker"), "02:13:17", 30)
    assert len(opened(night, SILENCE)) == 1
    assert silent_in(night) == set(on(night, "lift-broker"))
    await night.close()


async def test_a_device_that_falls_silent_an_hour_later_is_paged_on_its_own(tmp_path) -> None:
    night = await Building.open(tmp_path, "02:13")
    await dies(night, ["gw-lift-1a"], "02:13", 30)
    await night.until("03:13")
    await dies(night, ["gw-lift-2a"], "03:13", 30)
    assert len(opened(night, SILENCE)) == 2
    await night.close()


async def test_all_lines_dead_are_a_handful_of_incidents_and_a_trapped_person_still_has_an_own(tmp_path) -> None:
    night = await Building.open(tmp_path, "02:13")
    every = list(night.site.devices)
    await dies(night, [d for d in every if d != "gw-lift-1b"], "02:13", 17)
    assert opened(night, SILENCE)
    await night.reads("lift-1b", **TRAPPED)  # the last word of the last gateway
    night.clock.time += 1_000
    assert len(opened(night, ENTRAPMENT)) == 1
    await dies(night, every, "02:13:18", 60)
    (entrapment,) = opened(night, ENTRAPMENT)
    assert any(m.incident in entrapment for m in night.pages())
    assert len(opened(night, SILENCE)) <= 4
    electricians = [m for m in night.pages() if m.incident not in entrapment]
    assert len(electricians) <= 5
    standing = night.desk.standing.incidents[entrapment.removeprefix("incident:")]
    lists = {a.removeprefix("alarm:").rpartition("/")[0] for a in standing.alarms}
    assert "gw-lift-1b" in lists
    assert not lists - {"lift-1b", "gw-lift-1b", "box-main"}
    assert silent_in(night) | lists >= set(every)
    await night.close()


async def test_all_lines_dead_at_one_moment_are_one_incident(tmp_path) -> None:
    night = await Building.open(tmp_path, "02:13")
    for second in range(0, 40, 5):
        night.clock.time = ms("02:13") + second * 1_000
        for device in night.site.devices.values():
            night.desk.scan(missed(device.id, night.clock.now(), len(device.points), Reason.NO_ANSWER))
        await night.turn()
    assert len(opened(night, SILENCE)) == 1
    assert silent_in(night) == set(night.site.devices)
    assert {r.data.why for r in night.records(Kind.INCIDENT_JOINED)} == {"line", "network"}
    await night.close()
