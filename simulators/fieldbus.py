"""Serves the site's Modbus devices on real sockets and simulated serial ports, with the real ones' register maps."""

from collections.abc import Mapping
from pathlib import Path

from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from collectors.modbus.encode import Bank, encode
from collectors.modbus.readplan import Request, plan
from collectors.profile import BIT_FUNCTIONS, ModbusMap, Profile
from facility.equipment import Device, Line, split_point
from facility.site import Site
from simulators.building import Building
from simulators.cable import Cable

FUNCTIONS = (1, 2, 3, 4)


class Unit:
    """One Modbus device: answers every read from the building as it is at that moment."""

    def __init__(self, device: Device, modbus: ModbusMap, building: Building) -> None:
        self.device, self.modbus, self.building = device, modbus, building
        self.requests: tuple[Request, ...] = (*plan(modbus, tuple(modbus.fields)), *_proof(modbus))
        self._machines = {split_point(p)[0] for p in device.points}
        self._inverted = frozenset(device.channels[i] for i in device.inverted)

    @property
    def silent(self) -> bool:
        """Whether this unit does not answer now."""
        return any(self.building.machines[m].silent for m in self._machines)

    def sim_device(self) -> SimDevice:
        """Return the device as pymodbus serves it; addresses outside its map are refused as the real one does."""
        blocks: dict[int, list[SimData]] = {f: [] for f in FUNCTIONS}
        for r in self.requests:
            if r.function in BIT_FUNCTIONS:
                blocks[r.function].append(SimData(r.address, values=[False] * r.count, datatype=DataType.BITS))
            else:
                blocks[r.function].append(SimData(r.address, values=[0] * r.count, datatype=DataType.REGISTERS))
        for f in FUNCTIONS:
            if not blocks[f]:
                kind = DataType.BITS if f in BIT_FUNCTIONS else DataType.REGISTERS
                value: list[bool] | list[int] = [False] if f in BIT_FUNCTIONS else [0]
                blocks[f].append(SimData(60_000, values=value, datatype=kind))
        return SimDevice(
            id=self.device.unit,
            simdata=(blocks[1], blocks[2], blocks[3], blocks[4]),
            action=self._fill,
        )

    async def _fill(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        wish: "list[int] | list[bool] | None",
    ) -> ExcCodes | None:
        """Put the present state into the registers that are about to be read; refuse every write."""
        if wish is not None:
            return ExcCodes.ILLEGAL_FUNCTION
        table = self.bank().get(function, {})
        if function in BIT_FUNCTIONS:
            # pymodbus keeps bits sixteen to a word, and counts words here.
            for word in range(address // 16, address // 16 + count):
                if 0 <= word - start < len(registers):
                    registers[word - start] = sum(table.get(word * 16 + bit, 0) << bit for bit in range(16))
        else:
            for at in range(address, address + count):
                if 0 <= at - start < len(registers):
                    registers[at - start] = table.get(at, 0)
        return None

    def bank(self) -> Bank:
        """Return all registers as they are now."""
        values: dict[str, float] = {}
        for channel, point in zip(self.device.channels, self.device.points, strict=True):
            equipment, name = split_point(point)
            value = self.building.machines[equipment].points.get(name)
            if value is not None:
                values[channel] = value
        return encode(self.modbus, values, multipliers=self.device.multipliers, inverted=self._inverted)


def _proof(modbus: ModbusMap) -> tuple[Request, ...]:
    """Return what brings the register that names the model, unless it stands among the others."""
    known = modbus.identity
    if known is None:
        return ()
    among = any(
        q.function == known.function and q.address <= known.address < q.address + q.count
        for q in plan(modbus, tuple(modbus.fields))
    )
    return () if among else (Request(known.function, known.address, 1),)


class LineServer:
    """One gateway or serial bus with its units."""

    def __init__(self, line: Line, units: list[Unit]) -> None:
        self.line, self.units = line, {u.device.unit: u for u in units}
        self._unit_at = 6 if line.transport == "modbus-tcp" else 0  # where the unit stands in a frame
        self._cable = Cable()
        self._server: ModbusTcpServer | ModbusSerialServer | None = None

    async def start(self) -> None:
        """Listen and serve.

        Raises:
            OSError: the address is taken, or the path of the serial port is.
        """
        devices = [u.sim_device() for u in self.units.values()]
        if self.line.serial:
            self._cable.start(Path(self.line.serial.path))
            self._server = ModbusSerialServer(
                devices, port=self._cable.near, ignore_missing_devices=True, trace_packet=self._pass_on
            )
        else:
            rtu = self.line.transport == "modbus-rtu-tcp"
            self._server = ModbusTcpServer(
                devices,
                framer=FramerType.RTU if rtu else FramerType.SOCKET,
                address=(self.line.host, self.line.port),
                ignore_missing_devices=rtu,
                trace_packet=self._pass_on,
            )
        await self._server.serve_forever(background=True)

    async def stop(self) -> None:
        """Stop serving."""
        if self._server:
            await self._server.shutdown()  # type: ignore[no-untyped-call] # pymodbus leaves it untyped
        self._cable.stop()

    def _pass_on(self, sending: bool, data: bytes) -> bytes:  # noqa: FBT001 - pymodbus calls it so
        unit = self.units.get(data[self._unit_at]) if sending and len(data) > self._unit_at else None
        return b"" if unit is not None and unit.silent else data


def lines(site: Site, profiles: Mapping[str, Profile], building: Building) -> list[LineServer]:
    """Return a server for every Modbus line of the site."""
    out = []
    for line in site.lines.values():
        units = [
            Unit(d, modbus, building)
            for d in site.devices.values()
            if d.line == line.id and (modbus := profiles[d.profile].modbus) is not None
        ]
        if units:
            out.append(LineServer(line, units))
    return out
