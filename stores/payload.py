"""Payloads as text in the book, and back.

What an older or newer program wrote stays readable: unknown fields are passed over, and a kind or a shape that
this version does not know is kept word for word as `Raw`.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import msgspec

from facility.records import PAYLOADS, Kind, Payload


@dataclass(frozen=True, slots=True)
class Raw(Payload):
    """A payload that this version cannot type; `text` is its JSON as stored."""

    text: str


_KINDS = {kind.value: kind for kind in Kind}


def encode(payload: Payload) -> str:
    """Return a payload's JSON, fields in the order of their definition; NaN becomes null."""
    if isinstance(payload, Raw):
        return payload.text
    try:
        return msgspec.json.encode(payload).decode()
    except UnicodeEncodeError:  # half a character pair, from a browser: shown as a replacement, never a lost record
        return msgspec.json.encode(_whole(msgspec.to_builtins(payload))).decode()


def decode(kind: str, text: str) -> Payload:
    """Return the typed payload of a stored record, or `Raw`."""
    decoder = _decoder(kind)
    if decoder is None:
        return Raw(text)
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        return Raw(text)


def kind_of(kind: str) -> Kind:
    """Return the kind; one that this version does not know stays the plain text it is stored as."""
    return _KINDS.get(kind) or cast("Kind", kind)


@cache
def _decoder(kind: str) -> msgspec.json.Decoder[Payload] | None:
    known = _KINDS.get(kind)
    return msgspec.json.Decoder(PAYLOADS[known]) if known is not None and known in PAYLOADS else None


def whole_text(text: str) -> str:
    """Return the text as SQLite can hold and find it: half character pairs and NUL are replaced."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return whole_text(value)
    if isinstance(value, dict):
        return {_whole(key): _whole(item) for key, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, list) else value
