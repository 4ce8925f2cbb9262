"""A batch of scans as bytes: columnar, lossless, cheap to make.

Scans of one width are stacked into a matrix; every column takes the narrowest form that gives its values back bit for
bit (scaled integers, float32, float64), its bytes are shuffled into planes, and planes that look like noise are
left out of the compressor, which would only burn time on them. Pure: no clock, no file.
"""

import json
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facility.scan import Scan

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Octets = NDArray[np.uint8]

_VERSION = 1
_LEVEL = 1
_HEAD = struct.Struct("<BI")  # version, CRC of what follows
_LENGTHS = struct.Struct("<II")  # of the packed part, and when inflated
_COUNTS = struct.Struct("<III")  # scans, groups, bytes of extras
_GROUP = struct.Struct("<III")  # width, rows, rows with reasons

# Column forms, one byte each in the blob; an integer form adds its size (0: 2 bytes, 8: 4 bytes) and its scale.
_F64, _F32, _INTEGER, _WIDE = 0, 1, 16, 8
_PLAIN: tuple[tuple[int, "np.dtype[Any]"], ...] = ((_F64, np.dtype("<f8")), (_F32, np.dtype("<f4")))
# How a maker's integer became a float decides its bits: 234/10 and 234*0.1 differ.
_SCALES: tuple[tuple[float, bool], ...] = (
    (1.0, True),
    (10.0, True),
    (0.1, False),
    (100.0, True),
    (0.01, False),
    (1000.0, True),
    (0.001, False),
)
_SIZES: tuple[tuple[int, "np.dtype[Any]"], ...] = ((0, np.dtype("<i2")), (_WIDE, np.dtype("<i4")))
_NAN_BITS = 0x7FF8000000000000
_SMALL = 512  # values; below this the forms cost more than they save
_PROBE_ROWS = 4
_PROBE_BYTES = 2048
_NOISE = 1.3 / 256 + 1.0 / _PROBE_BYTES  # chance that two bytes of a plane are equal; 1/256 is pure noise


@dataclass(slots=True, eq=False)
class Block:
    """The columns of a group that have one form, as narrow as they were stored: `numbers` is columns x rows."""

    form: int
    columns: Ints
    numbers: NDArray[Any]


@dataclass(slots=True, eq=False)
class Group:
    """The scans of a batch that have one width. `scans` are their positions in the batch."""

    scans: Ints
    width: int
    blocks: list[Block]
    reasons: Octets | None  # rows x width, or None when every value is good

    @property
    def values(self) -> Floats:
        """The values, rows x width; made anew each time."""
        values = np.empty((len(self.scans), self.width), "<f8")
        for block in self.blocks:
            values[:, block.columns] = floats(block.form, block.numbers).T
        return values

    def column(self, position: int) -> Floats:
        """Return the values of one column."""
        for block in self.blocks:
            where = int(np.searchsorted(block.columns, position))
            if where < len(block.columns) and block.columns[where] == position:
                return floats(block.form, block.numbers[where])
        raise IndexError(position)

    @property
    def size(self) -> int:
        """How many values it has."""
        return len(self.scans) * self.width


@dataclass(slots=True, eq=False)
class Batch:
    """A decoded batch: one entry per scan in the order of the commit."""

    layout: Ints
    at_ms: Ints
    received_ms: Ints
    seq: Ints
    groups: list[Group]
    texts: dict[int, dict[int, str]] = field(default_factory=dict)
    moved: list[int] = field(default_factory=list)  # positions of scans by which a rule changed

    def __len__(self) -> int:
        return len(self.layout)

    @property
    def readings(self) -> int:
        """How many values it has."""
        return sum(group.size for group in self.groups)

    def scans(self, device: Mapping[int, str]) -> list[Scan]:
        """Return the scans as they were committed; `device` names the device of each layout id."""
        values: list[tuple[float, ...]] = [()] * len(self)
        reasons: list[bytes] = [b""] * len(self)
        for group in self.groups:
            good = bytes(group.width)
            bad = repeat(good) if group.reasons is None else (row.tobytes() for row in group.reasons)
            for i, row, why in zip(group.scans.tolist(), group.values.tolist(), bad, strict=False):
                values[i], reasons[i] = tuple(row), why
        moved = set(self.moved)
        heads = zip(
            self.layout.tolist(), self.at_ms.tolist(), self.received_ms.tolist(), self.seq.tolist(), strict=True
        )
        return [
            Scan(device[layout], at, received, values[i], reasons[i], seq, self.texts.get(i), moved=i in moved)
            for i, (layout, at, received, seq) in enumerate(heads)
        ]


def encode(scans: Sequence[Scan], layouts: Sequence[int]) -> bytes:
    """Return the scans as one blob; `layouts` gives the layout id of each.

    Raises:
        ValueError: a scan whose reasons do not match its values, or a number that does not fit 64 bits.
    """
    n = len(scans)
    try:
        heads = np.array([(s.at_ms, s.received_ms, s.seq) for s in scans], "<i8").reshape(n, 3).T
    except OverflowError as error:
        raise ValueError(f"a time or sequence number does not fit 64 bits: {error}") from None
    by_width: dict[int, list[int]] = {}
    for i, scan in enumerate(scans):
        width = scan.width
        if len(scan.reasons) != width:
            raise ValueError(f"device {scan.device}: {width} values but {len(scan.reasons)} reasons")
        by_width.setdefault(width, []).append(i)

    group_of = np.zeros(n, "<u4")
    packed: list[bytes] = []
    loose: list[bytes] = []
    for number, (width, members) in enumerate(by_width.items()):
        group_of[members] = number
        _pack_group([scans[i] for i in members], width, packed, loose)
    told: dict[Any, Any] = {i: s.texts for i, s in enumerate(scans) if s.texts}
    if moved := [i for i, s in enumerate(scans) if s.moved]:
        told["moved"] = moved
    extras = json.dumps(told, separators=(",", ":")).encode() if told else b""
    first = heads[0, :1]
    columns = (
        np.asarray(layouts, "<u4"),
        group_of,
        heads[0] - first,
        heads[1] - heads[0],
        heads[2],
    )
    body = b"".join(
        (
            _COUNTS.pack(n, len(by_width), len(extras)),
            first.tobytes() or bytes(8),
            *(_shuffled(column).tobytes() for column in columns),
            extras,
            *packed,
        )
    )
    squeezed = zlib.compress(body, _LEVEL)
    rest = b"".join((_LENGTHS.pack(len(squeezed), len(body)), squeezed, *loose))
    return _HEAD.pack(_VERSION, zlib.crc32(rest)) + rest


def _pack_group(scans: list[Scan], width: int, packed: list[bytes], loose: list[bytes]) -> None:
    """Append one width's values and reasons: what may shrink to `packed`, what looks like noise to `loose`."""
    rows = len(scans)
    matrix = np.frombuffer(b"".join([s.image for s in scans]), "<f8").reshape(rows, width)
    good = bytes(width)
    marked = [i for i, s in enumerate(scans) if s.reasons != good]
    forms, planes = _forms(matrix)
    flags = bytearray()
    kept: list[bytes] = []
    for plane in planes:
        noisy = _looks_like_noise(plane)
        flags.append(noisy)
        (loose if noisy else kept).append(plane.tobytes())
    packed.append(_GROUP.pack(width, rows, len(marked)))
    packed.append(forms.tobytes())
    packed.append(bytes([len(flags)]) + bytes(flags))
    if marked:
        packed.append(np.asarray(marked, "<u4").tobytes())
        packed.extend(scans[i].reasons for i in marked)
    packed.extend(kept)


def _forms(matrix: Floats) -> tuple[Octets, list[Octets]]:
    """Choose each column's form and return the forms with the byte planes, form by form."""
    width = matrix.shape[1]
    forms = np.full(width, _F64, np.uint8)
    stored: dict[int, list[NDArray[Any]]] = {}
    if matrix.size >= _SMALL:
        with np.errstate(all="ignore"):
            rest = np.arange(width)
            for index in range(len(_SCALES)):
                rest = _take_integers(matrix, rest, index, forms, stored)
                if not rest.size:
                    break
            narrow = matrix[:, rest].astype("<f4")
            exact = (narrow.astype("<f8").view("<i8") == matrix[:, rest].view("<i8")).all(axis=0)
            forms[rest[exact]] = _F32
    planes: list[Octets] = []
    for form, kind in _PLAIN:
        columns = np.flatnonzero(forms == form)
        if columns.size:
            planes.extend(_shuffled(np.ascontiguousarray(matrix[:, columns].T.astype(kind)).reshape(-1)))
    for form in sorted(stored):
        parts = stored[form]
        planes.extend(_shuffled(np.concatenate([np.ascontiguousarray(part.T).reshape(-1) for part in parts])))
    return forms, planes


def _take_integers(
    matrix: Floats, columns: Ints, index: int, forms: Octets, stored: dict[int, list[NDArray[Any]]]
) -> Ints:
    """Store those columns that this scale gives back exactly; return the columns that remain."""
    likely = columns[_whole(matrix[:_PROBE_ROWS, columns], index)[1]]
    if not likely.size:
        return columns
    numbers, fits = _whole(matrix[:, likely], index)
    if not fits.any():
        return columns
    taken, numbers = likely[fits], numbers[:, fits]
    held = np.where(numbers == _sentinel(4), 0, numbers)
    small = (held.min(axis=0) > _sentinel(2)) & (held.max(axis=0) < -_sentinel(2))
    for (size, kind), which in zip(_SIZES, (small, ~small), strict=True):
        if which.any():
            part = numbers[:, which]
            part = np.where(part == _sentinel(4), _sentinel(kind.itemsize), part).astype(kind)
            forms[taken[which]] = _INTEGER + size + index
            stored.setdefault(_INTEGER + size + index, []).append(part)
    return columns[~np.isin(columns, taken)]


def _whole(matrix: Floats, index: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return the values as integers under a scale, and which columns come back bit for bit."""
    scale, divides = _SCALES[index]
    raw = np.rint(matrix * scale if divides else matrix / scale)
    hole = matrix.view("<i8") == _NAN_BITS
    fits = np.abs(raw) < -_sentinel(4)
    numbers = np.where(fits, raw, _sentinel(4)).astype(np.int32)
    back = numbers / scale if divides else numbers * scale
    same = back.view("<i8") == matrix.view("<i8")
    return numbers, ((same & fits) | hole).all(axis=0)


def _sentinel(size: int) -> int:
    """Return the integer that stands for NaN in a form of this many bytes."""
    return -(1 << (8 * size - 1))


def _shuffled(column: NDArray[Any]) -> Octets:
    """Return the bytes of a contiguous column as planes: all first bytes, all second bytes, and so on."""
    size = column.dtype.itemsize
    return np.ascontiguousarray(np.ascontiguousarray(column).view(np.uint8).reshape(-1, size).T)


def _looks_like_noise(plane: Octets) -> bool:
    """Say whether a sample of the bytes is so even that compressing them would gain nothing."""
    if plane.size < _PROBE_BYTES:
        return False
    counts = np.bincount(plane[:: plane.size // _PROBE_BYTES][:_PROBE_BYTES], minlength=256)
    return float(np.dot(counts, counts)) < _NOISE * _PROBE_BYTES**2


def decode(blob: bytes) -> Batch:
    """Return the batch a blob holds.

    Raises:
        ValueError: the blob is damaged or of a later version.
    """
    try:
        return _decoded(blob)
    except (struct.error, zlib.error, IndexError, KeyError, UnicodeDecodeError, TypeError, AttributeError) as error:
        raise ValueError(f"a damaged batch of scans: {error}") from error


def _decoded(blob: bytes) -> Batch:
    version, crc = _HEAD.unpack_from(blob)
    rest = memoryview(blob)[_HEAD.size :]
    if version != _VERSION:
        raise ValueError(f"batch version {version} is not known here")
    if zlib.crc32(rest) != crc:
        raise ValueError("a batch of scans is damaged: its checksum does not fit")
    squeezed, length = _LENGTHS.unpack_from(rest)
    rest = rest[_LENGTHS.size :]
    packed = _Cursor(zlib.decompress(rest[:squeezed], bufsize=length))
    loose = _Cursor(bytes(rest[squeezed:]))
    n, groups, extra_bytes = _COUNTS.unpack(packed.take(_COUNTS.size))
    first = np.frombuffer(packed.take(8), "<i8")
    layout = _unshuffled(packed.take, "<u4", n)
    group_of = _unshuffled(packed.take, "<u4", n)
    at = _unshuffled(packed.take, "<i8", n) + first
    received = _unshuffled(packed.take, "<i8", n) + at
    seq = _unshuffled(packed.take, "<i8", n)
    extras = packed.take(extra_bytes)
    told = json.loads(extras) if extras else {}
    moved = told.pop("moved", [])
    texts = {int(i): {int(p): t for p, t in texts.items()} for i, texts in told.items()}
    order = np.argsort(group_of, kind="stable")
    ends = np.cumsum(np.bincount(group_of, minlength=groups)) if n else np.zeros(groups, np.int64)
    batch = Batch(layout.astype(np.int64), at, received, seq, [], texts, moved)
    for number in range(groups):
        members = order[ends[number - 1] if number else 0 : ends[number]]
        batch.groups.append(_unpack_group(members, packed, loose))
    return batch


def _unpack_group(members: Ints, packed: "_Cursor", loose: "_Cursor") -> Group:
    width, rows, marked = _GROUP.unpack(packed.take(_GROUP.size))
    if rows != len(members) or marked > rows:
        raise ValueError("a damaged batch of scans: the groups do not add up")
    forms = np.frombuffer(packed.take(width), np.uint8)
    flags = iter(packed.take(packed.take(1)[0]))
    reasons: Octets | None = None
    if marked:
        where = np.frombuffer(packed.take(4 * marked), "<u4")
        reasons = np.zeros((rows, width), np.uint8)
        reasons[where] = np.frombuffer(packed.take(marked * width), np.uint8).reshape(marked, width)

    def plane(size: int) -> bytes:
        return (loose if next(flags) else packed).take(size)

    blocks: list[Block] = []
    for form in np.unique(forms).tolist():
        columns = np.flatnonzero(forms == form)
        numbers = _unshuffled(plane, numbers_of(form), columns.size * rows)
        blocks.append(Block(form, columns, numbers.reshape(columns.size, rows)))
    return Group(members, width, blocks, reasons)


def numbers_of(form: int) -> "np.dtype[Any]":
    """Return the type of the numbers that a form stores."""
    return _PLAIN[form][1] if form in {_F64, _F32} else dict(_SIZES)[(form - _INTEGER) & _WIDE]


def wider(form: int, other: int) -> int:
    """Return the narrowest form that gives back what either of two forms does."""
    if form == other:
        return form
    if min(form, other) >= _INTEGER and form | _WIDE == other | _WIDE:
        return form | _WIDE
    return _F64


def widened(form: int, numbers: NDArray[Any], to: int) -> NDArray[Any]:
    """Return the numbers of a form as those of a wider one."""
    if form == to:
        return numbers
    if to == _F64:
        return floats(form, numbers)
    sentinel = numbers == _sentinel(numbers.dtype.itemsize)
    return np.where(sentinel, _sentinel(numbers_of(to).itemsize), numbers).astype(numbers_of(to))


def floats(form: int, numbers: NDArray[Any]) -> Floats:
    """Return the values that numbers of a form stand for."""
    if form in {_F64, _F32}:
        return numbers.astype("<f8")
    scale, divides = _SCALES[(form - _INTEGER) & ~_WIDE]
    values: Floats = numbers.astype("<f8")
    if scale != 1.0:
        values = np.divide(values, scale, out=values) if divides else np.multiply(values, scale, out=values)
    hole = numbers == _sentinel(numbers.dtype.itemsize)
    if hole.any():
        values[hole] = np.nan
    return values


def short(form: int) -> bool:
    """Say whether the values of a form are decimals of few digits."""
    return form >= _INTEGER and not (form - _INTEGER) & _WIDE


def _unshuffled(plane: Callable[[int], bytes], kind: "np.dtype[Any] | str", count: int) -> NDArray[Any]:
    """Read as many planes as the type has bytes and return the column."""
    dtype = np.dtype(kind)
    planes = np.frombuffer(b"".join([plane(count) for _ in range(dtype.itemsize)]), np.uint8)
    return np.ascontiguousarray(planes.reshape(dtype.itemsize, count).T).view(dtype).reshape(count)


@dataclass(slots=True)
class _Cursor:
    """Takes bytes from the front and refuses to read beyond the end."""

    data: bytes
    at: int = 0

    def take(self, size: int) -> bytes:
        part = self.data[self.at : self.at + size]
        if len(part) != size:
            raise ValueError("a batch is cut short")
        self.at += size
        return part
