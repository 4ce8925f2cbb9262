"""A site of two pumps with every way an alarm can be kept from people, and one that nothing may keep."""

from dataclasses import replace

from small_site import is_, rule, site

from facility.rule import AlarmClass, Priority, Rung, Season
from facility.site import Site

NIGHT = Season(from_minute=22 * 60, to_minute=6 * 60)
HEATING = Season(from_day=(11, 15), to_day=(3, 15))

HOT = replace(
    rule("hot", "pump", is_("hot", 1), priority=Priority.MEDIUM),
    ladder=(Rung(Priority.HIGH, (is_("hot", 2),)), Rung(Priority.LIFE, (is_("hot", 3),))),
)
TRIP = replace(rule("trip", "pump", is_("trip", 1)), latching=True)
DRY = replace(rule("dry", "pump", is_("dry", 1)), suppressed_by=("trip",))
COLD = replace(rule("cold", "pump", is_("cold", 1)), season=NIGHT)
IDLE = replace(rule("idle", "pump", is_("idle", 1)), only_while="out-of-use")
GAS = replace(
    rule("gas", "pump", is_("gas", 1), class_=AlarmClass.LIFE_SAFETY, priority=Priority.LIFE),
    suppressed_by=("trip",),
    season=NIGHT,
    only_while="out-of-use",
)
RULES = (HOT, TRIP, DRY, COLD, IDLE, GAS)
POINTS = ("hot", "trip", "dry", "cold", "idle", "gas")
MACHINES = ("pump-1", "pump-2")


def board_site(timezone: str = "Asia/Shanghai") -> Site:
    machines = dict.fromkeys(MACHINES, "pump")
    devices = {f"plc-{m}": [f"{m}/{p}" for p in POINTS] for m in MACHINES}
    return replace(site(machines, devices, *RULES), timezone=timezone)
