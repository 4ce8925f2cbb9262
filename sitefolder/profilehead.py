"""What the profiles of all devices say of themselves, whatever wire they are on."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from collectors.profile import ModbusMap, MqttMap, Profile, Trust
from sitefolder.document import Document
from sitefolder.duration import Duration
from sitefolder.strict import Filled, Id, Strict, Words

HASH_LENGTH = 12

TrustWord = Literal["manual-page", "two-sources", "single-code", "machine-extracted", "product-default"]


class ProfileHead(Strict):
    """What every profile says of itself."""

    name: Words
    kind: Id | Literal[""]
    interval: Annotated[Duration, Field(ge=100)]
    source: Filled
    trust: TrustWord
    notes: str = ""


def profile(
    id: str, document: Document, file: ProfileHead, *, modbus: ModbusMap | None = None, mqtt: MqttMap | None = None
) -> Profile:
    """Return the profile of a file with the map of its wire."""
    return Profile(
        id=id,
        name=file.name.text(),
        kind=file.kind,
        interval_ms=file.interval,
        source=file.source,
        trust=Trust(file.trust),
        hash=document.hash[:HASH_LENGTH],
        modbus=modbus,
        mqtt=mqtt,
        notes=file.notes,
    )


def unique(document: Document, channels: Sequence[tuple[str, str | None, str]]) -> None:
    """Complain about channels that stand twice; each is (id, point as written, point that it has by itself)."""
    names: set[str] = set()
    points: set[str] = set()
    for index, (channel, given, own) in enumerate(channels):
        point = own if given is None else given
        if channel in names:
            document.error(("channel", index, "id"), f"通道 {channel} 重复", f"channel {channel} stands twice")
        if point and point in points:
            document.error(("channel", index, "point"), f"点位 {point} 重复", f"point {point} is given twice")
        names.add(channel)
        points.add(point)
