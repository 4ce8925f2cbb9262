from building import Building

from facility.records import Kind, Record, ServiceStarted


async def test_what_was_replayed_once_is_not_replayed_on_top_of_itself(tmp_path) -> None:
    night = await Building.open(tmp_path, "02:13")
    await night.turn()
    await night.reads("fire-panel-1", fire=1)
    night.clock.time += 2_000
    await night.reads("fire-panel-1", fire=0)
    told = night.records(Kind.ALARM_RAISED, Kind.ALARM_CLEARED)
    for _ in range(4):
        night = night.again()
        night.desk.report(Record(night.clock.now(), Kind.SERVICE_STARTED, "site:wanglan", ServiceStarted("test")))
        await night.turn()  # a first turn without a scan: only the memory is written
        night.clock.time += 40_000
    assert night.desk.replayed == 0
    assert night.records(Kind.ALARM_RAISED, Kind.ALARM_CLEARED) == told
    await night.close()
