"""What is remembered of a publishing device between its messages: repeats, late words, clocks that are wrong."""

from collections.abc import Callable
from dataclasses import dataclass, field

from collectors.mqtt.receipts import Hearing, Word
from facility.scan import Reason

CLOCK_TOLERANCE_MS = 300_000
CLOCK_SET_BACK_MS = 30_000
OLDEST_MS = 1_577_836_800_000  # 2020: no device of this system was running before it
REMEMBERED = 64  # messages per device that a repeat is told by, beyond those that are not durable yet


@dataclass
class Memory:
    """What is remembered of one device between messages, to tell repeats, late words and wrong clocks."""

    newest_ms: int = 0  # newest device time that was believed
    late_since_ms: int = 0  # since when nothing but late words came; 0: the last one was in order
    hearing: Hearing = field(default_factory=Hearing)  # which numbers came
    seen: dict[int, list[Callable[[], None]] | None] = field(default_factory=dict)
    """What each message was known by, oldest first; and who is to be told once it is durable, None when it is."""

    def repeated(self, key: int) -> bool:
        """Say whether this message was heard before, and remember it."""
        seen = self.seen
        if key in seen:
            return True
        seen[key] = []
        while len(seen) > REMEMBERED:
            oldest = next(iter(seen))
            if seen[oldest] is not None:
                break
            del seen[oldest]
        return False

    def known(self, key: int, at_ms: int | None, seq: int, epoch: int | None, oldest: int) -> tuple[bool, int, Word]:
        """Hear a numbered message; return whether it was heard before, its epoch, and where it stands among others."""
        if self.repeated(key):
            return True, max(self.hearing.numbers.epoch, 0), Word.AGAIN
        word, run = self.hearing.hear(seq, at_ms, epoch, oldest)
        if word is Word.AGAIN:
            self.seen[key] = None  # an earlier run of the service stored it
        return word is Word.AGAIN, run, word

    @staticmethod
    def kept(at_ms: int | None, now_ms: int) -> int:
        """Return the time of a copy that the broker kept: its own, where that can be; nothing is learned from it."""
        return at_ms if at_ms is not None and OLDEST_MS <= at_ms <= now_ms else now_ms

    def judge(self, at_ms: int | None, word: Word, now_ms: int) -> tuple[int, Reason]:
        """Return the time of a message and what its clock does to the quality of its values.

        A clock more than five minutes off cannot be right, and the message then stands at the moment it was received.
        A backlog sent after an outage is not that: it comes from a clock that was right before, in order.
        """
        if at_ms is None:
            return now_ms, Reason.GOOD
        off = abs(now_ms - at_ms) > CLOCK_TOLERANCE_MS
        if not self.newest_ms or at_ms > now_ms or at_ms < OLDEST_MS:
            if off:
                return now_ms, Reason.CLOCK
        elif at_ms < self.newest_ms:
            if word is not Word.NEW:
                self.late_since_ms = self.late_since_ms or now_ms
                if word is Word.LATE or now_ms - self.late_since_ms < CLOCK_SET_BACK_MS:
                    return at_ms, Reason.LATE
                # Nothing but late words for so long: not a backlog, its clock was set back.
                self.newest_ms = at_ms
                return (now_ms, Reason.CLOCK) if off else (at_ms, Reason.GOOD)
            # The gateway counts on but its clock went back: by a correction, or because it is wrong now.
            return (now_ms, Reason.CLOCK) if off else (self.newest_ms, Reason.GOOD)
        self.newest_ms = max(self.newest_ms, at_ms)
        self.late_since_ms = 0
        return at_ms, Reason.GOOD
