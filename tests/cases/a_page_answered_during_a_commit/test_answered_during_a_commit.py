import asyncio

from building import Building

TRAPPED = {"doors_closed": 1, "occupied": 1, "running": 0, "service_mode": 1, "fault_code": 71}


async def test_it_rings_once(tmp_path) -> None:
    night = await Building.open(tmp_path, "02:13")
    await night.reads("lift-1b", turn=False, **TRAPPED)
    await night.desk.turn()  # requested, committed, handed to the channel
    while night.desk.dispatch.sending():
        await asyncio.sleep(0)
    night.desk._act(night.clock.now())  # the end of a turn that began before the answers came
    while night.desk.dispatch.sending():
        await asyncio.sleep(0)
    await night.turn()
    keys = [m.key for m in night.pages()]
    assert keys
    assert len(keys) == len(set(keys))
    await night.close()
