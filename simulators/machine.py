"""What every simulated machine has: its points, its power, and a life in small steps."""

import random
from typing import Protocol


class Surroundings(Protocol):
    """What a machine may know of the building around it."""

    def powered(self, id: str) -> bool:
        """Whether this machine has power now."""

    def load_kw(self, id: str) -> float:
        """What is drawn through this machine now."""

    def load_beside(self, id: str) -> float:
        """What is drawn through the machine that feeds this one: what a meter on a busbar sees."""

    def on_source(self, id: str, source: int) -> bool:
        """Whether the n-th source (1-based) of this machine is live."""

    def has_mains(self) -> bool:
        """Whether the utility is live at the transformers."""


class Machine:
    """A machine with canonical points; `draws_kw` is what it takes from its supply."""

    def __init__(self, id: str, roll: random.Random) -> None:
        self.id = id
        self.roll = roll
        self.points: dict[str, float] = {}
        self.draws_kw = 0.0
        self.silent = False  # its gateway does not answer, whatever the machine does

    def step(self, seconds: float, around: Surroundings) -> None:
        """Live on for so long."""

    def noisy(self, value: float, spread: float) -> float:
        """Return the value as an instrument shows it."""
        return value + self.roll.gauss(0, spread)
