"""The site of the flood as a folder: 200 lifts and 480 panels behind two 10 kV feeders.

The lifts publish over MQTT by the library's own profile and rules. The relays of the feeders and the meters of the
panels answer over Modbus; the site has ten rules more for a meter, each with a delay of its own, so that a trip becomes
5,000 alarms in ten seconds and not in one. Feeder 1 keeps its power: nothing behind it may be listed.
"""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.running import DEMO
from benchmarks.sitelines import by_webhook, put, words

RULES = 10
"""Alarms of a dead panel that the site's own rules make."""
VOLTAGES = ("v_ab", "v_bc", "v_ca")
UNITS = 10
"""Panels behind one gateway."""
FIRST_OUT = "hv-f2"


@dataclass(frozen=True, slots=True)
class Size:
    """How many lifts, how many of them keep their supply, and how many panels are behind the feeder that trips."""

    lifts: int = 200
    fed: int = 20
    panels: int = 480

    @property
    def lost(self) -> list[str]:
        """The lifts behind the feeder that trips."""
        return [lift(n) for n in range(self.fed, self.lifts)]

    @property
    def gateways(self) -> int:
        return -(-self.panels // UNITS)


def lift(n: int) -> str:
    return f"lift-{n:03}"


def topic(n: int) -> str:
    return f"lift/{lift(n)}/live"


def write(size: Size, folder: Path, ports: dict[str, int], broker: int, url: str) -> Path:
    """Write the site; pages go to the `url` (empty: to the demo's phones), `ports` are the Modbus lines'."""
    site = folder / "site"
    (site / "profiles").mkdir(parents=True)
    put(site / "rules.toml", (line for n in range(RULES) for line in _panel_rule(n)))
    put(site / "profiles" / "bench-panel.toml", _panel_profile())
    put(site / "profiles" / "bench-relay.toml", _relay_profile())
    head = (DEMO / "site.toml").read_text(encoding="utf-8")
    (site / "site.toml").write_text(head.replace('id = "wanglan"', 'id = "flood"'), encoding="utf-8")
    shutil.copy(DEMO / "roster.toml", site)
    people = (DEMO / "people.toml").read_text(encoding="utf-8").splitlines()
    put(site / "people.toml", (by_webhook(line, url) if url else line for line in people))
    put(site / "equipment.toml", _equipment(size, ports, broker))
    return site


def _panel_rule(n: int) -> list[str]:
    """Return an undervoltage rule for the console; the library has one that calls people."""
    return [
        "[[rule]]",
        f'id = "panel-dead-{n}"',
        'kind = "lv_meter"',
        f"name = {words(f'panel dead {n}')}",
        f'when = [{{ point = "{VOLTAGES[n % 3]}", below = 180, deadband = 10 }}]',
        f'on_delay = "{n} s"',
        'class = "equipment"',
        f"cause = {words('benchmark')}",
        f"consequence = {words('benchmark')}",
        f"first_action = {words('benchmark')}",
        'respond = "10 min"',
        'plan = "power-fault"',
        'priority = "low"',
        'start = "operator"',
        'source = "made for the benchmark"',
    ]


def _profile(name: str, kind: str, interval: str, channels: Iterable[str]) -> list[str]:
    return [
        f"name = {words(name)}",
        f'kind = "{kind}"',
        f'interval = "{interval}"',
        'trust = "product-default"',
        'source = "made for the benchmark"',
        "channel = [",
        *channels,
        "]",
        "[modbus]",
        "base = 0",
        'order = "ABCD"',
        "max_registers = 125",
    ]


def _panel_profile() -> list[str]:
    volts = (f'    {{ id = "{id}", at = {n}, type = "u16", scale = 0.1 }},' for n, id in enumerate(VOLTAGES))
    return _profile("panel", "lv_meter", "1 s", volts)


def _relay_profile() -> list[str]:
    bits = (
        f'    {{ id = "{id}", at = 0, type = "bit", bit = {n} }},' for n, id in enumerate(("breaker_closed", "trip"))
    )
    return _profile("relay", "switchgear", "500 ms", bits)


def _equipment(size: Size, ports: dict[str, int], broker: int) -> list[str]:
    lines: list[str] = []
    for id, port in ports.items():
        lines += ["[[line]]", f'id = "{id}"', 'transport = "modbus-tcp"', 'host = "127.0.0.1"', f"port = {port}"]
    lines += ["[[line]]", 'id = "broker"', 'transport = "mqtt"', 'host = "127.0.0.1"', f"port = {broker}"]
    lines += _machine("utility-1", "utility", "")
    lines += _machine("hv-bus", "busbar", "utility-1")
    for n in (1, 2):
        lines += _machine(f"hv-f{n}", "switchgear", "hv-bus")
        lines += _device(f"relay-f{n}", "bench-relay", f"hv-f{n}", "hv", f"unit = {n}")
        lines += _machine(f"tx-{n}", "transformer", f"hv-f{n}")
        lines += _machine(f"lv-{n}", "busbar", f"tx-{n}")
    for n in range(size.lifts):
        lines += _machine(lift(n), "lift", "lv-1" if n < size.fed else "lv-2")
        lines += _device(f"gw-{lift(n)}", "lift-gateway-json-a", lift(n), "broker", f'topic = "{lift(n)}"')
    for n in range(size.panels):
        lines += _machine(f"panel-{n:03}", "lv_meter", "lv-2")
        line, unit = f"p{n // UNITS:03}", n % UNITS + 1
        lines += _device(f"meter-{n:03}", "bench-panel", f"panel-{n:03}", line, f"unit = {unit}")
    return lines


def _machine(id: str, kind: str, fed_by: str) -> list[str]:
    supply = [f'fed_by = ["{fed_by}"]'] if fed_by else []
    return [
        "[[equipment]]",
        f'id = "{id}"',
        f'kind = "{kind}"',
        f"name = {words(id)}",
        f"place = {words('site')}",
        *supply,
    ]


def _device(id: str, profile: str, machine: str, line: str, where: str) -> list[str]:
    return [
        "[[device]]",
        f'id = "{id}"',
        f'profile = "{profile}"',
        f'equipment = "{machine}"',
        f'line = "{line}"',
        where,
    ]
