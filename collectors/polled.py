"""A unit that is polled, and how long its line waits for it."""

from dataclasses import dataclass

from collectors.decode import Decoder
from collectors.pace import CONNECTS_EVERY_MS
from collectors.wire import Question
from facility.equipment import Device
from facility.scan import Reason


@dataclass(frozen=True, slots=True)
class Patience:
    """How a line behaves when it is not answered; tests shrink it."""

    reconnect_ms: tuple[int, ...] = (250, 500, 1000, 2000, 4000)  # ± a quarter, so never beyond 5 s
    demote_after: int = 3
    probe_ms: int = 4_500  # a silent unit is asked again after so long: back within 6 s of its return
    probe_rest: float = 2.0  # timeouts that a line rests between two questions to silent units
    connect_every_ms: float = CONNECTS_EVERY_MS  # of all lines together, once they are lost


@dataclass(slots=True, eq=False)
class Polled:
    """A unit and where it stands."""

    device: Device
    decoder: Decoder
    questions: tuple[Question, ...]
    waiting: bool = False  # in a queue, or being asked
    extra: bool = False  # asked out of turn, after the line came back: a miss is not a missed slot
    misses: int = 0
    why: Reason = Reason.NEVER
    probe_at: int = 0
