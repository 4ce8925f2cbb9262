"""The station watches itself as one more device: its own troubles become alarms by the same rules."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from facility.equipment import Device, Equipment
from facility.ports import Beat, Clock
from facility.scan import Reason, Scan
from facility.site import Site
from facility.text import Text

HOST = "host"
DEVICE = "self"
LINE = "internal"
INTERVAL_MS = 2_000


def with_host(site: Site) -> Site:
    """Return the site with the monitoring computer itself as a machine, unless the site names one."""
    kind = site.kinds.get(HOST)
    if kind is None or DEVICE in site.devices:
        return site
    names = tuple(kind.points)
    machine = Equipment(HOST, HOST, Text("监控主机", "Monitoring computer"), Text("监控室", "Monitoring room"))
    device = Device(
        DEVICE,
        "self",
        LINE,
        INTERVAL_MS,
        names,
        tuple(f"{HOST}/{n}" for n in names),
        name=Text("本系统", "This system"),
    )
    equipment = dict(site.equipment)
    equipment.setdefault(HOST, machine)
    return replace(site, equipment=equipment, devices={**site.devices, DEVICE: device})


async def run(
    site: Site, clock: Clock, take: Callable[[Scan], None], look: Callable[[], Mapping[str, float]], beat: Beat
) -> None:
    """Report our own state at every interval, for ever; what `look` does not know is bad, not zero."""
    names = site.devices[DEVICE].channels
    while True:
        beat()
        seen = look()
        now = clock.now()
        values = tuple(float(seen.get(n, math.nan)) for n in names)
        reasons = bytes(Reason.GOOD if math.isfinite(v) else Reason.NOT_GIVEN for v in values)
        take(Scan(DEVICE, now, now, values, reasons))
        await clock.until(now + INTERVAL_MS)
