"""`python -m simulators --site FOLDER`: the building on the wire, until its standard input closes or it is ended."""

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

from simulators import faults, fieldbus, scenario
from simulators.broker import broker
from simulators.building import STEP_S, Building
from simulators.control import Control
from simulators.gateway import Gateway, gateways
from sitefolder import Loaded, load


async def run(site_folder: Path, scenario_file: Path | None, port_file: Path | None, *, with_broker: bool) -> None:
    """Serve everything until a signal comes."""
    loaded = load(site_folder)
    building = Building(loaded.site)
    embedded = await _brokers(loaded) if with_broker else []
    servers = fieldbus.lines(loaded.site, loaded.profiles, building)
    for server in servers:
        await server.start()
    control = Control(building)
    control_port = await control.start()
    boxes = gateways(loaded.site, loaded.profiles, loaded.secrets, building)
    if port_file:
        await asyncio.to_thread(port_file.write_text, json.dumps({"control": control_port}), encoding="utf-8")
    print(
        f"simulators: {len(servers)} Modbus lines, {len(boxes)} MQTT gateways, control port {control_port}", flush=True
    )

    def play(event: scenario.Event) -> None:
        faults.stage(building, event.fault, event.equipment, restore=event.restore)

    await _live(building, boxes, scenario.Player(scenario.read(scenario_file) if scenario_file else [], play))
    for box in boxes:
        box.stop()
    await control.stop()
    for server in servers:
        await server.stop()
    for one in embedded:
        await one.shutdown()


async def _brokers(loaded: Loaded) -> list[Any]:
    """Start an embedded broker for every MQTT line."""
    started = []
    for line in loaded.site.lines.values():
        if line.transport == "mqtt":
            one = broker(line.port, {line.username: loaded.secrets.get(line.secret, "")})
            await one.start()
            started.append(one)
    return started


async def _live(building: Building, boxes: list[Gateway], player: scenario.Player) -> None:
    """Let the building live in real time until a signal comes."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stopping.set)
    began = last = loop.time()
    while not stopping.is_set():
        now = loop.time()
        building.step(min(2.0, now - last))
        last = now
        player.advance((now - began) * 1000)
        wall = time.time_ns() // 1_000_000  # gateways stamp with their own clock
        await asyncio.gather(*(box.live(wall) for box in boxes))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.01, STEP_S - (loop.time() - now))):
                await stopping.wait()


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m simulators", description=__doc__)
    parser.add_argument("--site", type=Path, required=True, help="the site folder whose devices are simulated")
    parser.add_argument("--scenario", type=Path, help="what happens when (TOML)")
    parser.add_argument("--port-file", type=Path, help="where to write the control port as JSON")
    parser.add_argument("--no-broker", action="store_true", help="use a broker that runs already")
    given = parser.parse_args()
    try:
        asyncio.run(run(given.site, given.scenario, given.port_file, with_broker=not given.no_broker))
    except OSError as error:
        print(f"simulators: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
