"""Builds a task for every line of the site and keeps count of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

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

    def status(self) -> list[LineStatus]:
        """Return how every line stands, lines without a device left out."""
        return [line.status() for line in self._lines.values()]

    def troubled(self) -> list[LineStatus]:
        """Return how those lines stand that are down or that somebody has to look after; cheap while all is well."""
        return [line.status() for line in self._lines.values() if not line.up or line.remarked]

    def _poll(self, device: Device, first_ms: int) -> None:
        line = self._site.lines[device.line]
        poller = self._lines.get(line.id)
        if poller is None:
            wire = self._wire(line)
            poller = Poller(line, wire, self._agenda, self._sink, self._clock, self._patience, self._pace)
            self._lines[line.id] = poller
        assert isinstance(poller, Poller), f"line {line.id} cannot be Modbus and MQTT at once"
        decoder = self._decoder(device)
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
