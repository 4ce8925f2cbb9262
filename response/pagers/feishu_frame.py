"""The frames of Feishu's long connection: message `Frame` of package `pbbp2`, protocol buffers in wire format.

Source: larksuite/oapi-sdk-python, lark_oapi/ws/pb/pbbp2_pb2.py. Only the two wire types that it uses are read and
written: varint and length-delimited. The other two are passed over.
"""

from dataclasses import dataclass, replace

CONTROL, DATA = 0, 1

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST = 10  # bytes of a varint
_WORD = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame; `headers` in their order."""

    sequence: int = 0
    log: int = 0
    service: int = 0
    method: int = CONTROL
    headers: tuple[tuple[str, str], ...] = ()
    encoding: str = ""
    kind: str = ""
    payload: bytes = b""
    log_new: str = ""

    def header(self, name: str, default: str = "") -> str:
        """Return a header's value."""
        return next((value for key, value in self.headers if key == name), default)

    def answered(self, payload: bytes, took_ms: int) -> "Frame":
        """Return the frame that says what became of this one."""
        return replace(self, headers=(*self.headers, ("biz_rt", str(took_ms))), payload=payload)


def encoded(frame: Frame) -> bytes:
    """Return a frame as bytes; the first four fields are required, empty ones of the rest are left out."""
    out = bytearray()
    for field, number in enumerate((frame.sequence, frame.log, frame.service, frame.method), 1):
        out += _varint(field << 3 | _VARINT) + _varint(number & _WORD)
    for key, value in frame.headers:
        out += _field(5, _field(1, key.encode()) + _field(2, value.encode()))
    for field, raw in ((6, frame.encoding.encode()), (7, frame.kind.encode()), (8, frame.payload)):
        out += _field(field, raw) if raw else b""
    return bytes(out + (_field(9, frame.log_new.encode()) if frame.log_new else b""))


def decoded(raw: bytes) -> Frame:
    """Return the frame that bytes hold; raise ValueError where they hold none."""
    numbers: dict[int, int] = {}
    texts: dict[int, bytes] = {}
    headers: list[tuple[str, str]] = []
    for field, value in _fields(raw):
        if isinstance(value, int):
            numbers[field] = value
        elif field == 5:  # noqa: PLR2004 - the field's number
            pair = {n: v for n, v in _fields(value) if isinstance(v, bytes)}
            headers.append((pair.get(1, b"").decode(), pair.get(2, b"").decode()))
        else:
            texts[field] = value
    service, method = (n - (1 << 64) if n >> 63 else n for n in (numbers.get(3, 0), numbers.get(4, 0)))
    words = {field: texts.get(field, b"").decode() for field in (6, 7, 9)}
    payload = texts.get(8, b"")
    return Frame(
        numbers.get(1, 0), numbers.get(2, 0), service, method, tuple(headers), words[6], words[7], payload, words[9]
    )


def _fields(raw: bytes) -> list[tuple[int, int | bytes]]:
    out: list[tuple[int, int | bytes]] = []
    at = 0
    while at < len(raw):
        tag, at = _number(raw, at)
        field, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            number, at = _number(raw, at)
            out.append((field, number))
        elif kind == _BYTES:
            length, at = _number(raw, at)
            if at + length > len(raw):
                raise ValueError("a frame that breaks off")
            out.append((field, raw[at : at + length]))
            at += length
        elif kind in {_FIXED32, _FIXED64}:
            at += 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"a frame with wire type {kind}")
    if at != len(raw):
        raise ValueError("a frame that breaks off")
    return out


def _number(raw: bytes, at: int) -> tuple[int, int]:
    number = 0
    for n in range(_LONGEST):
        if at + n >= len(raw):
            break
        byte = raw[at + n]
        number |= (byte & 0x7F) << 7 * n
        if byte < 0x80:  # noqa: PLR2004 - the bit that says "more follows"
            return number & _WORD, at + n + 1
    raise ValueError("a frame with a number that does not end")


def _field(field: int, raw: bytes) -> bytes:
    return _varint(field << 3 | _BYTES) + _varint(len(raw)) + raw


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
