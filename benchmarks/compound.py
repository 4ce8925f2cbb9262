"""The site of the headline as a folder: 20 buildings of a hundred devices, and lift gateways that publish.

It is written as an engineer would write it and read by the product's own loader; only the library beside it is ours,
for no maker's map has 125 registers of everything. Every point has a rule with a delay, and a deadband where it is a
number; the points that trip have one without a delay as well, which calls people.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.maps import LARGE, SMALL, TRIPPED, Channel, Map
from benchmarks.publishers import VALUES, topic
from benchmarks.running import DEMO
from benchmarks.sitelines import by_webhook, put, words
from sitefolder.library import LIBRARY

PLAN = "bench-trip"
TOPIC = topic(0).replace("g0000", "{device}")


@dataclass(frozen=True, slots=True)
class Mix:
    """How many devices of what: `units` of them share a line, and with it an address."""

    maps: tuple[Map, ...]
    devices: int
    interval_ms: int = 1000
    units: int = 1
    publishers: int = 0
    rate: float = 0.0  # messages a second, of all publishers

    @property
    def lines(self) -> int:
        return -(-self.devices // self.units)

    def map(self, device: int) -> Map:
        return self.maps[device % len(self.maps)]


def headline(devices: int = 2000, interval_ms: int = 1000, publishers: int = 500, rate: float = 5000.0) -> Mix:
    """Return Compound-2000: four maps of 125 registers, each device on its own connection."""
    return Mix(LARGE, devices, interval_ms, 1, publishers, rate)


def small(reads_per_s: int = 5000) -> Mix:
    """Return the second mix: small devices read once a second, five behind each gateway."""
    return Mix(SMALL, reads_per_s, 1000, 5)


def host(line: int) -> str:
    """Return the address of a line; all of 127.0.0.0/8 is this machine."""
    return f"127.1.{line // 250}.{line % 250 + 1}"


def write(mix: Mix, folder: Path, port: int, broker: int, url: str) -> tuple[Path, Path]:
    """Write site and library; pages go to the `url`. Return both folders."""
    library, site = folder / "library", folder / "site"
    shutil.copytree(LIBRARY, library)
    (site / "profiles").mkdir(parents=True)
    for map_ in mix.maps:
        put(library / "kinds" / f"bench-{map_.id}.toml", _kind(map_))
        put(site / "profiles" / f"bench-{map_.id}.toml", _profile(map_))
    put(library / "kinds" / "bench-tag.toml", _tag_kind())
    put(site / "profiles" / "bench-tag.toml", _tag_profile(mix))
    kinds = [f"bench-{m.id}" for m in mix.maps]
    put(library / "rules" / "bench.toml", [line for m in mix.maps for line in _rules(m)] + _tag_rules())
    put(library / "plans" / f"{PLAN}.toml", _plan(kinds))
    head = (DEMO / "site.toml").read_text(encoding="utf-8")
    (site / "site.toml").write_text(head.replace('id = "wanglan"', 'id = "compound"'), encoding="utf-8")
    shutil.copy(DEMO / "roster.toml", site)
    people = (DEMO / "people.toml").read_text(encoding="utf-8").splitlines()
    put(site / "people.toml", (by_webhook(line, url) for line in people))
    put(site / "equipment.toml", _equipment(mix, port, broker))
    return site, library


def _kind(map_: Map) -> list[str]:
    lines = [f"name = {words(map_.id)}", 'system = "power"', 'source = "made for the benchmark"']
    for c in map_.channels:
        lines += [f"[points.{c.id}]", f'zh = "{c.id}"', f'en = "{c.id}"']
        if c.type == "bit":
            codes = ", ".join(f'{{ value = {n}, id = "s{n}", zh = "{n}", en = "{n}" }}' for n in (0, 1))
            lines += ['type = "state"', f"codes = [{codes}]"]
        elif c.id.startswith("n"):
            lines += ["low = -1e9", "high = 1e9"]
    return lines


def _profile(map_: Map) -> list[str]:
    channels = []
    for c in map_.channels:
        more = {"order": f'"{c.order}"'} if c.order != "ABCD" and c.order else {}
        more |= {"scale": f"{c.scale}"} if c.scale != 1 else {}
        more |= {"bit": f"{c.bit}"} if c.type == "bit" else {}
        words = "".join(f", {key} = {value}" for key, value in more.items())
        channels.append(f'    {{ id = "{c.id}", at = {c.at}, type = "{c.type}"{words} }},')
    return [
        *_profile_head(map_.id, "1 s"),
        "channel = [",
        *channels,
        "]",
        "[modbus]",
        "base = 0",
        'order = "ABCD"',
        "max_registers = 125",
    ]


def _profile_head(id: str, interval: str) -> list[str]:
    return [
        f"name = {words(id)}",
        f'kind = "bench-{id}"',
        f'interval = "{interval}"',
        'trust = "product-default"',
        'source = "made for the benchmark"',
    ]


def _rule(kind: str, id: str, when: str, each: Sequence[tuple[str, str]], delay: str, more: Sequence[str]) -> list[str]:
    points = ", ".join(f'"{rule}" = "{point}"' for rule, point in each)
    text = words("benchmark")
    return [
        "[[rule]]",
        f'id = "{id}"',
        f'kind = "{kind}"',
        f"name = {words(id)}",
        f"when = [{{ {when} }}]",
        f"each = {{ {points} }}",
        f'on_delay = "{delay}"',
        'class = "equipment"',
        f"cause = {text}",
        f"consequence = {text}",
        f"first_action = {text}",
        'respond = "10 min"',
        f'plan = "{PLAN}"',
        'source = "made for the benchmark"',
        *more,
    ]


CALLS = ('priority = "high"', 'start = "auto"')
QUIET = ('priority = "low"', 'start = "operator"', 'off_delay = "5 s"')


def _rules(map_: Map) -> list[str]:
    kind, lines = f"bench-{map_.id}", []

    def add(id: str, when: str, channels: Sequence[Channel], delay: str, more: Sequence[str]) -> None:
        each = [(f"{map_.id}-{id}-{c.id}", c.id) for c in channels]
        lines.extend(_rule(kind, f"{map_.id}-{id}", when, each, delay, more))

    tripped = f'point = "this", above = {TRIPPED - 1}, deadband = 1'
    add("trip", tripped, map_.trips, "0 s", CALLS)
    add("stuck", tripped, map_.trips, "60 s", QUIET)
    add("sent", 'point = "this", below = -1, deadband = 1', map_.channels[:1], "10 s", QUIET)
    noise = [c for c in map_.channels if c.id.startswith("n")]
    for type in dict.fromkeys(c.type for c in noise):
        some = [c for c in noise if c.type == type]
        add(f"high-{type}", f'point = "this", above = {some[0].limit}, deadband = 1', some, "10 s", QUIET)
    bits = [c for c in map_.channels if c.type == "bit"]
    faults, lights = [c for c in bits if c.bit], [c for c in bits if not c.bit]
    if bits:
        add("fault", 'point = "this", is = "s1"', faults, "2 s", QUIET)
        add("off", 'point = "this", is = "s0"', lights, "30 s", QUIET)
    return lines


def _tag_kind() -> list[str]:
    lines = [f"name = {words('tag')}", 'system = "lift"', 'source = "made for the benchmark"']
    for i in range(VALUES):
        lines += [f"[points.v{i}]", f'zh = "v{i}"', f'en = "v{i}"', "low = -1e9", "high = 1e9"]
    return lines


def _tag_profile(mix: Mix) -> list[str]:
    every = max(100, round(1000 * mix.publishers / mix.rate)) if mix.rate else 1000
    channels = [f'    {{ id = "v{i}", path = "v{i}" }},' for i in range(VALUES)]
    lines = [*_profile_head("tag", f"{every} ms"), "channel = [", *channels, "]", "[mqtt]", 'time = "ts"']
    return [*lines, 'time_unit = "ms"', 'seq = "seq"', f'message = [{{ id = "live", topic = "{TOPIC}" }}]']


def _tag_rules() -> list[str]:
    each = [(f"tag-high-v{i}", f"v{i}") for i in range(VALUES)]
    return _rule("bench-tag", "tag-high", 'point = "this", above = 1000, deadband = 1', each, "10 s", QUIET)


def _plan(kinds: Sequence[str]) -> list[str]:
    return [
        f"name = {words('benchmark')}",
        'priority = "high"',
        'class = "equipment"',
        f"kinds = [{', '.join(f'{chr(34)}{k}{chr(34)}' for k in (*kinds, 'bench-tag'))}]",
        'arrival = "electric_arrival"',
        'repeat = "5 min"',
        'accept_expires = "30 min"',
        'source = "made for the benchmark"',
        "[[level]]",
        'within = "30 min"',
        'calls = [{ role = "electrician", certificates = ["lv-electrician"] }]',
        "[[step]]",
        'id = "look"',
        'role = "operator"',
        f"text = {words('look')}",
        'promise = "30 min"',
    ]


def _equipment(mix: Mix, port: int, broker: int) -> list[str]:
    lines = []
    for n in range(mix.lines):
        lines += ["[[line]]", f'id = "l{n:05}"', 'transport = "modbus-tcp"', f'host = "{host(n)}"', f"port = {port}"]
    if mix.publishers:
        lines += ["[[line]]", 'id = "broker"', 'transport = "mqtt"', 'host = "127.0.0.1"', f"port = {broker}"]
    for n in range(mix.devices):
        line, unit, map_ = n // mix.units, n % mix.units + 1, mix.map(n)
        lines += _machine(f"m{n:05}", map_.id, f"building {n % 20}")
        lines += [f'line = "l{line:05}"', f"unit = {unit}", f'interval = "{mix.interval_ms} ms"']
    for n in range(mix.publishers):
        lines += [*_machine(f"g{n:04}", "tag", f"building {n % 20}"), 'line = "broker"', f'topic = "g{n:04}"']
    return lines


def _machine(id: str, kind: str, place: str) -> list[str]:
    """Return a machine, and its device as far as the device's line."""
    return [
        "[[equipment]]",
        f'id = "{id}"',
        f'kind = "bench-{kind}"',
        f"name = {words(id)}",
        f"place = {words(place)}",
        "[[device]]",
        f'id = "d{id}"',
        f'profile = "bench-{kind}"',
        f'equipment = "{id}"',
    ]
