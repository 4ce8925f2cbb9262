"""A lift: moves floor by floor with its doors, carries people, and can hold them."""

import random
from enum import Enum

from simulators.machine import Machine, Surroundings

FLOOR_M = 3.0
DOOR_S = 3.0
RUN_S = 25
"""How long a run takes on the whole."""
TRAPPED_BETWEEN = 71
DOOR_FAULT = 3
HELD_S = 900.0
"""After a rescue the car stands with open doors: its main switch is locked until it has been looked at."""


class Doing(Enum):
    """What the car is about."""

    WAITING = "waiting"
    OPENING = "opening"
    OPEN = "open"
    CLOSING = "closing"
    MOVING = "moving"
    STUCK = "stuck"
    STOPPED = "stopped"


class Lift(Machine):
    """One car between `bottom` and `top`; `rated` in m/s. After a power cut it returns to service by itself."""

    def __init__(self, id: str, roll: random.Random, bottom: int, top: int, rated: float) -> None:
        super().__init__(id, roll)
        self.bottom, self.top, self.rated = bottom, top, rated
        self.position = float(roll.randint(bottom, top))
        self.target = int(self.position)
        self.people = 0
        self.doing = Doing.WAITING
        self.left_s = roll.uniform(1, 20)
        self.runs = roll.randint(20_000, 300_000)
        self.bell = False
        self.bell_left_s = 0.0
        self.level_fault = False
        self.was_powered = True
        self.stopped_by = 0.0

    def step(self, seconds: float, around: Surroundings) -> None:
        """Move, open, close, wait; stand still without power."""
        powered = around.powered(self.id)
        if not powered:
            self.was_powered = False
        elif not self.was_powered:
            self.was_powered = True
            if self.doing not in (Doing.STUCK, Doing.STOPPED):
                self.doing, self.left_s = Doing.MOVING, 0.0  # finds the nearest floor and opens
                self.target = round(self.position)
        if powered and self.doing is not Doing.STUCK:
            self._live(seconds)
        self.bell_left_s = max(0.0, self.bell_left_s - seconds)
        if self.doing is Doing.STUCK and self.people and self.bell:
            self.bell_left_s = 2.0  # they keep pressing
        self.draws_kw = (11.0 if self.doing is Doing.MOVING else 0.6) if powered else 0.0
        self._tell(powered)

    def entrap(self, *, people: int = 2) -> None:
        """Stop between two floors with people in the car; they ring."""
        self.people = max(people, 1)
        middle = min(max(self.position, self.bottom + 1), self.top - 1)
        self.position = int(middle) + 0.45
        self.doing, self.level_fault, self.bell = Doing.STUCK, True, True

    def release(self) -> None:
        """Somebody brought the car to the next floor and let the people out."""
        self.position = float(round(self.position))
        self.target = int(self.position)
        self.people, self.bell, self.level_fault = 0, False, False
        self.doing, self.left_s = Doing.OPEN, HELD_S

    def stall(self) -> None:
        """Stand at a floor with open doors, empty, and go no further: the doors do not close."""
        self.position = float(round(self.position))
        self.people, self.doing, self.stopped_by = 0, Doing.STOPPED, float(DOOR_FAULT)

    def repair(self) -> None:
        """The technician found the cause; the lift runs again."""
        self.doing, self.left_s, self.stopped_by = Doing.OPEN, 5.0, 0.0

    def ring(self, seconds: float = 3.0) -> None:
        """Somebody presses the bell."""
        self.bell_left_s = seconds

    def _live(self, seconds: float) -> None:
        self.left_s -= seconds
        match self.doing:
            case Doing.WAITING if self.left_s <= 0:
                self.people = self.roll.choice((0, 1, 1, 2, 3))
                self.target = self.roll.choice(
                    [f for f in range(self.bottom, self.top + 1) if f != round(self.position)]
                )
                self.doing, self.left_s = Doing.CLOSING, DOOR_S
            case Doing.CLOSING if self.left_s <= 0:
                self.doing = Doing.MOVING
                self.runs += 1
            case Doing.MOVING:
                way = self.target - self.position
                reach = self.rated / FLOOR_M * seconds
                if abs(way) <= reach:
                    self.position = float(self.target)
                    self.doing, self.left_s = Doing.OPENING, DOOR_S
                else:
                    self.position += reach if way > 0 else -reach
            case Doing.OPENING if self.left_s <= 0:
                self.doing, self.left_s = Doing.OPEN, self.roll.uniform(3, 6)
                self.people = max(0, self.people - self.roll.randint(1, 3))
            case Doing.OPEN if self.left_s <= 0:
                self.people = 0
                self.doing, self.left_s = Doing.WAITING, self.roll.uniform(4, 30)
            case _:
                pass

    def _tell(self, powered: bool) -> None:  # noqa: FBT001 - a plain fact
        moving = self.doing is Doing.MOVING and powered
        way = self.target - self.position
        level = abs(self.position - round(self.position)) < 0.05
        self.points = {
            "service_mode": 1.0,
            "running": float(moving),
            "direction": 0.0 if not moving or way == 0 else (1.0 if way > 0 else 2.0),
            "door_zone": float(level),
            "floor": float(round(self.position)),
            "doors_closed": float(self.doing in (Doing.MOVING, Doing.STUCK)),
            "occupied": float(self.people > 0),
            "speed": self.rated if moving else 0.0,
            "power_source": 0.0,
            "safety_loop_open": float(self.doing is Doing.STUCK),
            "fault_code": float(TRAPPED_BETWEEN) if self.level_fault else self.stopped_by,
            "bell": float(self.bell_left_s > 0),
            "run_count": float(self.runs),
            "run_time": float(self.runs * RUN_S // 3600),
            "temperature": 24.0,
        }
