"""Photos before they are kept: what a camera wrote beside the picture (where, when, by which phone) is taken out.

Nothing is decoded: the segments of a JPEG and the chunks of a PNG are walked, and those that make the picture stay.
Formats: JFIF and ITU-T T.81 (markers), Exif 2.32 section 4.6 (orientation), PNG (RFC 2083, section 3).
"""

import struct

from facility.text import Text
from stores.files import JPEG, PNG, FileRefusedError, media_type

PHOTOS = frozenset({JPEG, PNG})
"""What a photo may be."""

LARGEST = 10 * 1024 * 1024
"""Bytes of a photo as it is sent."""

_BROKEN = Text(
    "照片不完整，未保存。请重新拍摄或重新选择。", "The photo is incomplete and was not kept. Take or choose it again."
)
_EOI, _SOS, _APP0, _APP1, _APP2, _APP14, _COM, _TEM = 0xD9, 0xDA, 0xE0, 0xE1, 0xE2, 0xEE, 0xFE, 0x01
_RESTARTS = range(0xD0, 0xD8)
_KEPT_APPS = frozenset({_APP0, _APP14})  # JFIF, and how the colours are coded
_ICC = b"ICC_PROFILE\0"
_KEPT_CHUNKS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT"})
_PNG_START = b"\x89PNG\r\n\x1a\n"
_EXIF = b"Exif\0\0"
_ORIENTATION = 0x0112
_SIDEWAYS = range(2, 9)


def cleaned(data: bytes) -> bytes:
    """Return the picture alone: no place, time, phone, comment, thumbnail or second picture; the way up is kept.

    Raises:
        FileRefusedError: no JPEG or PNG by its bytes, or a broken one.
    """
    kind = media_type(data)
    try:
        if kind == JPEG:
            return _jpeg(data)
        if kind == PNG:
            return _png(data)
    except (IndexError, struct.error) as error:
        raise FileRefusedError(_BROKEN) from error
    raise FileRefusedError(
        Text(
            "只能添加照片（JPEG 或 PNG）。请改用相机拍摄，或在手机设置中选“兼容性最佳”。",
            "Only photos can be added (JPEG or PNG). Use the camera, or set the phone to “most compatible”.",
        )
    )


def _jpeg(data: bytes) -> bytes:
    out, at = bytearray(data[:2]), 2
    turned = 0
    while True:
        if data[at] != 0xFF:  # noqa: PLR2004 - every marker begins so
            raise FileRefusedError(_BROKEN)
        marker = data[at + 1]
        if marker == 0xFF:  # noqa: PLR2004 - padding
            at += 1
            continue
        if marker == _EOI:
            break
        if marker in _RESTARTS or marker == _TEM:
            out += data[at : at + 2]
            at += 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        end = at + 2 + length
        if length < 2 or end > len(data):  # noqa: PLR2004 - the length counts itself
            raise FileRefusedError(_BROKEN)
        body = data[at + 4 : end]
        if marker == _APP1 and body.startswith(_EXIF):
            turned = turned or _orientation(body[len(_EXIF) :])
        elif _keeps(marker, body):
            out += data[at:end]
        at = end
        if marker == _SOS:
            at = _scan_end(data, end)
            out += data[end:at]
    return bytes(out[:2]) + (_upright(turned) if turned else b"") + bytes(out[2:]) + b"\xff\xd9"


def _keeps(marker: int, body: bytes) -> bool:
    if marker == _APP2:  # a colour profile stays; an index of further pictures goes
        return body.startswith(_ICC)
    return marker in _KEPT_APPS or not (_APP0 <= marker <= _APP0 + 15 or marker == _COM)


def _scan_end(data: bytes, at: int) -> int:
    """Return where the coded picture ends: at the next marker that is neither a stuffed byte nor a restart."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0:
            raise FileRefusedError(_BROKEN)
        if data[at + 1] == 0 or data[at + 1] in _RESTARTS:
            at += 2
        else:
            return at


def _orientation(tiff: bytes) -> int:
    """Return which way up the picture is (2 to 8), or 0 where it is upright or does not say."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 0
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, start)
        for n in range(min(entries, 200)):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, start + 2 + 12 * n)
            if tag == _ORIENTATION:
                return value if value in _SIDEWAYS else 0
    except struct.error:
        return 0  # what is broken here goes anyway
    return 0


def _upright(turned: int) -> bytes:
    """Return an Exif segment that says which way up, and nothing else."""
    tiff = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, _ORIENTATION, 3, 1, turned, 0, 0)
    return b"\xff\xe1" + struct.pack(">H", 2 + len(_EXIF) + len(tiff)) + _EXIF + tiff


def _png(data: bytes) -> bytes:
    out, at = bytearray(_PNG_START), len(_PNG_START)
    while True:
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise FileRefusedError(_BROKEN)
        if name in _KEPT_CHUNKS:
            out += data[at:end]
        at = end
        if name == b"IEND":
            return bytes(out)
