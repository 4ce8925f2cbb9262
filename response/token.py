"""The phone page's token: says which person acts on which incident, and cannot be made without the site's secret.

It is a function of (secret, incident, person, generation), so that a page sent again after a crash carries the
same link; raising the generation revokes it.
"""

import base64
import binascii
import hashlib
import hmac

SIGNATURE_BYTES = 16
"""128 bits: short enough for a text message, far too long to guess."""

_PURPOSE = b"dutyroom phone page v1\0"


def phone_token(secret: bytes, incident: str, person: str, generation: int = 0) -> str:
    """Return the url-safe token; ValueError when an id is empty or holds the separator."""
    if not secret:
        raise ValueError("a phone token needs the site's secret")
    if not incident or not person or "|" in incident + person:
        raise ValueError(f"not an id: {incident!r} or {person!r}")
    said = f"{generation}|{incident}|{person}".encode()
    return f"{_text(said)}.{_text(_signature(secret, said))}"


def read_token(secret: bytes, token: str) -> tuple[str, str, int] | None:
    """Return (incident, person, generation), or None for anything that `phone_token` did not make."""
    said_text, _, signature_text = token.partition(".")
    said, signature = _bytes(said_text), _bytes(signature_text)
    if not secret or said is None or signature is None:
        return None
    if not hmac.compare_digest(signature, _signature(secret, said)):
        return None
    generation, incident, person = said.decode().split("|")
    return incident, person, int(generation)


def _signature(secret: bytes, said: bytes) -> bytes:
    return hmac.digest(secret, _PURPOSE + said, hashlib.sha256)[:SIGNATURE_BYTES]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes | None:
    """Return the bytes, or None when the text is not the one way to write them."""
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (UnicodeEncodeError, binascii.Error, ValueError):
        return None
    return raw if raw and _text(raw) == text else None
