"""After a restore: what was known before waits for a person; what happens anew calls people as on any day."""

from building import Building, ms

from facility.records import Kind, Record, ServiceRestored, restore_subject

FREE = {"doors_closed": 0, "occupied": 0, "running": 0, "door_zone": 1, "service_mode": 1, "fault_code": 0}
TRAPPED = {**FREE, "doors_closed": 1, "occupied": 1, "door_zone": 0, "fault_code": 71}


async def test_a_new_entrapment_in_an_incident_whose_pages_are_held_calls_people(tmp_path) -> None:
    before = await Building.open(tmp_path, "09:13")
    before.phones.refuse = lambda _: "busy"
    await before.reads("lift-1b", **TRAPPED)
    await before.until("09:15")
    held = (before.incident.id,)
    restored = ServiceRestored(before.clock.now(), 1, "h", held)
    at = before.clock.now()
    before.book.append(
        [Record(at, Kind.SERVICE_RESTORED, restore_subject("x"), restored, request="service.restored/x")]
    )

    night = before.again()
    night.phones.refuse = lambda _: None
    night.phones.got.clear()
    await night.until("10:00")
    assert not night.pages(), "what came out of the backup waits for a person"
    await night.reads("lift-1b", **FREE)
    await night.until("10:05")
    await night.reads("lift-1b", **TRAPPED)
    await night.until("10:06:01")
    called = {page.person for page in night.pages()}
    asked = {r.data.person for r in night.records(Kind.PAGE_REQUESTED) if r.at_ms >= ms("10:05")}
    assert called >= asked > set()
    await night.close()
