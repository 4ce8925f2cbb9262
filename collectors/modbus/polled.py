"""A unit that is polled, and how long its line waits for it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from collectors.modbus.decode import Decoder
from collectors.modbus.pace import CONNECTS_EVERY_MS
from collectors.modbus.wire import Question
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
    cuts_borne: int = 1  # connections cut off unanswered, one after the other, before the line is given rest
    disabled_ms: tuple[int, ...] = (10_000, 60_000, 600_000)  # until an address that is not there is asked for again


@dataclass(frozen=True, slots=True)
class Proof:
    """The question that tells which model answers, and the answers of the models that the profile describes."""

    question: Question
    right: frozenset[bytes]


@dataclass(slots=True, eq=False)
class Polled:
    """A unit and where it stands."""

    device: Device
    decoder: Decoder
    questions: tuple[Question, ...]
    proof: Proof | None = None
    proven: bool = False  # it is the model that the profile describes; asked again after every silence
    said: bytes | None = None  # what another model answered to the proof; empty: it refused
    disabled: dict[int, "Disabled"] = field(default_factory=dict)  # by question: what the device does not have
    asking: Sequence[int] = ()  # the questions of this poll, while any is disabled
    odd: bool = False  # not every reply of this poll was data, or not every question was asked
    waiting: bool = False  # in a queue, or being asked
    extra: bool = False  # asked out of turn, after the line came back: a miss is not a missed slot
    held: bool = False  # not asked, and not believed, while its definition is exchanged
    gone: bool = False  # the line has it no more
    misses: int = 0
    why: Reason = Reason.NEVER
    probe_at: int = 0

    def begin(self, now: int) -> tuple[Question, ...]:
        """Return the questions of a poll: all but those for addresses that the device said it does not have."""
        disabled = self.disabled
        if not disabled:
            return self.questions
        self.asking = [i for i in range(len(self.questions)) if i not in disabled or disabled[i].again_ms <= now]
        return tuple(self.questions[i] for i in self.asking)

    def whole(self, replies: Sequence[bytes | Reason], now: int, waits: Sequence[int]) -> list[bytes | Reason]:
        """Return one reply per question from those of a poll, and remember which addresses are not there.

        Args:
            replies: to the questions of `begin`.
            now: UTC milliseconds.
            waits: until a missing address is asked for again, after the first, the second… time.
        """
        disabled = self.disabled
        whole: list[bytes | Reason] = [Reason.DISABLED] * len(self.questions)
        for index, reply in zip(self.asking if disabled else range(len(whole)), replies, strict=True):
            whole[index] = reply
            if reply is Reason.DISABLED:
                times = disabled[index].times + 1 if index in disabled else 1
                disabled[index] = Disabled(times, now + waits[min(times, len(waits)) - 1])
            elif isinstance(reply, bytes):
                disabled.pop(index, None)
        return whole


@dataclass(frozen=True, slots=True)
class Disabled:
    """A question that the device refused because it has no such address: how often, and when it is asked again."""

    times: int
    again_ms: int
