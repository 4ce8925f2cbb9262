"""Polls the units of one Modbus line: every slot of every unit yields a scan, good or with its reason.

What a unit costs the others is bounded: one question at a time, at most one timeout per turn, and a unit that stayed
silent three times is asked only now and then, behind the units that answer.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from collectors.agenda import Agenda
from collectors.decode import Decoder
from collectors.modbus import ModbusLine, Question
from collectors.status import LineStatus, Tally
from facility.equipment import Device, Line
from facility.ports import Beat, Clock, ScanSink
from facility.scan import COMMUNICATION, Reason, Scan, missed


@dataclass(frozen=True, slots=True)
class Patience:
    """How a line behaves when it is not answered; tests shrink it."""

    reconnect_ms: tuple[int, ...] = (250, 500, 1000, 2000, 4000)  # ± a quarter, so never beyond 5 s
    demote_after: int = 3
    probe_ms: int = 4_500  # a silent unit is asked again after so long: back within 6 s of its return
    probe_rest: float = 2.0  # timeouts that a line rests between two questions to silent units


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


class Poller:
    """One line's task."""

    def __init__(
        self, line: Line, wire: ModbusLine, agenda: Agenda, sink: ScanSink, clock: Clock, patience: Patience
    ) -> None:
        """Prepare; units join by `add`."""
        self._line = line
        self._wire = wire
        self._agenda = agenda
        self._sink = sink
        self._clock = clock
        self._patience = patience
        self._units: list[Polled] = []
        self._ready: deque[Polled] = deque()
        self._silent: deque[Polled] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._failed_connects = 0
        self._down = False  # a connect failed and the next is on the agenda
        self._try_now = False
        self._probe_after = 0
        self._tally = Tally()
        self._stopped = False

    @property
    def limit_ms(self) -> int:
        """How long the task may take without a beat: three slots of its slowest unit, and some connects."""
        slowest = max((u.device.interval_ms for u in self._units), default=0)
        return 3 * slowest + 10 * self._line.timeout_ms + 20_000

    def add(self, device: Device, decoder: Decoder, asked: tuple[Question, ...], first_ms: int) -> None:
        """Poll this unit from that moment on."""
        unit = Polled(device, decoder, asked)
        self._units.append(unit)
        self._agenda.at(first_ms, self._slot(unit))

    def status(self) -> LineStatus:
        """Return how the line stands."""
        demoted = tuple(u.device.id for u in self._units if self._demoted(u))
        return self._tally.status(self._line.id, self._line.transport, connected=self._wire.connected, demoted=demoted)

    def stop(self) -> None:
        """Ask nothing any more and close."""
        self._stopped = True
        self._wire.close()

    async def run(self, beat: Beat) -> None:
        """Poll for ever. Started again after a death it begins with a clean line; who waited still waits."""
        self._wire.close()
        self._down = self._try_now = False
        current: Polled | None = None
        try:
            while True:
                beat()
                if self._try_now:
                    self._try_now = False
                    await self._connect()
                current = self._next()
                if current is None:
                    self._wake = asyncio.get_running_loop().create_future()
                    await self._wake
                    continue
                await self._poll(current)
                current.waiting = current.extra = False
        finally:
            self._wire.close()
            if current is not None and current.waiting:  # ended in the middle of a poll: its slot too yields a scan
                if not self._stopped:
                    self._missed(current, Reason.NOT_CONNECTED)
                current.waiting = current.extra = False

    # -- slots ------------------------------------------------------------------------------------------------------

    def _slot(self, unit: Polled) -> Callable[[int], None]:
        interval = unit.device.interval_ms

        def due(moment_ms: int) -> None:
            if self._stopped:
                return
            behind = (self._clock.now() - moment_ms) // interval
            self._agenda.at(moment_ms + (behind + 1) * interval, due)
            if behind > 0:  # the process stood still: one scan says so for all the slots that passed
                self._tally.overruns += behind
                self._miss(unit, moment_ms, unit.why if unit.misses else Reason.BUSY)
            self._due(unit)

        return due

    def _due(self, unit: Polled) -> None:
        now = self._clock.now()
        if self._down:
            self._missed(unit, Reason.NOT_CONNECTED)
        elif unit.waiting:
            if not self._demoted(unit):
                self._tally.overruns += 1
            self._miss(unit, now, unit.why if unit.misses else Reason.BUSY)
        elif not self._demoted(unit):
            self._queue(unit, self._ready)
        elif now >= unit.probe_at:
            self._queue(unit, self._silent)
        else:
            self._miss(unit, now, unit.why)

    def _queue(self, unit: Polled, queue: deque[Polled], *, extra: bool = False) -> None:
        unit.waiting, unit.extra = True, extra
        queue.append(unit)
        self._awake(0)

    def _awake(self, _moment_ms: int) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _next(self) -> Polled | None:
        """Return whose turn it is: units that answer first, a silent one only when the line has rested."""
        if self._stopped:
            return None
        if self._ready:
            return self._ready.popleft()
        if self._silent:
            if self._clock.now() >= self._probe_after:
                return self._silent.popleft()
            self._agenda.at(self._probe_after, self._awake)
        return None

    def _demoted(self, unit: Polled) -> bool:
        return unit.misses >= self._patience.demote_after and len(self._units) > 1 and unit.why is Reason.NO_ANSWER

    # -- one poll ---------------------------------------------------------------------------------------------------

    async def _poll(self, unit: Polled) -> None:
        if self._down or (not self._wire.connected and not await self._connect()):
            self._missed(unit, Reason.NOT_CONNECTED)
            return
        replies: list[bytes | Reason] = []
        for question in unit.questions:
            reply = await self._wire.ask(question)
            replies.append(reply)
            if reply in COMMUNICATION:
                replies += [reply] * (len(unit.questions) - len(replies))
                break
        now = self._clock.now()
        first = replies[0] if replies else Reason.NOT_GIVEN
        if isinstance(first, Reason) and all(reply is first for reply in replies):
            self._missed(unit, first)
        else:
            self._good(unit, unit.decoder.scan(unit.device.id, now, replies))

    def _good(self, unit: Polled, scan: Scan) -> None:
        came_back = self._demoted(unit)
        unit.misses = 0
        self._tally.good(scan)
        self._sink.scan(scan)
        if came_back:  # where one unit is back, its neighbours probably are
            self._probe_after = 0
            self._ask_at_once([u for u in self._units if self._demoted(u)])

    def _missed(self, unit: Polled, why: Reason) -> None:
        now = self._clock.now()
        if self._demoted(unit) and why is Reason.NO_ANSWER:
            self._probe_after = now + int(self._line.timeout_ms * self._patience.probe_rest)
        unit.misses += 1
        unit.why = why
        unit.probe_at = now + self._patience.probe_ms
        if not unit.extra:
            self._miss(unit, now, why)

    def _miss(self, unit: Polled, at_ms: int, why: Reason) -> None:
        self._tally.failures[why] += 1
        self._sink.scan(missed(unit.device.id, at_ms, len(unit.device.points), why))

    # -- the connection ---------------------------------------------------------------------------------------------

    async def _connect(self) -> bool:
        if await self._wire.connect():
            was_down, self._down = self._down, False
            self._failed_connects = 0
            self._tally.connects += 1
            if was_down:  # a slow unit must not wait for its slot to show that it is back
                self._ask_at_once([u for u in self._units if u.misses])
            return True
        steps = self._patience.reconnect_ms
        delay = steps[min(self._failed_connects, len(steps) - 1)] * random.uniform(0.75, 1.25)  # noqa: S311 - spreads load
        self._failed_connects += 1
        self._down = True
        self._agenda.at(self._clock.now() + int(delay), self._retry)
        return False

    def _retry(self, _moment_ms: int) -> None:
        if self._down and not self._stopped:
            self._try_now = True
            self._awake(0)

    def _ask_at_once(self, units: list[Polled]) -> None:
        for unit in units:
            if not unit.waiting:
                self._queue(unit, self._ready, extra=True)
