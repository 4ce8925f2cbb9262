"""Lines of the log book, and notices, as they leave."""

from typing import Any

import msgspec
from pydantic import TypeAdapter

from api.shapes.health import NoticeShape
from api.shapes.record import RecordShape
from api.station import Notice
from api.views.words import number, words
from facility.ports import Written
from facility.records import Payload


def payload(data: Payload) -> dict[str, Any]:
    """Return a payload's fields by name."""
    fields: dict[str, Any] = msgspec.to_builtins(data)
    if "class_" in fields:
        fields["class"] = fields.pop("class_")
    return {k: number(v) if isinstance(v, float) else v for k, v in fields.items()}


def record_shape(written: Written) -> RecordShape:
    """Return a line of the log book."""
    record = written.record
    return RecordShape(
        seq=written.seq,
        at_ms=record.at_ms,
        kind=str(record.kind),
        subject=record.subject,
        actor=record.actor,
        about=list(record.about),
        data=payload(record.data),
        hash=written.hash,
    )


def notice_shape(notice: Notice) -> NoticeShape:
    """Return a standing word of the product."""
    return NoticeShape(id=notice.id, level=notice.level, text=words(notice.text), since_ms=notice.since_ms)


RECORDS = TypeAdapter(list[RecordShape])
