"""What comes in as contacts: fire panel summary, sump water, pump-room flood, plain loads."""

import random

from simulators.machine import Machine, Surroundings


class Contacts(Machine):
    """A machine of which only contacts are known; all rest at 0."""

    def __init__(self, id: str, roll: random.Random, names: tuple[str, ...]) -> None:
        super().__init__(id, roll)
        self.points = dict.fromkeys(names, 0.0)

    def set(self, name: str, value: float) -> None:
        """Move one contact."""
        self.points[name] = value


class Load(Machine):
    """Something that draws about the same all day: shops, lighting, busbars' own losses."""

    def __init__(self, id: str, roll: random.Random, kilowatts: float) -> None:
        super().__init__(id, roll)
        self.kilowatts = kilowatts

    def step(self, seconds: float, around: Surroundings) -> None:
        """Draw."""
        del seconds
        self.draws_kw = max(0.0, self.noisy(self.kilowatts, self.kilowatts * 0.01)) if around.powered(self.id) else 0.0
