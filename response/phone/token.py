"""Tokens that cannot be made without the site's secret: the phone page's, and that of a duty calendar.

The phone page's says which person acts on which incident.
It is a function of (secret, incident, person, generation), so that a page sent again after a crash carries the
same link; raising the generation revokes it.
"""

import base64
import binascii
import hashlib
import hmac

SIGNATURE_BYTES = 16
"""128 bits: short enough for a text message, far too long to guess."""

_PHONE = b"dutyroom phone page v1\0"
_CALENDAR = b"dutyroom duty calendar v1\0"


def phone_token(secret: bytes, incident: str, person: str, generation: int = 0) -> str:
    """Return the url-safe token; ValueError when an id is empty or holds the separator."""
    if not secret:
        raise ValueError("a phone token needs the site's secret")
    if not incident or not person or "|" in incident + person:
        raise ValueError(f"not an id: {incident!r} or {person!r}")
    said = f"{generation}|{incident}|{person}".encode()
    return f"{_text(said)}.{_text(_signature(secret, said, _PHONE))}"


def read_token(secret: bytes, token: str) -> tuple[str, str, int] | None:
    """Return (incident, person, generation), or None for anything that `phone_token` did not make."""
    said_text, _, signature_text = token.partition(".")
    said, signature = _bytes(said_text), _bytes(signature_text)
    if not secret or said is None or signature is None:
        return None
    if not hmac.compare_digest(signature, _signature(secret, said, _PHONE)):
        return None
    generation, incident, person = said.decode().split("|")
    return incident, person, int(generation)


def calendar_token(secret: bytes, whose: str, generation: int = 0) -> str:
    """Return the token that reads one duty calendar and nothing else; `whose` is "person:<id>" or "role:<id>"."""
    if not secret or not whose or "|" in whose:
        raise ValueError(f"no secret, or not an id: {whose!r}")
    said = f"{generation}|{whose}".encode()
    return f"{_text(said)}.{_text(_signature(secret, said, _CALENDAR))}"


def read_calendar_token(secret: bytes, token: str) -> tuple[str, int] | None:
    """Return (whose, generation), or None for anything that `calendar_token` did not make."""
    said_text, _, signature_text = token.partition(".")
    said, signature = _bytes(said_text), _bytes(signature_text)
    if not secret or said is None or signature is None:
        return None
    if not hmac.compare_digest(signature, _signature(secret, said, _CALENDAR)):
        return None
    generation, whose = said.decode().split("|")
    return whose, int(generation)


def _signature(secret: bytes, said: bytes, purpose: bytes) -> bytes:
    return hmac.digest(secret, purpose + said, hashlib.sha256)[:SIGNATURE_BYTES]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes | None:
    """Return the bytes, or None when the text is not the one way to write them."""
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (UnicodeEncodeError, binascii.Error, ValueError):
        return None
    return raw if raw and _text(raw) == text else None
