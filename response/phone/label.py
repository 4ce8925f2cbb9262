"""The label on a machine: a QR code that only this site can have made, and the same in six letters to be typed in.

Who reads it stands before the machine. A QR code is opened by the phone's own scanner, which may be another browser
than the one with the link; the letters work in any.
"""

import base64
import hashlib
import hmac

SIGNATURE_BYTES = 16
CODE_LETTERS = 6
"""30 bits: what is typed in is checked against one machine, and counted with the other presses of a link."""

_PURPOSE = b"dutyroom equipment label v1\0"
_ALPHABET = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789")
"""No I and O, which are read as 1 and 0."""


def signature(secret: bytes, equipment: str) -> str:
    """Return what stands behind the machine's id in its label's address."""
    return base64.urlsafe_b64encode(_mac(secret, equipment)[:SIGNATURE_BYTES]).rstrip(b"=").decode()


def code(secret: bytes, equipment: str) -> str:
    """Return the letters that are printed under the QR code."""
    return base64.b32encode(_mac(secret, equipment)[SIGNATURE_BYTES:]).translate(_ALPHABET).decode()[:CODE_LETTERS]


def is_signed(secret: bytes, equipment: str, given: str) -> bool:
    """Say whether a label's address is this site's own."""
    return hmac.compare_digest(signature(secret, equipment).encode(), given.encode())


def is_code(secret: bytes, equipment: str, given: str) -> bool:
    """Say whether somebody typed in the letters of a machine's label; small letters and spaces do not matter."""
    typed = "".join(given.upper().replace("-", " ").split()).encode()
    return hmac.compare_digest(code(secret, equipment).encode(), typed)


def _mac(secret: bytes, equipment: str) -> bytes:
    if not secret:
        raise ValueError("a label needs the site's secret")
    return hmac.digest(secret, _PURPOSE + equipment.encode(), hashlib.sha256)
