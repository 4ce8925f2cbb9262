"""A vendor's point table read row by row: every channel checked, every mistake with its row."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from collectors.profile import BIT_FUNCTIONS, REGISTERS, Type
from facility.point import Kind
from sitefolder.finding import Problems
from sitefolder.tablefile import Rows
from sitefolder.vendorwords import function_of, kind_and_order, meanings, plain, scale_of, unit_factor

_HEAD_ROWS = 30  # a title and remarks may stand above the headings
_LAST = 65_535
_MODICON = re.compile(r"^([0134])(\d{4,5})$")
_MODICON_FUNCTION = {"0": 1, "1": 2, "3": 4, "4": 3}
_UNIT_LAST = 255


@dataclass(frozen=True, slots=True)
class Channel:
    """One row that could be read; `address` is on the wire."""

    id: str
    name: str
    address: int
    function: int
    type: str
    point: str
    order: str = ""
    scale: float = 1.0
    offset: float = 0.0
    bit: int = 0
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """What the table may leave open."""

    base: int | None = None  # what plain addresses count from; None: the table must show it (4xxxx)
    order: str = ""  # word order of values over several registers
    function: int = 3
    unit: int = 1


@dataclass
class PointTable:
    """The devices of a table, in the order of their first row: (name, unit number) -> channels."""

    devices: dict[tuple[str, int], list[Channel]] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)  # headings that mean nothing to us


def columns_of(rows: Rows) -> tuple[int, dict[str, int]] | None:
    """Return where the headings stand: index of the row, and the column of each meaning; None when there are none."""
    known = meanings("headings")
    for index, (_, cells) in enumerate(rows[:_HEAD_ROWS]):
        found: dict[str, int] = {}
        for at, cell in enumerate(cells):
            meaning = known.get(plain(cell))
            if meaning:
                found.setdefault(meaning, at)
        if "address" in found and ("name" in found or "id" in found):
            return index, found
    return None


def read_table(file: str, rows: Rows, kind: Kind | None, options: Options, problems: Problems) -> PointTable:
    """Read all rows; what is wrong is noted with its row, and then nothing should be made of the table."""
    table = PointTable()
    head = columns_of(rows)
    if head is None:
        problems.error(
            file,
            "",
            "没有找到表头：需要“地址”和“名称”两列",
            "has no headings: a column for the address and one for the name are needed",
        )
        return table
    at, columns = head
    table.ignored = [c for i, c in enumerate(rows[at][1]) if c and i not in columns.values()]
    device, slave = "", options.unit
    for number, cells in rows[at + 1 :]:
        given = {m: cells[i] for m, i in columns.items() if i < len(cells) and cells[i]}
        row = _Row(file, number, given, problems)
        device = given.get("device", device)
        if "slave" in given:
            slave = row.whole("slave", _UNIT_LAST) or 0
        if "address" not in given:
            if set(given) - {"name", "device", "id"}:
                row.error("缺少地址", "has no address")
            continue  # a line of its own that names a group
        channel = _channel(row, kind, options)
        if channel is not None:
            _keep(row, table.devices.setdefault((device, slave), []), channel)
    if not table.devices and not problems.errors:
        problems.error(file, "", "表里没有一个点", "has not a single point")
    return table


@dataclass(frozen=True, slots=True)
class _Row:
    file: str
    number: int
    given: Mapping[str, str]
    problems: Problems

    def error(self, zh: str, en: str) -> None:
        self.problems.error(self.file, f"row {self.number}", zh, en, self.number)

    def whole(self, column: str, most: int) -> int | None:
        text = self.given[column]
        if not text.isdecimal() or int(text) > most:
            self.error(f"{text} 不是 0–{most} 的整数", f"{text} is no whole number from 0 to {most}")
            return None
        return int(text)


def _channel(row: _Row, kind: Kind | None, options: Options) -> Channel | None:
    before = len(row.problems.errors)
    place = _place(row, options)
    type_, order = _type(row, place[1] if place else 3, bit=place is not None and place[2] is not None)
    scale, offset = _scale(row), _offset(row)
    order = _order(row, type_, order or options.order)
    point, factor = _point(row, kind)
    if place is None or len(row.problems.errors) > before:
        return None
    address, function, bit = place
    if function in BIT_FUNCTIONS and type_ != "bit":
        row.error("线圈和离散输入只能是位", "coils and discrete inputs bring only bits")
        return None
    if address + max(REGISTERS[Type(type_)], 1) - 1 > _LAST:
        row.error("数值超出最后一个寄存器", "reaches beyond the last register")
        return None
    name = row.given.get("name") or row.given.get("id", "")
    given = row.given.get("unit", "")
    unit = kind.points[point].unit if kind and point else given
    id = _id(row, point, address, bit)
    return Channel(id, name, address, function, type_, point, order, scale * factor, offset * factor, bit or 0, unit)


def _place(row: _Row, options: Options) -> tuple[int, int, int | None] | None:
    """Return wire address, function and bit."""
    text = row.given["address"].replace(" ", "")
    found = re.match(r"^(.*?)[.:/](?:bit)?(\d{1,2})$", text, re.IGNORECASE)
    bit: int | None = None
    if found:
        text, bit = found[1], int(found[2])
    if "bit" in row.given:
        bit = row.whole("bit", 15)
    if bit is not None and bit > 15:  # noqa: PLR2004 - a register has 16
        row.error("位号为 0–15", "a bit is 0 to 15")
        return None
    function = _function(row)
    modicon = _MODICON.match(text) if options.base != 0 else None
    if modicon:
        area = _MODICON_FUNCTION[modicon[1]]
        if function is not None and function != area:
            row.error(
                f"地址 {text} 属于功能码 {area}，表里写的是 {function}",
                f"address {text} belongs to function {area}, the table says {function}",
            )
            return None
        return _within(row, int(modicon[2]) - 1, area, bit)
    hexadecimal = re.match(r"^(?:0x([0-9a-f]+)|([0-9a-f]+)h)$", text, re.IGNORECASE)
    if not hexadecimal and not text.isdecimal():
        row.error(f"看不懂地址 {text}", f"the address {text} cannot be read; write 40001, 100, 0x0064 or 40018.3")
        return None
    number = int(hexadecimal[1] or hexadecimal[2], 16) if hexadecimal else int(text)
    if options.base is None:
        row.error(
            f"不知道地址 {text} 从 0 还是从 1 数：加 --base 0 或 --base 1（用 dutyroom probe 对照一个已知值）",
            f"whether {text} counts from 0 or 1 is not known: give --base 0 or --base 1 (dutyroom probe tells)",
        )
        return None
    return _within(row, number - options.base, function or options.function, bit)


def _within(row: _Row, address: int, function: int, bit: int | None) -> tuple[int, int, int | None] | None:
    if not 0 <= address <= _LAST:
        row.error("地址超出 0–65535", "the address is outside 0 to 65535")
        return None
    return address, function, bit


def _function(row: _Row) -> int | None:
    text = row.given.get("function")
    if text is None:
        return None
    function = function_of(text)
    if function is None:
        row.error(f"看不懂功能码 {text}（本系统只读：1–4）", f"function {text} is not a read (1 to 4)")
    return function


def _type(row: _Row, function: int, *, bit: bool) -> tuple[str, str | None]:
    text = row.given.get("type")
    if bit or (text is None and function in BIT_FUNCTIONS):
        return "bit", None
    if text is None:
        row.error("缺少数据类型", "has no data type")
        return "u16", None
    type_, order = kind_and_order(text)
    if type_ is None:
        row.error(f"看不懂数据类型 {text}", f"the data type {text} is not known")
    elif type_ == "bit" and function not in BIT_FUNCTIONS:
        row.error(
            "寄存器里的位要写位号（40018.3 或“位”列）",
            "a bit of a register needs its number (40018.3, or a bit column)",
        )
    return type_ or "u16", order


def _order(row: _Row, type_: str, otherwise: str) -> str:
    if REGISTERS[Type(type_)] < 2:  # noqa: PLR2004 - one register has no word order
        return ""
    text = row.given.get("order")
    order = meanings("orders").get(plain(text)) if text else otherwise
    if text and not order:
        row.error(f"看不懂字节序 {text}", f"the byte order {text} is not known; write ABCD, CDAB, BADC or DCBA")
    elif not order:
        row.error(
            "多寄存器数值没有字节序：加“字节序”列或 --order ABCD（用 dutyroom probe 对照一个已知值）",
            "a value over several registers needs its byte order: a column, or --order ABCD (dutyroom probe tells)",
        )
    return order or ""


def _scale(row: _Row) -> float:
    scale = 1.0
    if "scale" in row.given:
        found = scale_of(row.given["scale"])
        if found is None:
            row.error(f"看不懂系数 {row.given['scale']}", f"the factor {row.given['scale']} cannot be read")
        scale = found or 1.0
    elif "decimals" in row.given:
        scale = 10.0 ** -(row.whole("decimals", 6) or 0)
    return scale


def _offset(row: _Row) -> float:
    text = row.given.get("offset", "0")
    if not re.match(r"^[+-]?\d+(\.\d+)?$", text):
        row.error(f"看不懂偏移 {text}", f"the offset {text} cannot be read")
        return 0.0
    return float(text)


def _point(row: _Row, kind: Kind | None) -> tuple[str, float]:
    """Return the canonical point that the row's names mean ("": none), and what turns its unit into the point's."""
    if kind is None:
        return "", 1.0
    names = {plain(p.text.zh): n for n, p in kind.points.items()} | {
        plain(p.text.en): n for n, p in kind.points.items()
    }
    names |= {plain(n): n for n in kind.points}
    usual = meanings("points")
    for column in ("id", "name"):
        word = plain(row.given.get(column, ""))
        point = names.get(word) or usual.get(word, "")
        if point in kind.points:
            theirs, ours = row.given.get("unit", ""), kind.points[point].unit
            factor = unit_factor(theirs, ours) if theirs else 1.0
            if factor is None:
                row.error(
                    f"单位 {theirs} 不能换成 {ours}", f"the unit {theirs} does not fit the point's {ours or 'none'}"
                )
            return point, factor or 1.0
    return "", 1.0


def _id(row: _Row, point: str, address: int, bit: int | None) -> str:
    if point:
        return point
    for column in ("id", "name"):
        word = re.sub(r"[^a-z0-9]+", "_", row.given.get(column, "").lower()).strip("_")[:40]
        if row.given.get(column, "").isascii() and re.match(r"^[a-z]", word):
            return word
    return f"r{address}" + (f"_{bit}" if bit is not None else "")


def _keep(row: _Row, channels: list[Channel], channel: Channel) -> None:
    ids: Sequence[str] = [c.id for c in channels]
    if channel.point and channel.id in ids:
        row.error(f"点位 {channel.id} 在表里出现两次", f"the point {channel.id} stands in the table twice")
    elif channel.id in ids:
        row.error(f"标识 {channel.id} 重复，请在“标识”列另取", f"the id {channel.id} stands in the table twice")
    else:
        channels.append(channel)
