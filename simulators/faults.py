"""What can be staged in the building, by name; each can be put right again."""

from collections.abc import Callable
from dataclasses import dataclass

from simulators.building import Building
from simulators.hvac import Chiller, Pump
from simulators.inputs import Contacts
from simulators.lift import Lift
from simulators.machine import Machine
from simulators.switchgear import Breaker, Genset, RingMainUnit, TransferSwitch, Transformer, Utility


class StagingError(Exception):
    """This cannot be staged; the message says why."""


@dataclass(frozen=True, slots=True)
class Fault:
    """How to stage it on a machine, and how to put it right."""

    on: type[Machine]
    stage: Callable[[Machine], None]
    restore: Callable[[Machine], None]


def _heat(kelvin: float, quick: float) -> Callable[[Machine], None]:
    def stage(machine: Machine) -> None:
        assert isinstance(machine, Transformer)
        machine.heat, machine.quick = kelvin, quick

    return stage


def _contact(name: str, value: float) -> Callable[[Machine], None]:
    def stage(machine: Machine) -> None:
        assert isinstance(machine, Contacts)
        machine.set(name, value)

    return stage


def _call(name: str) -> Callable[[Machine], None]:
    return lambda machine: getattr(machine, name)()


def _put(name: str, value: object) -> Callable[[Machine], None]:
    return lambda machine: setattr(machine, name, value)


FAULTS = {
    "lift-entrapment": Fault(Lift, _call("entrap"), _call("release")),
    "lift-stop": Fault(Lift, _call("stall"), _call("repair")),
    "lift-bell": Fault(Lift, _call("ring"), _put("bell_left_s", 0.0)),
    "feeder-trip": Fault(Breaker, _call("trip"), _call("reset_and_close")),
    "utility-loss": Fault(Utility, _call("fail"), _call("come_back")),
    "transformer-hot": Fault(Transformer, _heat(95.0, 60.0), _heat(0.0, 60.0)),
    "chiller-trip": Fault(Chiller, _call("trip"), _call("reset")),
    "genset-no-start": Fault(Genset, _put("failed", True), _put("failed", False)),  # noqa: FBT003 - a value, not a switch
    "ats-jam": Fault(TransferSwitch, _put("jammed", True), _put("jammed", False)),  # noqa: FBT003
    "sf6-low": Fault(RingMainUnit, _put("leaking", True), _put("leaking", False)),  # noqa: FBT003
    "pump-fault": Fault(Pump, _put("code", 3.0), _put("code", 0.0)),
    "fire-panel-fault": Fault(Contacts, _contact("fault", 1.0), _contact("fault", 0.0)),
    "fire-supervisory": Fault(Contacts, _contact("supervisory", 1.0), _contact("supervisory", 0.0)),
    "fire-signal": Fault(Contacts, _contact("fire", 1.0), _contact("fire", 0.0)),
    "pit-water": Fault(Contacts, _contact("water_high", 1.0), _contact("water_high", 0.0)),
    "sump-water": Fault(Contacts, _contact("water_high", 1.0), _contact("water_high", 0.0)),
    "switchroom-smoke": Fault(Contacts, _contact("smoke", 1.0), _contact("smoke", 0.0)),
    "refrigerant-leak": Fault(Contacts, _contact("refrigerant_high", 1.0), _contact("refrigerant_high", 0.0)),
    "pump-room-flood": Fault(Contacts, _contact("flood", 1.0), _contact("flood", 0.0)),
    "gateway-silent": Fault(Machine, _put("silent", True), _put("silent", False)),  # noqa: FBT003
}


def stage(building: Building, fault: str, equipment: str, *, restore: bool = False) -> None:
    """Stage a fault on a machine, or put it right; raises StagingError with the reason."""
    if fault not in FAULTS:
        raise StagingError(f"no fault {fault!r}; there are {', '.join(FAULTS)}")
    machine = building.machines.get(equipment)
    if machine is None:
        raise StagingError(f"no equipment {equipment!r}")
    known = FAULTS[fault]
    if not isinstance(machine, known.on):
        raise StagingError(f"{fault} cannot happen to {equipment} ({type(machine).__name__})")
    (known.restore if restore else known.stage)(machine)
