"""Builds a task for every line of the site, keeps count of them, and exchanges those that other files change."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from collectors.difference import Difference, Files
from collectors.modbus.agenda import Agenda, offset, slot_for
from collectors.modbus.decode import Decoder
from collectors.modbus.pace import Pace
from collectors.modbus.polled import Patience, Proof
from collectors.modbus.polling import Poller
from collectors.modbus.readplan import Request
from collectors.modbus.rtu import RtuLine
from collectors.modbus.tcp import TcpLine
from collectors.modbus.wire import Wire, questions
from collectors.mqtt.line import Manner, MqttLine
from collectors.mqtt.receipts import Receipts
from collectors.profile import Profile
from collectors.status import LineStatus
from facility.equipment import Device, Line
from facility.point import Point
from facility.ports import Clock, ScanSink, Tasks
from facility.site import Site

__all__ = ["Collectors", "LineStatus"]

AGENDA_LIMIT_MS = 5_000
NUMBERED = "modbus-tcp"
"""The transport of lines that `collectors.modbus.tcp` serves, as long as its gateway plays by the rules."""
START_MS = 50
"""The first slot begins a little after the start, so that everything is in place."""


@dataclass(frozen=True, slots=True)
class Coming:
    """Other files that are to hold, with everything of them that could fail done already."""

    files: Files
    difference: Difference
    decoders: Mapping[str, Decoder]  # by device


class Collectors:
    """All lines of a site. One task per line, one agenda for the slots of all of them."""

    def __init__(
        self,
        site: Site,
        profiles: Mapping[str, Profile],
        sink: ScanSink,
        clock: Clock,
        tasks: Tasks,
        secrets: Mapping[str, str],
        *,
        patience: Patience | None = None,
        manner: Manner | None = None,
        receipts: Receipts | None = None,
        hurry: Callable[[], None] | None = None,
    ) -> None:
        """Compile what the site reads; nothing is sent before `start`.

        Args:
            site: lines and devices.
            profiles: by id, as `Device.profile` names them.
            sink: takes every scan and every dead letter; called on the event loop.
            clock: the one clock.
            tasks: keeps the tasks running.
            secrets: passwords by name.
            patience: how Modbus lines behave when they are not answered.
            manner: how MQTT lines behave.
            receipts: what is known of publishers that number their messages; shared with whoever commits.
            hurry: makes what was handed over durable at once, where a broker waits for that.
        """
        self._site = site
        self._profiles = profiles
        self._sink = sink
        self._clock = clock
        self._tasks = tasks
        self._secrets = secrets
        self._patience = patience or Patience()
        self._manner = manner
        self._receipts = receipts
        self._hurry = hurry
        self._polled = [d for d in site.devices.values() if profiles[d.profile].modbus]
        self._agenda = Agenda(clock, slot_for(d.interval_ms for d in self._polled))
        self._pace = Pace(len({d.line for d in self._polled}), self._patience.connect_every_ms)
        self._decoders: dict[object, Decoder] = {}
        self._lines: dict[str, Poller | MqttLine] = {}
        self._coming: Coming | None = None

    def start(self) -> None:
        """Begin to poll and to listen; every device is heard for the first time within its interval."""
        polled = self._polled
        first_ms = self._clock.now() + START_MS
        for index, device in enumerate(polled):
            self._poll(device, first_ms + offset(index, len(polled), device.interval_ms, self._agenda.slot_ms))
        for device in self._site.devices.values():
            self._listen(device)
        if polled:
            self._tasks.keep("agenda", self._agenda.run, AGENDA_LIMIT_MS)
        for id, line in self._lines.items():
            self._tasks.keep(f"line {id}", line.run, line.limit_ms)

    async def stop(self) -> None:
        """Ask and listen no more. The tasks stay until whoever keeps them lets them go; they do nothing."""
        for line in self._lines.values():
            line.stop()

    # -- other files while it runs --------------------------------------------------------------------------------

    def prepare(self, files: Files, difference: Difference) -> Coming:
        """Compile what is read otherwise under other files; nothing changes yet, whatever is wrong with them.

        Raises:
            ValueError: a profile or a device cannot be compiled.
        """
        trial = Collectors(
            files.site, files.profiles, self._sink, self._clock, self._tasks, files.secrets, patience=self._patience
        )
        after = [files.site.devices[id] for id in sorted(difference.devices.after)]
        decoders = {d.id: trial._decoder(d) for d in after if files.profiles[d.profile].modbus}
        for device in after:  # refused now, if at all
            trial._proof(device)
        return Coming(files, difference, decoders)

    def hold(self, coming: Coming) -> None:
        """Let the devices that are read otherwise rest: not a word of theirs is handed over until `exchange`.

        What publishes is put by, and taken afterwards. May be called again.
        """
        before, after = coming.difference.devices.before, coming.difference.devices.after
        lines = {d.line for d in self._site.devices.values() if d.id in before}
        lines |= {coming.files.site.devices[id].line for id in after}
        for line in (self._lines[id] for id in lines if id in self._lines):
            if isinstance(line, Poller):
                line.hold(before)
            else:
                line.hold()

    def release(self) -> None:
        """Go on as before: nothing is exchanged."""
        for line in self._lines.values():
            line.release()

    def exchange(self, coming: Coming) -> None:
        """Read by the new files from now on; who is not changed keeps its line, its slot and its connection."""
        different = coming.difference
        self._site, self._profiles = coming.files.site, coming.files.profiles
        self._secrets = coming.files.secrets
        self._decoders.clear()  # kept by the identity of points that may be gone now
        self._polled = [d for d in self._site.devices.values() if self._profiles[d.profile].modbus]
        self._agenda.slot_ms = slot_for(d.interval_ms for d in self._polled)
        for id in different.lines.before & self._lines.keys():
            self._end(id)
        after = [self._site.devices[id] for id in sorted(different.devices.after)]
        self._listen_otherwise(different.devices.before, [d for d in after if self._profiles[d.profile].mqtt])
        polled = [d for d in after if self._profiles[d.profile].modbus]
        for line in self._lines.values():
            if isinstance(line, Poller):
                line.remove(different.devices.before)
        first_ms = self._clock.now() + START_MS
        for index, device in enumerate(polled):
            moment = first_ms + offset(index, len(polled), device.interval_ms, self._agenda.slot_ms)
            self._poll(device, moment, coming.decoders[device.id])
        for id in [id for id, line in self._lines.items() if line.empty]:
            self._end(id)
        if self._polled:
            self._tasks.keep("agenda", self._agenda.run, AGENDA_LIMIT_MS)
        for id, line in self._lines.items():
            self._tasks.keep(f"line {id}", line.run, line.limit_ms)
        self.release()

    def _listen_otherwise(self, gone: frozenset[str], new: Sequence[Device]) -> None:
        standing = frozenset(self._lines)
        for id, line in self._lines.items():
            if isinstance(line, MqttLine):
                mine = [(d, self._profiles[d.profile].mqtt) for d in new if d.line == id]
                line.exchange(gone, [(d, mqtt, self._points(d)) for d, mqtt in mine if mqtt])
        for device in new:
            if device.line not in standing:
                self._listen(device)

    def _end(self, id: str) -> None:
        """Close a line for good."""
        self._lines.pop(id).stop()
        self._tasks.drop(f"line {id}")

    def status(self) -> list[LineStatus]:
        """Return how every line stands, lines without a device left out."""
        return [line.status() for line in self._lines.values()]

    def troubled(self) -> list[LineStatus]:
        """Return how those lines stand that are down or that somebody has to look after; cheap while all is well."""
        return [line.status() for line in self._lines.values() if not line.up or line.remarked]

    def _poll(self, device: Device, first_ms: int, decoder: Decoder | None = None) -> None:
        line = self._site.lines[device.line]
        poller = self._lines.get(line.id)
        if poller is None:
            wire = self._wire(line)
            poller = Poller(line, wire, self._agenda, self._sink, self._clock, self._patience, self._pace)
            self._lines[line.id] = poller
        assert isinstance(poller, Poller), f"line {line.id} cannot be Modbus and MQTT at once"
        decoder = decoder or self._decoder(device)
        poller.add(device, decoder, questions(device.unit, decoder.requests), first_ms, self._proof(device))

    def _proof(self, device: Device) -> Proof | None:
        """Return the question that tells the device's model, for a profile that says how to."""
        modbus = self._profiles[device.profile].modbus
        identity = modbus.identity if modbus else None
        if identity is None:
            return None
        (question,) = questions(device.unit, [Request(identity.function, identity.address, 1)])
        return Proof(question, frozenset(number.to_bytes(2, "big") for number in identity.right))

    def _wire(self, line: Line) -> Wire:
        """Return what carries the line's questions; only Modbus TCP says whose question an answer answers."""
        if line.transport == NUMBERED and line.echoes_transaction:
            return TcpLine(line, self._clock, self._agenda)
        return RtuLine(line, self._clock)

    def _listen(self, device: Device) -> None:
        mqtt = self._profiles[device.profile].mqtt
        if mqtt is None:
            return
        line = self._site.lines[device.line]
        listener = self._lines.get(line.id)
        if listener is None:
            name = f"dutyroom-{self._site.id}-{line.id}"
            password = self._secrets.get(line.secret, "")
            listener = MqttLine(
                line, name, password, self._sink, self._clock, self._manner, self._receipts, self._hurry
            )
            self._lines[line.id] = listener
        assert isinstance(listener, MqttLine), f"line {line.id} cannot be Modbus and MQTT at once"
        listener.add(device, mqtt, self._points(device))

    def _decoder(self, device: Device) -> Decoder:
        """Return the device's decoder; devices that agree in everything it is made of share one."""
        points = self._points(device)
        multipliers = tuple(sorted(device.multipliers.items()))
        # Canonical points are few and live as long as the site: identity tells them apart.
        most = device.max_registers
        key = (device.profile, device.channels, tuple(map(id, points)), device.inverted, multipliers, most)
        decoder = self._decoders.get(key)
        if decoder is None:
            modbus = self._profiles[device.profile].modbus
            assert modbus is not None, "only polled devices are decoded here"
            if most:
                modbus = replace(modbus, max_registers=min(most, modbus.max_registers))
            decoder = Decoder(modbus, device.channels, points, inverted=device.inverted, multipliers=device.multipliers)
            self._decoders[key] = decoder
        return decoder

    def _points(self, device: Device) -> Sequence[Point | None]:
        return [self._site.point(point) for point in device.points]
