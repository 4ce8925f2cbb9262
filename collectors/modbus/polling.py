"""Polls the units of one Modbus line: every slot of every unit yields a scan, good or with its reason.

A poll is a chain of callbacks: the agenda sends the first question of a unit that is due, each answer sends the next,
and the last hands the scan over, all without a switch of tasks. The line's task only connects.

What a unit costs the others is bounded: one question at a time, at most one timeout per turn, and a unit that stayed
silent three times is asked only now and then, behind the units that answer.
"""

import asyncio
from collections import deque
from collections.abc import Container

from collectors.modbus.agenda import Agenda, Call
from collectors.modbus.decode import Decoder
from collectors.modbus.pace import Pace, Retries
from collectors.modbus.polled import Patience, Polled, Proof
from collectors.modbus.remarks import remarks
from collectors.modbus.wire import Question, Reply, Wire
from collectors.status import LineStatus, Tally
from facility.equipment import Device, Line
from facility.ports import Beat, Clock, ScanSink
from facility.scan import COMMUNICATION, Reason, missed


class Poller:
    """One line and its task."""

    def __init__(
        self,
        line: Line,
        wire: Wire,
        agenda: Agenda,
        sink: ScanSink,
        clock: Clock,
        patience: Patience,
        pace: Pace | None = None,
    ) -> None:
        """Prepare; units join by `add`.

        Args:
            line: the line.
            wire: carries its questions.
            agenda: calls when units are due.
            sink: takes the scans.
            clock: the one clock.
            patience: how to behave when the line is not answered.
            pace: the turns of all lines to connect again; None: this line has no neighbours.
        """
        self._line = line
        self._wire = wire
        self._agenda = agenda
        self._sink = sink
        self._clock = clock
        self._patience = patience
        self._retries = Retries(pace or Pace(1, patience.connect_every_ms), patience.reconnect_ms)
        self._units: list[Polled] = []
        self._ready: deque[Polled] = deque()
        self._silent: deque[Polled] = deque()
        self._current: Polled | None = None  # who is being asked
        self._asked: tuple[Question, ...] = ()  # what it is asked in this poll
        self._replies: list[bytes | Reason] = []
        self._beat: Beat | None = None  # while the task runs; nothing is asked otherwise
        self._wake: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        self._down = False  # not connected, and the next try is on the agenda
        self._connect_now = False
        self._fresh = False  # nothing was answered on this connection yet
        self._cuts = 0  # connections in a row that were cut off before anything was answered
        self._probe_after = 0
        self._probe_look = 0
        self._tally = Tally()
        self._stopped = False

    @property
    def limit_ms(self) -> int:
        """How long the task may take without a beat: three slots of its slowest unit, and some connects."""
        slowest = max((u.device.interval_ms for u in self._units), default=0)
        return 3 * slowest + 10 * self._line.timeout_ms + 20_000

    def add(
        self,
        device: Device,
        decoder: Decoder,
        asked: tuple[Question, ...],
        first_ms: int,
        proof: Proof | None = None,
    ) -> None:
        """Poll this unit from that moment on; nothing it says is believed before the proof of its model."""
        unit = Polled(device, decoder, asked, proof)
        self._units.append(unit)
        self._agenda.at(first_ms, self._slot(unit))

    def hold(self, devices: Container[str]) -> None:
        """Ask these no more for now, and hand over nothing that they still say; all others go on."""
        for unit in self._units:
            if unit.device.id in devices:
                unit.held = True
                if unit is not self._current:
                    unit.waiting = unit.extra = False
        self._ready = deque(unit for unit in self._ready if not unit.held)
        self._silent = deque(unit for unit in self._silent if not unit.held)

    def release(self) -> None:
        """Go on with those that were held, each in its next slot."""
        for unit in self._units:
            unit.held = False

    def remove(self, devices: Container[str]) -> None:
        """Forget these."""
        self.hold(devices)
        for unit in self._units:
            unit.gone = unit.gone or unit.device.id in devices
        self._units = [unit for unit in self._units if not unit.gone]

    @property
    def empty(self) -> bool:
        """Whether nobody is asked here any more."""
        return not self._units

    @property
    def up(self) -> bool:
        """Whether the line is connected."""
        return self._wire.connected

    @property
    def remarked(self) -> bool:
        """Whether somebody has to put something right here."""
        return self._taken or self._wire.taken or any(unit.said is not None or unit.disabled for unit in self._units)

    @property
    def _taken(self) -> bool:
        """Whether connections are accepted and cut off unanswered."""
        return self._cuts > self._patience.cuts_borne

    def status(self) -> LineStatus:
        """Return how the line stands."""
        demoted = tuple(u.device.id for u in self._units if self._demoted(u))
        connected = self._wire.connected
        said = remarks(self._units, self._line, taken=self._taken, refused=self._wire.taken)
        return self._tally.status(
            self._line.id, self._line.transport, connected=connected, demoted=demoted, remarks=said
        )

    def stop(self) -> None:
        """Ask nothing any more and close."""
        self._stopped = True
        self._wire.close()

    async def run(self, beat: Beat) -> None:
        """Connect whenever it is asked for. Begun again after a death it has a clean line; who waited still waits."""
        self._wire.close()
        self._down = self._connect_now = False
        self._beat = beat
        try:
            self._go()
            while True:
                beat()
                error, self._error = self._error, None
                if error is not None:
                    raise error
                if self._connect_now:
                    await self._connect()
                    self._connect_now = False
                    self._go()
                else:
                    self._wake = asyncio.get_running_loop().create_future()
                    await self._wake
        finally:
            self._beat = None
            self._wire.close()
            if self._current is not None and not self._stopped:  # ended in a poll: its slot too yields a scan
                self._end(self._current, Reason.NOT_CONNECTED)

    # -- slots ------------------------------------------------------------------------------------------------------

    def _slot(self, unit: Polled) -> Call:
        interval = unit.device.interval_ms

        def due(moment_ms: int, now: int) -> None:
            if self._stopped or unit.gone:
                return
            behind = (now - moment_ms) // interval
            self._agenda.at(moment_ms + (behind + 1) * interval, due)
            if unit.held:
                return
            try:
                if behind > 0:  # the process stood still: one scan says so for all the slots that passed
                    self._tally.overruns += behind
                    self._miss(unit, moment_ms, unit.why if unit.misses else Reason.BUSY)
                self._due(unit, now)
            except Exception as error:  # noqa: BLE001 - this line's task dies of it, not the agenda of all
                self._fail(error)

        return due

    def _due(self, unit: Polled, now: int) -> None:
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
        if self._current is None:
            self._go()

    def _go(self) -> None:
        """Begin the next poll, if somebody waits for one and the line is free."""
        while self._current is None and self._beat is not None and not self._stopped:
            unit = self._next()
            if unit is None:
                return
            if self._down:
                self._end(unit, Reason.NOT_CONNECTED)
            elif not unit.questions:
                self._end(unit, Reason.NOT_GIVEN)
            elif self._wire.connected:
                self._begin(unit)
            else:
                self._ready.appendleft(unit)
                self._try_now()
                return

    def _begin(self, unit: Polled) -> None:
        """Ask the first question of a poll."""
        self._current = unit
        self._replies = []
        if unit.proof and not unit.proven:
            self._wire.ask(unit.proof.question, self._proved)
            return
        if unit.disabled:
            unit.odd, self._asked = True, unit.begin(self._clock.now())
        else:
            unit.odd, self._asked = False, unit.questions
        if self._asked:
            self._wire.ask(self._asked[0], self._heard)
        else:
            self._end(unit, Reason.DISABLED)

    def _next(self) -> Polled | None:
        """Return whose turn it is: units that answer first, a silent one only when the line has rested."""
        if self._ready:
            return self._ready.popleft()
        if self._silent:
            if self._clock.now() >= self._probe_after:
                return self._silent.popleft()
            if self._probe_look != self._probe_after:
                self._probe_look = self._probe_after
                self._agenda.at(self._probe_after, self._look)
        return None

    def _look(self, _moment_ms: int, _now: int) -> None:
        try:
            self._go()
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(error)

    def _demoted(self, unit: Polled) -> bool:
        return unit.misses >= self._patience.demote_after and len(self._units) > 1 and unit.why is Reason.NO_ANSWER

    # -- one poll ---------------------------------------------------------------------------------------------------

    def _heard(self, reply: Reply) -> None:
        """Take a reply: ask on, or hand over what this poll brought."""
        unit = self._current
        if unit is None:
            return
        if isinstance(reply, Exception):
            self._fail(reply)
            return
        if unit.held:
            self._let_go(unit)
            return
        try:
            replies = self._replies
            replies.append(reply)
            left = len(self._asked) - len(replies)
            if type(reply) is not bytes:
                unit.odd = True
                if left and reply in COMMUNICATION:
                    replies += [reply] * left
                    left = 0
            if left:
                self._wire.ask(self._asked[len(replies)], self._heard)
                return
            if unit.odd:
                replies = self._put_together(unit, replies)
            self._brought(unit, replies)
            if self._ready or self._silent:
                self._go()
        except Exception as error:  # noqa: BLE001 - the line's task dies of it
            self._fail(error)

    def _put_together(self, unit: Polled, replies: list[bytes | Reason]) -> list[bytes | Reason]:
        """Return a reply for every question of a unit of which not every answer was data."""
        unit.odd = False
        if not unit.disabled and Reason.DISABLED not in replies:
            return replies
        if replies[0] in COMMUNICATION:  # then all are: nobody was reached
            return replies
        return unit.whole(replies, self._clock.now(), self._patience.disabled_ms)

    def _proved(self, reply: Reply) -> None:
        """Take the answer to the proof, and go on with the poll when this is the model that is meant."""
        unit = self._current
        if unit is None:
            return
        if isinstance(reply, Exception):
            self._fail(reply)
            return
        if unit.held:
            self._let_go(unit)
            return
        assert unit.proof is not None, "only who has a proof is asked for it"
        try:
            if isinstance(reply, bytes) and reply in unit.proof.right:
                unit.proven, unit.said = True, None
                self._begin(unit)
            elif isinstance(reply, bytes) or reply in {Reason.DISABLED, Reason.EXCEPTION}:
                unit.said = reply if isinstance(reply, bytes) else b""
                self._end(unit, Reason.OTHER_MODEL)
            else:
                self._end(unit, reply)
            if self._ready or self._silent:
                self._go()
        except Exception as error:  # noqa: BLE001 - the line's task dies of it
            self._fail(error)

    def _brought(self, unit: Polled, replies: list[bytes | Reason]) -> None:
        first = replies[0]
        if isinstance(first, Reason) and all(reply is first for reply in replies):
            self._end(unit, first)
        else:
            scan = unit.decoder.scan(unit.device.id, self._clock.now(), replies)
            came_back = self._demoted(unit)
            unit.misses = 0
            self._tally.good(scan)
            self._sink.scan(scan)
            self._free(unit)
            if self._fresh:
                self._answered()
            if came_back:  # where one unit is back, its neighbours probably are
                self._probe_after = 0
                self._ask_at_once([u for u in self._units if self._demoted(u)])
        if self._beat is not None:
            self._beat()

    def _end(self, unit: Polled, why: Reason) -> None:
        """End a poll that brought nothing."""
        try:
            self._missed(unit, why)
        finally:
            self._free(unit)

    def _free(self, unit: Polled) -> None:
        unit.waiting = unit.extra = False
        if self._current is unit:
            self._current = None

    def _let_go(self, unit: Polled) -> None:
        """Leave a poll of a unit that is held: what was asked before it, nobody knows how to read any more."""
        self._free(unit)
        try:
            self._go()
        except Exception as error:  # noqa: BLE001 - the line's task dies of it
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """Let the line's task die of an error, so that it is said and begins again with a clean line."""
        self._error = error
        self._awake()

    def _missed(self, unit: Polled, why: Reason) -> None:
        if unit.held:
            return
        now = self._clock.now()
        if why in COMMUNICATION:
            unit.proven = False  # who comes back may be another
            if why is Reason.NOT_CONNECTED and self._fresh and not self._down:
                self._cut(now)
        elif self._fresh:
            self._answered()
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

    async def _connect(self) -> None:
        now = self._clock.now()
        turn = self._retries.turn(now)
        if turn > now:
            self._wait(turn)
            return
        async with self._retries.connecting():
            connected = await self._wire.connect()
        if connected:
            was_down, self._down = self._down, False
            self._fresh = True
            self._retries.up()
            self._tally.connects += 1
            if was_down:  # a slow unit must not wait for its slot to show that it is back
                self._ask_at_once([u for u in self._units if u.misses])
        else:
            self._wait(self._retries.failed(self._clock.now()))

    def _answered(self) -> None:
        """Take note of the first answer on a connection."""
        self._fresh = False
        self._cuts = 0
        self._retries.answered()

    def _cut(self, now: int) -> None:
        """Take note that a connection ended before anything was answered: a gateway that has a client already."""
        self._fresh = False
        self._cuts += 1
        if self._cuts > self._patience.cuts_borne:
            self._wait(self._retries.failed(now))

    def _wait(self, moment_ms: int) -> None:
        self._down = True
        self._agenda.at(moment_ms, self._retry)

    def _retry(self, _moment_ms: int, _now: int) -> None:
        if self._down and not self._stopped:
            self._try_now()

    def _try_now(self) -> None:
        self._connect_now = True
        self._awake()

    def _awake(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _ask_at_once(self, units: list[Polled]) -> None:
        for unit in units:
            if not unit.waiting and not unit.held:
                self._queue(unit, self._ready, extra=True)
