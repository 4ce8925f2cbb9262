"""What a device profile says, once read and resolved: addresses as they go on the wire, orders, scales, codes.

The TOML behind it is read by `sitefolder.profiles`; here are only values.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from facility.text import NOTHING, Text


class Type(StrEnum):
    """How the bytes of a value are to be read."""

    U16 = "u16"
    I16 = "i16"
    U32 = "u32"
    I32 = "i32"
    U64 = "u64"
    I64 = "i64"
    F32 = "f32"
    F64 = "f64"
    BIT = "bit"  # `width` bits of a register from `bit` on (functions 3, 4), or one bit of its own (1, 2)
    HI = "hi"  # high byte of a register
    LO = "lo"  # low byte of a register
    BCD = "bcd"  # four decimal digits in one register
    PAIR = "pair"  # a double point: two other channels, one says closed, one says open


REGISTERS: Mapping[Type, int] = {
    Type.U16: 1,
    Type.I16: 1,
    Type.U32: 2,
    Type.I32: 2,
    Type.U64: 4,
    Type.I64: 4,
    Type.F32: 2,
    Type.F64: 4,
    Type.BIT: 1,
    Type.HI: 1,
    Type.LO: 1,
    Type.BCD: 1,
    Type.PAIR: 0,
}
"""How many registers a value of each type takes."""


class Order(StrEnum):
    """In which order the bytes of a wide value arrive; A is the most significant byte of a 32-bit value.

    A 64-bit value follows the same pattern: `CDAB` means its lowest word comes first, bytes within a word high first.
    """

    ABCD = "ABCD"
    CDAB = "CDAB"
    BADC = "BADC"
    DCBA = "DCBA"


class Trust(StrEnum):
    """Where a register map comes from, and so how far to believe it before it was proven on site."""

    MANUAL = "manual-page"
    TWO_SOURCES = "two-sources"
    SINGLE_CODE = "single-code"
    MACHINE = "machine-extracted"
    OWN = "product-default"  # our own convention: there is no device maker to quote


BIT_FUNCTIONS = frozenset({1, 2})
"""Read coils, read discrete inputs: one address is one bit."""


@dataclass(frozen=True, slots=True)
class ModbusField:
    """One value of a Modbus device.

    `channel` is the profile's own name, `point` the canonical point of the kind it speaks for ("" for a free
    channel that the site maps). The value is `codes[raw]` where codes are given, else
    `raw * scale * (scale_from) * (multiplier) / (over) + offset + (plus)`; `nonzero` and `above` turn that into a
    state.
    """

    channel: str
    address: int  # on the wire, counted from 0
    function: int  # 1 coils, 2 discrete inputs, 3 holding registers, 4 input registers
    type: Type
    point: str = ""
    order: Order = Order.ABCD
    scale: float = 1.0
    offset: float = 0.0
    scale_from: str = ""  # channel whose value multiplies this one
    exponent: bool = False  # the value of `scale_from` is a power of ten
    over: str = ""  # channel whose value divides this one (power factor from power and apparent power)
    plus: tuple[str, ...] = ()  # channels whose values are added (integer and fraction, any of several contacts)
    multiplier: str = ""  # "ct", "pt" or "ct*pt": ratios of the site's own transformers
    sentinels: tuple[tuple[int, int], ...] = ()  # spans (both ends included) of the raw value that mean "not available"
    bit: int = 0
    width: int = 1
    inverted: bool = False
    folded: bool = False  # four-quadrant power factor: beyond ±1 it counts back from ±2
    nonzero: bool = False  # any bit set means 1
    above: float | None = None  # 1 when the scaled value lies above, else 0: a state told by a number
    codes: Mapping[int, float] = field(default_factory=dict)
    closed: str = ""  # PAIR: channel that is 1 when closed
    open: str = ""  # PAIR: channel that is 1 when open
    unit: str = ""
    text: Text = NOTHING

    @property
    def registers(self) -> int:
        """How many addresses the value takes (1 for a bit of functions 1 and 2)."""
        return REGISTERS[self.type]

    @property
    def needs(self) -> tuple[str, ...]:
        """The other channels this one cannot be computed without."""
        return tuple(c for c in (self.scale_from, self.over, *self.plus, self.closed, self.open) if c)


@dataclass(frozen=True, slots=True)
class Identity:
    """The register in which a device names its model: without one of the `right` numbers it is another device."""

    function: int
    address: int  # on the wire, counted from 0
    right: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """Registers (or bits) that a device gives only together."""

    function: int
    address: int  # on the wire, counted from 0
    count: int

    def holds(self, field: ModbusField) -> bool:
        """Say whether the whole of a value stands in it."""
        start = field.address - self.address
        return field.function == self.function and start >= 0 and start + field.registers <= self.count


@dataclass(frozen=True, slots=True)
class ModbusMap:
    """The Modbus side of a profile, with what the device allows per request."""

    fields: Mapping[str, ModbusField]
    base: int = 0  # what the maker's document counts from; the addresses here are resolved already
    max_registers: int = 125
    max_gap: int = 0  # unused registers that may be read along to save a request
    max_bits: int = 2000
    blocks: tuple[Block, ...] = ()  # the only reads that the device answers; empty: it answers any
    identity: Identity | None = None  # asked before anything is believed, and again after every silence


class Payload(StrEnum):
    """What a message looks like."""

    JSON = "json"
    PLAIN = "plain"  # the payload is one value as text
    BINARY = "binary"  # a frame of fixed size, bare or as base64 in a JSON envelope; paths are "offset:type"


class Retained(StrEnum):
    """What the broker's kept copy is worth."""

    STALE = "stale"  # an old copy of something that moves: uncertain
    STATE = "state"  # the gateway retains its state on purpose: as good as fresh


class Reads(StrEnum):
    """How text is turned into a number where no map says so."""

    NUMBER = "number"
    FLOOR = "floor"  # "12", "12F", "B2" (minus two), "F3"


@dataclass(frozen=True, slots=True)
class MqttMessage:
    """One kind of message; `{product}` and `{device}` stand in the topic, and "+" for a level that may be anything."""

    name: str
    topic: str
    payload: Payload = Payload.JSON
    retained: Retained = Retained.STALE
    size: int = 0  # bytes of a frame, exactly
    envelope: tuple[str, ...] = ()  # path of the frame's base64 text; empty: the payload is the frame
    time: tuple[str, ...] = ()  # path of the device's time in this kind of message; empty: as in the others


@dataclass(frozen=True, slots=True)
class Presence:
    """Where a last will says that a gateway, or the bridge it speaks through, is gone."""

    topic: str
    path: tuple[str, ...]  # empty: the payload itself
    offline: tuple[str, ...]
    online: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MqttField:
    """One value of a publishing device, found at `path` in messages of one kind.

    A list at that place holds codes: `contains` asks whether one of them is there; otherwise the first that
    `codes` knows is the value, `empty` stands for a list with none, and those in `ignore` say nothing.

    With `cleared_by` the value is an event: 1 when `message` names it, 0 when that other kind of message does, and
    nothing is said by either about events that they do not name.
    """

    channel: str
    path: tuple[str, ...]
    point: str = ""
    message: str = ""
    cleared_by: str = ""  # the kind of message that ends what `message` begins
    scale: float = 1.0
    offset: float = 0.0
    inverted: bool = False
    codes: Mapping[str, float] = field(default_factory=dict)
    reads: Reads = Reads.NUMBER
    contains: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    empty: float | None = None
    sentinels: tuple[str, ...] = ()
    unit: str = ""
    text: Text = NOTHING


@dataclass(frozen=True, slots=True)
class MqttMap:
    """The MQTT side of a profile."""

    messages: tuple[MqttMessage, ...]
    fields: Mapping[str, MqttField]
    product: str = ""
    time: tuple[str, ...] = ()  # path of the device's own time; empty: it has no clock
    time_unit: str = "ms"  # "s" or "ms" since 1970 UTC
    seq: tuple[str, ...] = ()
    epoch: tuple[str, ...] = ()  # path of the number of the outbox that `seq` counts in
    oldest: tuple[str, ...] = ()  # path of the oldest number that the gateway still keeps
    receipt: str = ""  # topic where we say up to which number it may forget; empty: it keeps none
    presence: Presence | None = None
    bridge: Presence | None = None  # of what speaks for the device: a radio bridge, a hub
    constants: Mapping[str, str] = field(default_factory=dict)  # path -> text that our own encoder adds

    def topic(self, pattern: str, device: str) -> str:
        """Return the topic of one device.

        `device` is its name; where the pattern has a product as well, "name" or "product/name".
        """
        product, _, name = device.rpartition("/") if "{product}" in pattern else ("", "", device)
        return pattern.replace("{product}", product or self.product).replace("{device}", name)


Field = ModbusField | MqttField


@dataclass(frozen=True)
class Profile:
    """One kind of device: how to ask it or hear it, and what its numbers mean."""

    id: str
    name: Text
    kind: str  # the kind of equipment whose points it speaks for; "" for a module with free channels only
    interval_ms: int
    source: str
    trust: Trust
    hash: str
    modbus: ModbusMap | None = None
    mqtt: MqttMap | None = None
    notes: str = ""

    @property
    def stamp(self) -> str:
        """Id and hash in one word, for layouts."""
        return f"{self.id}@{self.hash}"

    @cached_property
    def fields(self) -> Mapping[str, Field]:
        """All values by channel, in the order of the file."""
        if self.modbus:
            return dict(self.modbus.fields)
        return dict(self.mqtt.fields) if self.mqtt else {}

    @cached_property
    def channel_of(self) -> Mapping[str, str]:
        """The channel that speaks for each canonical point of the kind."""
        return {f.point: f.channel for f in self.fields.values() if f.point}


def wire_address(printed: int, base: int) -> int:
    """Return the address on the wire of one that a document prints, counting from `base`."""
    return printed - base
