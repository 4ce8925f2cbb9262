"""library/profiles/*.toml and a site's profiles/: what a maker's registers or messages mean.

The id is the name of the file. Addresses are written as the maker prints them, with `base` saying what that counts
from; they leave this file resolved to what goes on the wire.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from collectors.payload import fits
from collectors.profile import (
    BIT_FUNCTIONS,
    REGISTERS,
    Identity,
    ModbusField,
    ModbusMap,
    MqttField,
    MqttMap,
    MqttMessage,
    Order,
    Payload,
    Presence,
    Profile,
    Reads,
    Retained,
    Trust,
    Type,
    wire_address,
)
from sitefolder.document import Document, read
from sitefolder.duration import Duration
from sitefolder.finding import Problems, WordError
from sitefolder.strict import Filled, Id, Number, PointName, Strict, Words

HASH_LENGTH = 12
_WORD_BITS = 16
_LAST_ADDRESS = 65_535

TrustWord = Literal["manual-page", "two-sources", "single-code", "machine-extracted", "product-default"]
TypeWord = Literal["u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64", "bit", "hi", "lo", "bcd", "pair"]
OrderWord = Literal["ABCD", "CDAB", "BADC", "DCBA"]
Path_ = Annotated[str, StringConstraints(pattern=r"^[^.\s]+(\.[^.\s]+)*$")]
Whole = Annotated[str, StringConstraints(pattern=r"^-?\d+$")]
Topic = Annotated[str, StringConstraints(pattern=r"^(\+/|[^#+\s/]*/)*[^#+\s/]*\{device\}[^#+\s/]*(/\+|/[^#+\s/]*)*$")]
BridgeTopic = Annotated[str, StringConstraints(pattern=r"^[^#+\s{}]+$")]
Span = Annotated[list[int], Field(min_length=2, max_length=2)]


class ModbusChannel(Strict):
    """One entry of `channel` in a Modbus profile.

    `point` is the canonical point of the kind; left out, it is the channel's own name, and "" means none.
    """

    id: PointName
    at: int | None = Field(default=None, ge=0, le=_LAST_ADDRESS + 1)
    type: TypeWord
    function: Literal[1, 2, 3, 4] | None = None
    point: PointName | Literal[""] | None = None
    order: OrderWord | None = None
    scale: Number = 1.0
    offset: Number = 0.0
    scale_from: PointName | None = None
    exponent: bool = False
    over: PointName | None = None
    plus: PointName | list[PointName] = Field(default_factory=list)
    multiplier: Literal["ct", "pt", "ct*pt"] | None = None
    sentinels: list[int | Span] = Field(default_factory=list)
    bit: int = Field(default=0, ge=0, le=15)
    width: int = Field(default=1, ge=1, le=16)
    inverted: bool = False
    folded: bool = False
    nonzero: bool = False
    above: Number | None = None
    codes: dict[Whole, Number] = Field(default_factory=dict)
    closed: PointName | None = None
    open: PointName | None = None
    unit: str = ""
    name: Words | None = None

    @model_validator(mode="after")
    def _fits_its_type(self) -> "ModbusChannel":
        if self.scale == 0:
            raise WordError("scale 不能为 0", "a scale of 0 loses every value")
        if self.type == "pair":
            if self.at is not None or not (self.closed and self.open):
                raise WordError(
                    "pair 由 closed 和 open 两个通道组成，没有自己的地址",
                    "a pair is made of the channels `closed` and `open` and has no address of its own",
                )
            return self
        if self.at is None or self.closed or self.open:
            raise WordError("需要 at（closed、open 只用于 pair）", "needs `at`; closed and open belong to a pair")
        if self.bit + self.width > _WORD_BITS:
            raise WordError("bit + width 超出 16 位", "bit + width reach beyond the 16 bits of a register")
        return self

    def field(self, table: "ModbusTable", kind: str) -> ModbusField:
        """Return it with the map's defaults filled in and the address as it goes on the wire."""
        own = self.id if kind else ""
        return ModbusField(
            channel=self.id,
            address=wire_address(self.at, table.base) if self.at is not None else 0,
            function=self.function or table.function,
            type=Type(self.type),
            point=own if self.point is None else self.point,
            order=Order(self.order or table.order or "ABCD"),
            scale=self.scale,
            offset=self.offset,
            scale_from=self.scale_from or "",
            exponent=self.exponent,
            over=self.over or "",
            plus=(self.plus,) if isinstance(self.plus, str) else tuple(self.plus),
            multiplier=self.multiplier or "",
            sentinels=tuple((s, s) if isinstance(s, int) else (s[0], s[1]) for s in self.sentinels),
            bit=self.bit,
            width=self.width,
            inverted=self.inverted,
            folded=self.folded,
            nonzero=self.nonzero,
            above=self.above,
            codes={int(raw): code for raw, code in self.codes.items()},
            closed=self.closed or "",
            open=self.open or "",
            unit=self.unit,
            **({"text": self.name.text()} if self.name else {}),
        )


class IdentityTable(Strict):
    """[modbus.identity]: the register in which the device names its model, and what may stand there."""

    at: int = Field(ge=0, le=_LAST_ADDRESS + 1)
    is_: list[Annotated[int, Field(ge=0, le=_LAST_ADDRESS)]] = Field(alias="is", min_length=1)
    function: Literal[3, 4] | None = None

    def identity(self, table: "ModbusTable") -> Identity:
        """Return it with the address as it goes on the wire; a map of bits names its model in function 3."""
        default = table.function if table.function not in BIT_FUNCTIONS else 3
        return Identity(self.function or default, wire_address(self.at, table.base), tuple(self.is_))


class ModbusTable(Strict):
    """[modbus]: what the addresses count from, and what the device takes in one request."""

    base: Literal[0, 1]
    function: Literal[1, 2, 3, 4] = 3
    order: OrderWord | None = None
    max_registers: int = Field(default=125, ge=1, le=125)
    max_gap: int = Field(default=0, ge=0, le=100)
    max_bits: int = Field(default=2000, ge=1, le=2000)
    identity: IdentityTable | None = None


class MqttChannel(Strict):
    """One entry of `channel` in an MQTT profile: where in which message the value stands."""

    id: PointName
    path: Path_ | None = None
    message: Id | None = None
    cleared_by: Id | None = None
    point: PointName | Literal[""] | None = None
    scale: Number = 1.0
    offset: Number = 0.0
    inverted: bool = False
    codes: dict[str, Number] = Field(default_factory=dict)
    reads: Literal["number", "floor"] = "number"
    contains: list[str] = Field(default_factory=list)
    ignore: list[str] = Field(default_factory=list)
    empty: Number | None = None
    sentinels: list[str] = Field(default_factory=list)
    unit: str = ""
    name: Words | None = None

    def field(self, first: str, kind: str) -> MqttField:
        """Return it in the language of the collectors."""
        own = self.id if kind else ""
        return MqttField(
            channel=self.id,
            path=_steps(self.path),
            point=own if self.point is None else self.point,
            message=self.message or first,
            cleared_by=self.cleared_by or "",
            scale=self.scale,
            offset=self.offset,
            inverted=self.inverted,
            codes=dict(self.codes),
            reads=Reads(self.reads),
            contains=tuple(self.contains),
            ignore=tuple(self.ignore),
            empty=self.empty,
            sentinels=tuple(self.sentinels),
            unit=self.unit,
            **({"text": self.name.text()} if self.name else {}),
        )


class MessageTable(Strict):
    """One kind of message: its topic, what its payload is, what a retained copy is worth.

    A binary payload has a `size`; it stands bare, or as base64 at `envelope` in a JSON object.
    """

    id: Id
    topic: Topic
    payload: Literal["json", "plain", "binary"] = "json"
    retained: Literal["stale", "state"] = "stale"
    size: int | None = Field(default=None, ge=1, le=4096)
    envelope: Path_ | None = None
    time: Path_ | None = None

    @model_validator(mode="after")
    def _fits_its_payload(self) -> "MessageTable":
        if (self.payload == "binary") is not bool(self.size):
            raise WordError(
                "size（字节数）只用于 binary，且必须写明", "a binary payload, and no other, states its `size` in bytes"
            )
        return self

    def message(self) -> MqttMessage:
        """Return it in the language of the collectors."""
        return MqttMessage(
            self.id,
            self.topic,
            Payload(self.payload),
            Retained(self.retained),
            self.size or 0,
            _steps(self.envelope),
            _steps(self.time),
        )


class PresenceTable(Strict):
    """[mqtt.presence]: where the gateway's last will says that it is gone."""

    topic: Topic
    path: Path_ | None = None
    offline: list[str] = Field(min_length=1)
    online: list[str] = Field(default_factory=list)


class BridgeTable(Strict):
    """[mqtt.bridge]: where the last will of what speaks for the device stands; one topic for all of its devices."""

    topic: BridgeTopic
    path: Path_ | None = None
    offline: list[str] = Field(min_length=1)
    online: list[str] = Field(default_factory=list)


class MqttTable(Strict):
    """[mqtt]: topics, the device's clock and sequence number, its last will.

    A publisher with `receipt` keeps its messages until our receipt has come; with `seq` alone it only counts them.
    """

    message: list[MessageTable] = Field(min_length=1)
    product: str = ""
    time: Path_ | None = None
    time_unit: Literal["s", "ms"] = "ms"
    seq: Path_ | None = None
    epoch: Path_ | None = None
    oldest: Path_ | None = None
    receipt: Topic | None = None
    presence: PresenceTable | None = None
    bridge: BridgeTable | None = None
    constants: dict[Path_, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _keeps_or_not(self) -> "MqttTable":
        told = (self.epoch, self.oldest, self.receipt)
        if any(told) and not (all(told) and self.seq):
            raise WordError(
                "epoch、oldest、receipt 须一起写，并且要有 seq（见 docs/engineers/receipts.zh-CN.md）",
                "epoch, oldest and receipt go together, with seq (docs/engineers/receipts.md)",
            )
        if self.receipt and "+" in self.receipt:
            raise WordError("receipt 主题不能用通配符", "a receipt topic has no wildcard")
        return self


class ProfileHead(Strict):
    """What every profile says of itself."""

    name: Words
    kind: Id | Literal[""]
    interval: Annotated[Duration, Field(ge=100)]
    source: Filled
    trust: TrustWord
    notes: str = ""


class ModbusProfileFile(ProfileHead):
    """The whole of a Modbus device's file."""

    modbus: ModbusTable
    channel: list[ModbusChannel] = Field(min_length=1)


class MqttProfileFile(ProfileHead):
    """The whole of a publishing device's file."""

    mqtt: MqttTable
    channel: list[MqttChannel] = Field(min_length=1)


def read_profiles(folder: Path, problems: Problems, *, only: Collection[object] | None = None) -> dict[str, Profile]:
    """Read the profiles of a folder; a missing folder has none.

    Args:
        folder: where the `*.toml` files stand.
        problems: collects every finding; a profile with an error is left out.
        only: the ids that are wanted; None: all of them.

    Returns:
        The profiles by id, which is the name of the file.
    """
    out = {}
    for path in sorted(folder.glob("*.toml")):
        if only is not None and path.stem not in only:
            continue
        document = read(path, f"{folder.name}/{path.name}", problems)
        profile = document and read_profile(path.stem, document)
        if profile:
            out[profile.id] = profile
    return out


def read_profile(id: str, document: Document) -> Profile | None:
    """Read one profile; None, and the reasons noted, when it cannot be used."""
    before = len(document.problems.errors)
    profile = _mqtt(id, document) if "mqtt" in document.data else _modbus(id, document)
    return profile if len(document.problems.errors) == before else None


def _modbus(id: str, document: Document) -> Profile | None:
    file = document.model(ModbusProfileFile)
    if file is None:
        return None
    _unique(document, [(c.id, c.point, c.id if file.kind else "") for c in file.channel])
    fields = {c.id: c.field(file.modbus, file.kind) for c in file.channel}
    for index, channel in enumerate(file.channel):
        _check(document, ("channel", index), channel, fields, file.modbus)
    modbus = ModbusMap(
        fields=fields,
        base=file.modbus.base,
        max_registers=file.modbus.max_registers,
        max_gap=file.modbus.max_gap,
        max_bits=file.modbus.max_bits,
        identity=file.modbus.identity.identity(file.modbus) if file.modbus.identity else None,
    )
    if modbus.identity and not 0 <= modbus.identity.address <= _LAST_ADDRESS:
        document.error(("modbus", "identity", "at"), "地址超出 0–65535", "is outside the addresses 0 to 65535")
    return _profile(id, document, file, modbus=modbus)


def _check(
    document: Document,
    loc: Sequence[int | str],
    channel: ModbusChannel,
    fields: Mapping[str, ModbusField],
    table: ModbusTable,
) -> None:
    field = fields[channel.id]
    wide = REGISTERS[field.type]
    if wide > 1 and not (channel.order or table.order):
        document.error(
            loc, "多寄存器数值必须写明 order（字节顺序）", "a value over several registers must state its `order`"
        )
    if field.type is not Type.PAIR and not 0 <= field.address <= _LAST_ADDRESS + 1 - wide:
        document.error((*loc, "at"), "地址超出 0–65535", "is outside the addresses 0 to 65535")
    if field.function in BIT_FUNCTIONS and field.type not in {Type.BIT, Type.PAIR}:
        document.error((*loc, "type"), "功能码 1、2 只能读 bit", "functions 1 and 2 bring only bits")
    if field.nonzero and field.type in {Type.F32, Type.F64, Type.BCD, Type.PAIR}:
        document.error((*loc, "nonzero"), "nonzero 只用于整数", "is for whole numbers and bits only")
    if wide > table.max_registers:
        document.error((*loc, "type"), "比 max_registers 还长", "is longer than max_registers allows")
    for other in field.needs:
        if other not in fields:
            document.error(loc, f"没有通道 {other}", f"there is no channel {other}")
        elif fields[other].needs:
            document.error(loc, f"通道 {other} 自身也由别的通道算出", f"channel {other} is itself computed from others")


def _mqtt(id: str, document: Document) -> Profile | None:
    file = document.model(MqttProfileFile)
    if file is None:
        return None
    _unique(document, [(c.id, c.point, c.id if file.kind else "") for c in file.channel])
    table = file.mqtt
    messages = {m.id: m for m in table.message}
    first = table.message[0].id
    for index, channel in enumerate(file.channel):
        message = messages.get(channel.message or first)
        if channel.cleared_by and channel.cleared_by not in messages:
            document.error(("channel", index, "cleared_by"), "没有这种消息", "there is no such message")
        if message is None:
            document.error(("channel", index, "message"), "没有这种消息", "there is no such message")
        elif (message.payload == "plain") is (channel.path is not None):
            document.error(
                ("channel", index, "path"),
                "json 消息需要 path，plain 消息不写 path",
                "a json message needs a path; a plain one takes none",
            )
        elif message.size and not fits(channel.path or "", message.size):
            document.error(
                ("channel", index, "path"),
                f"应写作 偏移:类型（如 12:i8、0:u32le），且不超出 {message.size} 字节",
                f"is written offset:type (12:i8, 0:u32le) and stays within {message.size} bytes",
            )
    mqtt = MqttMap(
        messages=tuple(m.message() for m in table.message),
        fields={c.id: c.field(first, file.kind) for c in file.channel},
        product=table.product,
        time=_steps(table.time),
        time_unit=table.time_unit,
        seq=_steps(table.seq),
        epoch=_steps(table.epoch),
        oldest=_steps(table.oldest),
        receipt=table.receipt or "",
        presence=_presence(table.presence),
        bridge=_presence(table.bridge),
        constants=dict(table.constants),
    )
    return _profile(id, document, file, mqtt=mqtt)


def _presence(table: PresenceTable | BridgeTable | None) -> Presence | None:
    if table is None:
        return None
    return Presence(table.topic, _steps(table.path), tuple(table.offline), tuple(table.online))


def _profile(
    id: str, document: Document, file: ProfileHead, *, modbus: ModbusMap | None = None, mqtt: MqttMap | None = None
) -> Profile:
    return Profile(
        id=id,
        name=file.name.text(),
        kind=file.kind,
        interval_ms=file.interval,
        source=file.source,
        trust=Trust(file.trust),
        hash=document.hash[:HASH_LENGTH],
        modbus=modbus,
        mqtt=mqtt,
        notes=file.notes,
    )


def _unique(document: Document, channels: Sequence[tuple[str, str | None, str]]) -> None:
    names: set[str] = set()
    points: set[str] = set()
    for index, (channel, given, own) in enumerate(channels):
        point = own if given is None else given
        if channel in names:
            document.error(("channel", index, "id"), f"通道 {channel} 重复", f"channel {channel} stands twice")
        if point and point in points:
            document.error(("channel", index, "point"), f"点位 {point} 重复", f"point {point} is given twice")
        names.add(channel)
        points.add(point)


def _steps(path: str | None) -> tuple[str, ...]:
    return tuple(path.split(".")) if path else ()
