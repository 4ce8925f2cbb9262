"""10 kV bays, ring main unit, transformers, genset, transfer switches, DC panel."""

import math
import random

from simulators.machine import Machine, Surroundings

START_S = 8.0
RATED_KVA = 1000.0


class Breaker(Machine):
    """A bay with its protection relay: a trip opens it and stays latched until somebody resets it on site."""

    def __init__(self, id: str, roll: random.Random) -> None:
        super().__init__(id, roll)
        self.closed, self.tripped = True, False

    def trip(self) -> None:
        """Protection operates."""
        self.closed, self.tripped = False, True

    def reset_and_close(self) -> None:
        """The pair on site found the cause, reset the relay and closed the breaker under its ticket."""
        self.closed, self.tripped = True, False

    def step(self, seconds: float, around: Surroundings) -> None:
        """Show currents after the load behind it (10 kV, cos phi 0.95)."""
        del seconds
        amps = around.load_kw(self.id) / (math.sqrt(3) * 10 * 0.95) if self.closed and around.powered(self.id) else 0.0
        self.points = {
            "breaker_closed": float(self.closed),
            "trip": float(self.tripped),
            "earth_closed": 0.0,
            "truck_in": 1.0,
            "spring_charged": 1.0,
            "remote": 0.0,
            "i_a": max(0.0, self.noisy(amps, 0.1)) if amps else 0.0,
            "i_b": max(0.0, self.noisy(amps, 0.1)) if amps else 0.0,
            "i_c": max(0.0, self.noisy(amps, 0.1)) if amps else 0.0,
            "i_0": 0.0,
        }


class Utility(Machine):
    """The power company: live, or not."""

    def __init__(self, id: str, roll: random.Random) -> None:
        super().__init__(id, roll)
        self.live = True

    def fail(self) -> None:
        """The street is dark."""
        self.live = False

    def come_back(self) -> None:
        """Power is back."""
        self.live = True

    def step(self, seconds: float, around: Surroundings) -> None:
        """Show whether it is live."""
        del seconds, around
        self.points = {"live": float(self.live)}


class RingMainUnit(Machine):
    """The utility's ring main unit: its switch is closed."""

    def __init__(self, id: str, roll: random.Random) -> None:
        super().__init__(id, roll)
        self.leaking = False

    def step(self, seconds: float, around: Surroundings) -> None:
        """Stand there."""
        del seconds, around
        self.points = {"switch_closed": 1.0, "earth_closed": 0.0, "sf6_low": float(self.leaking)}


class Transformer(Machine):
    """A dry-type transformer: windings follow the square of the load with a time constant; fans from 100 to 80 °C.

    `heat` is extra kelvin that a fault brings (blocked vents); `quick` shortens the time constant for a demonstration.
    """

    def __init__(self, id: str, roll: random.Random, rated_kva: float = RATED_KVA) -> None:
        super().__init__(id, roll)
        self.rated = rated_kva
        self.winding = 62.0
        self.fan = False
        self.heat = 0.0
        self.quick = 1.0

    def step(self, seconds: float, around: Surroundings) -> None:
        """Warm and cool."""
        load = around.load_kw(self.id) / 0.95 / self.rated if around.powered(self.id) else 0.0
        aim = 30.0 + 90.0 * load**1.6 + self.heat - (25.0 if self.fan and not self.heat else 0.0)
        if not self.heat and abs(aim - self.winding) < 3:
            self.quick = 1.0  # a staged fault is over, and what it warmed has cooled
        self.winding += (aim - self.winding) * (1 - math.exp(-seconds * self.quick / 2400.0))
        self.fan = self.winding >= 100 or (self.fan and self.winding > 80)
        hottest = self.winding
        self.points = {
            "temp_a": round(self.noisy(hottest - 3, 0.3)),
            "temp_b": round(self.noisy(hottest, 0.3)),
            "temp_c": round(self.noisy(hottest - 2, 0.3)),
            "fan_running": float(self.fan),
            "temp_alarm": float(hottest >= 130),
            "temp_trip": float(hottest >= 150),
            "sensor_failed": 0.0,
        }


class Genset(Machine):
    """Starts by itself when the mains are gone (running 8 s later), stops 60 s after they return."""

    def __init__(self, id: str, roll: random.Random) -> None:
        super().__init__(id, roll)
        self.running, self.failed = False, False
        self.start_s, self.stop_s = START_S, 60.0
        self.fuel, self.energy, self.run_s, self.starts = 82.0, 15_230.0, 412_000.0, 96

    def step(self, seconds: float, around: Surroundings) -> None:
        """Watch the mains."""
        if around.has_mains():
            self.start_s = START_S
            self.stop_s -= seconds if self.running else 0.0
            if self.stop_s <= 0:
                self.running = False
        else:
            self.stop_s = 60.0
            self.start_s -= seconds
            if self.start_s <= 0 and not self.failed and not self.running:
                self.running = True
                self.starts += 1
        load = around.load_kw(self.id) if self.running else 0.0
        if self.running:
            self.fuel = max(0.0, self.fuel - seconds * 0.002)
            self.run_s += seconds
            self.energy += load * seconds / 3600
        self._tell(load, mains=around.has_mains())

    def _tell(self, load: float, *, mains: bool) -> None:
        volts = 230.0 if self.running else 0.0
        grid = 231.0 if mains else 0.0
        amps = load * 1000 / (math.sqrt(3) * 400 * 0.9) if self.running else 0.0
        self.points = {
            "mode": 1.0,
            "running": float(self.running),
            "fault": float(self.failed),
            "speed": self.noisy(1500, 2) if self.running else 0.0,
            "coolant_temp": 82.0 if self.running else 38.0,
            "oil_pressure": 420.0 if self.running else 0.0,
            "fuel_level": self.fuel,
            "battery_v": 27.4 if self.running else 26.6,
            "charger_v": 27.2,
            "freq": 50.0 if self.running else 0.0,
            **dict.fromkeys(("v_an", "v_bn", "v_cn"), volts),
            **dict.fromkeys(("v_ab", "v_bc", "v_ca"), volts * math.sqrt(3)),
            **dict.fromkeys(("i_a", "i_b", "i_c"), amps),
            "p_total": load,
            "q_total": load * 0.48,
            "s_total": load / 0.9,
            "pf": 0.9 if self.running else 1.0,
            "mains_freq": 50.0 if mains else 0.0,
            **dict.fromkeys(("mains_v_an", "mains_v_bn", "mains_v_cn"), grid),
            "energy": self.energy,
            "run_time": self.run_s,
            "starts": float(self.starts),
        }


class TransferSwitch(Machine):
    """Stands on its normal source; without it, changes to the emergency source 2 s after that one is live."""

    def __init__(self, id: str, roll: random.Random) -> None:
        super().__init__(id, roll)
        self.position, self.wait_s = 1, 2.0
        self.jammed = False

    def step(self, seconds: float, around: Surroundings) -> None:
        """Choose a source."""
        normal, emergency = around.on_source(self.id, 1), around.on_source(self.id, 2)
        wish = 1 if normal else (2 if emergency else self.position)
        self.wait_s = self.wait_s - seconds if wish != self.position else 2.0
        if self.wait_s <= 0 and not self.jammed:
            self.position, self.wait_s = wish, 2.0
        self.points = {
            "position": float(self.position),
            "normal_available": float(normal),
            "emergency_available": float(emergency),
            "not_auto": 0.0,
        }


class DcPanel(Machine):
    """The battery behind protection and tripping."""

    def step(self, seconds: float, around: Surroundings) -> None:
        """Stand there."""
        del seconds
        self.points = {"fault": 0.0, "battery_low": 0.0, "voltage": 231.0 if around.powered(self.id) else 221.0}
