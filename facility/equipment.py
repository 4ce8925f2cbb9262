"""Machines, the devices that speak for them, and what a responder must know of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from facility.text import NOTHING, Text


@dataclass(frozen=True, slots=True)
class Card:
    """What a responder needs at 3 a.m.; empty means not known, and is shown so."""

    registration: str = ""
    rescue_code: str = ""
    contractor: str = ""  # party id
    deputy: str = ""  # party id
    intercom: str = ""
    key_cabinet: str = ""
    isolator: str = ""  # isolator or valve
    camera: str = ""
    responsible: str = ""  # who owns it: property, utility, contractor, developer under warranty
    may_reset: tuple[str, ...] = ()  # roles
    never: tuple[Text, ...] = ()  # first things not to do
    next_inspection: date | None = None
    next_maintenance: date | None = None


@dataclass(frozen=True, slots=True)
class Equipment:
    """One machine of the site. `id` is ASCII and unique; `fed_by` names its sources in order."""

    id: str
    kind: str
    name: Text
    place: Text
    building: str = ""
    fed_by: tuple[str, ...] = ()
    card: Card = Card()
    parameters: Mapping[str, float] = field(default_factory=dict)  # rated_kva, floors…, for rules and simulators


@dataclass(frozen=True, slots=True)
class Tls:
    """How a line is encrypted and who proves who they are; paths are absolute, "" means the system's or none."""

    ca: str = ""  # certificates that sign the server's; empty: those the system trusts
    certificate: str = ""  # our own, where the server asks for one
    key: str = ""
    server_name: str = ""  # the name in the server's certificate, where it is not the host


@dataclass(frozen=True, slots=True)
class Serial:
    """A serial port and how it is set; a character has eight data bits."""

    path: str
    baud: int
    parity: str  # "none" | "even" | "odd"
    stop_bits: int = 1

    @property
    def character_ms(self) -> float:
        """How long one character takes on the wire."""
        return 1000 * (1 + 8 + (self.parity != "none") + self.stop_bits) / self.baud


MODBUS = frozenset({"modbus-tcp", "modbus-rtu-tcp", "modbus-rtu"})
"""The transports that a Modbus device may stand on: Modbus TCP, RTU frames over TCP, a serial port."""


@dataclass(frozen=True, slots=True)
class Line:
    """One wire: a gateway or a serial port with its units, or the site's MQTT broker."""

    id: str
    transport: str  # one of MODBUS, or "mqtt"
    host: str = ""  # "" on a serial port
    port: int = 0
    timeout_ms: int = 1000
    gap_ms: int = 0  # silence a gateway needs between two requests
    serial: Serial | None = None
    echoes_transaction: bool = True  # whether answers bring the transaction id of their question
    username: str = ""
    secret: str = ""  # name of the password in secrets.toml
    protocol: str = ""  # MQTT: "5" or "3.1.1"; empty: 5 is tried first
    tls: Tls | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """One thing that is read with one profile.

    `points` is its layout: site point ids ("equipment/point") in the order of the profile's points that the
    site uses; `channels` the profile's own names in the same order. A digital-input module speaks for several
    machines: its channels point to each.
    """

    id: str
    profile: str
    line: str
    interval_ms: int
    channels: tuple[str, ...]
    points: tuple[str, ...]
    unit: int = 1  # Modbus unit id
    max_registers: int = 0  # what it takes in one request, where that is less than the profile says; 0: it is not
    topic: str = ""  # MQTT: what stands for {device} in the profile's topic
    inverted: frozenset[int] = frozenset()  # positions whose 0/1 is wired the other way round
    multipliers: Mapping[str, float] = field(default_factory=dict)  # ct, pt
    name: Text = NOTHING


def point_id(equipment: str, point: str) -> str:
    """Return the site's id of a point."""
    return f"{equipment}/{point}"


def split_point(point: str) -> tuple[str, str]:
    """Return equipment and canonical point of a site point id."""
    equipment, _, name = point.rpartition("/")
    return equipment, name
