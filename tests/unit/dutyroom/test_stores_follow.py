"""The stores behind the spool, under other files: what may be left out, and how measurements are named."""

import asyncio
from dataclasses import replace
from pathlib import Path

from dutyroom.archiving import Archiving
from dutyroom.clock import SystemClock
from dutyroom.settings import Settings
from facility.ports import Layout
from facility.scan import Scan
from facility.site import Thinning
from sitefolder import load
from stores.telemetry.archivist.words import Turned
from stores.telemetry.batch import decode, encode
from stores.telemetry.lineprotocol import Lines
from stores.telemetry.spool import Spool

DEMO = Path(__file__).parents[3] / "simulators" / "sites" / "demo"


class Archivist:
    """Remembers what it was told to begin with."""

    exit_code = None

    def __init__(self):
        self.begun = []

    def start(self, begin):
        self.begun.append(begin)

    def retain(self, *_said):
        return None

    def turn(self, _now_ms):
        return Turned(1, 0, [])


async def test_the_archive_begins_anew_only_where_other_readings_may_be_left_out(tmp_path) -> None:
    clock, site = SystemClock(), replace(load(DEMO).site, thinning=Thinning(60_000, {}))
    spool = Spool(tmp_path / "spool.db", clock)
    archiving = Archiving(Settings(site_folder=DEMO, data=tmp_path), site, spool, clock, lambda _gone: None)
    archiving.archivist = archivist = Archivist()
    task = asyncio.create_task(archiving.run(lambda: None))

    async def begun(times: int) -> None:
        async with asyncio.timeout(5):
            while len(archivist.begun) < times:
                await clock.until(clock.now() + 5)

    await begun(1)
    archiving.adopt(replace(site, hash="other names"))
    some = dict(list(site.devices.items())[:3])
    archiving.adopt(replace(site, devices=some))
    await begun(2)
    archiving.adopt(replace(site, devices=some, thinning=Thinning()))
    await begun(3)
    task.cancel()
    assert archivist.begun[1].bands.keys() < archivist.begun[0].bands.keys()
    assert archivist.begun[2].heartbeat_ms == 0
    spool.close()


def test_a_machine_of_another_kind_is_another_measurement_and_one_that_is_gone_keeps_its_own() -> None:
    lines, layout = Lines("s", {"m": "pump", "old": "pump"}), Layout(1, "d", ("m/run",), "p")
    batch = decode(encode([Scan("d", 1000, 1000, (1.0,), bytes(1))], [1]))
    assert lines.lines(batch, lambda _id: layout)[0].startswith(b"pump,")
    lines.exchange({"m": "chiller"})
    assert lines.lines(batch, lambda _id: layout)[0].startswith(b"chiller,")
    assert lines.series("old/run").measurement == "pump"
