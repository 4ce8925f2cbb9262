"""The Modbus side of a profile: registers as the maker prints them, resolved to what goes on the wire."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from collectors.profile import (
    BIT_FUNCTIONS,
    REGISTERS,
    Block,
    Identity,
    ModbusField,
    ModbusMap,
    Order,
    Profile,
    Type,
    wire_address,
)
from sitefolder.document import Document
from sitefolder.finding import WordError
from sitefolder.profilehead import ProfileHead, profile, unique
from sitefolder.strict import Number, PointName, Strict, Words

_WORD_BITS = 16
_LAST_ADDRESS = 65_535
_LONGEST, _LONGEST_BITS = 125, 2000

TypeWord = Literal["u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64", "bit", "hi", "lo", "bcd", "pair"]
OrderWord = Literal["ABCD", "CDAB", "BADC", "DCBA"]
Whole = Annotated[str, StringConstraints(pattern=r"^-?\d+$")]
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


class BlockTable(Strict):
    """One entry of `blocks`: registers that the device gives only together."""

    at: int = Field(ge=0, le=_LAST_ADDRESS + 1)
    count: int = Field(ge=1, le=2000)
    function: Literal[1, 2, 3, 4] | None = None

    def block(self, table: "ModbusTable") -> Block:
        """Return it with the address as it goes on the wire."""
        return Block(self.function or table.function, wire_address(self.at, table.base), self.count)


class ModbusTable(Strict):
    """[modbus]: what the addresses count from, and what the device takes in one request."""

    base: Literal[0, 1]
    function: Literal[1, 2, 3, 4] = 3
    order: OrderWord | None = None
    max_registers: int = Field(default=125, ge=1, le=125)
    max_gap: int = Field(default=0, ge=0, le=100)
    max_bits: int = Field(default=2000, ge=1, le=2000)
    blocks: list[BlockTable] = Field(default_factory=list)
    identity: IdentityTable | None = None


class ModbusProfileFile(ProfileHead):
    """The whole of a Modbus device's file."""

    modbus: ModbusTable
    channel: list[ModbusChannel] = Field(min_length=1)


def modbus_profile(id: str, document: Document) -> Profile | None:
    """Read the profile of a Modbus device; None, and the reasons noted, when it makes no sense."""
    file = document.model(ModbusProfileFile)
    if file is None:
        return None
    unique(document, [(c.id, c.point, c.id if file.kind else "") for c in file.channel])
    fields = {c.id: c.field(file.modbus, file.kind) for c in file.channel}
    for index, channel in enumerate(file.channel):
        _check(document, ("channel", index), channel, fields, file.modbus)
    modbus = ModbusMap(
        fields=fields,
        base=file.modbus.base,
        max_registers=file.modbus.max_registers,
        max_gap=file.modbus.max_gap,
        max_bits=file.modbus.max_bits,
        blocks=tuple(one.block(file.modbus) for one in file.modbus.blocks),
        identity=file.modbus.identity.identity(file.modbus) if file.modbus.identity else None,
    )
    if modbus.identity and not 0 <= modbus.identity.address <= _LAST_ADDRESS:
        document.error(("modbus", "identity", "at"), "地址超出 0–65535", "is outside the addresses 0 to 65535")
    for index, block in enumerate(modbus.blocks):
        most = _LONGEST_BITS if block.function in BIT_FUNCTIONS else _LONGEST
        if not 0 <= block.address <= _LAST_ADDRESS + 1 - block.count or block.count > most:
            where = ("modbus", "blocks", index)
            document.error(where, f"超出地址 0–65535 或多于 {most} 个", f"is beyond 0 to 65535, or more than {most}")
    return profile(id, document, file, modbus=modbus)


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
    blocks = [one.block(table) for one in table.blocks]
    if blocks and field.type is not Type.PAIR and not any(block.holds(field) for block in blocks):
        document.error((*loc, "at"), "不在 blocks 的任何一块之内", "stands in none of the blocks")
    if wide > table.max_registers:
        document.error((*loc, "type"), "比 max_registers 还长", "is longer than max_registers allows")
    for other in field.needs:
        if other not in fields:
            document.error(loc, f"没有通道 {other}", f"there is no channel {other}")
        elif fields[other].needs:
            document.error(loc, f"通道 {other} 自身也由别的通道算出", f"channel {other} is itself computed from others")
