"""The MQTT side of a profile: where in which message a value stands, and what the publisher says of itself."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from collectors.mqtt.payload import fits
from collectors.profile import MqttField, MqttMap, MqttMessage, Payload, Presence, Profile, Reads, Retained
from sitefolder.document import Document
from sitefolder.finding import WordError
from sitefolder.profilehead import ProfileHead, profile, unique
from sitefolder.strict import Id, Number, PointName, Strict, Words

Path_ = Annotated[str, StringConstraints(pattern=r"^[^.\s]+(\.[^.\s]+)*$")]
Topic = Annotated[str, StringConstraints(pattern=r"^(\+/|[^#+\s/]*/)*[^#+\s/]*\{device\}[^#+\s/]*(/\+|/[^#+\s/]*)*$")]
BridgeTopic = Annotated[str, StringConstraints(pattern=r"^[^#+\s{}]+$")]


class MqttChannel(Strict):
    """One entry of `channel` in an MQTT profile: where in which message the value stands."""

    id: PointName
    path: Path_ | None = None
    message: Id | None = None
    cleared_by: Id | None = None
    point: PointName | Literal[""] | None = None
    scale: Number = 1.0
    offset: Number = 0.0
    inverted: bool = False
    codes: dict[str, Number] = Field(default_factory=dict)
    reads: Literal["number", "floor"] = "number"
    contains: list[str] = Field(default_factory=list)
    ignore: list[str] = Field(default_factory=list)
    empty: Number | None = None
    sentinels: list[str] = Field(default_factory=list)
    unit: str = ""
    name: Words | None = None

    def field(self, first: str, kind: str) -> MqttField:
        """Return it in the language of the collectors."""
        own = self.id if kind else ""
        return MqttField(
            channel=self.id,
            path=_steps(self.path),
            point=own if self.point is None else self.point,
            message=self.message or first,
            cleared_by=self.cleared_by or "",
            scale=self.scale,
            offset=self.offset,
            inverted=self.inverted,
            codes=dict(self.codes),
            reads=Reads(self.reads),
            contains=tuple(self.contains),
            ignore=tuple(self.ignore),
            empty=self.empty,
            sentinels=tuple(self.sentinels),
            unit=self.unit,
            **({"text": self.name.text()} if self.name else {}),
        )


class MessageTable(Strict):
    """One kind of message: its topic, what its payload is, what a retained copy is worth.

    A binary payload has a `size`; it stands bare, or as base64 at `envelope` in a JSON object.
    """

    id: Id
    topic: Topic
    payload: Literal["json", "plain", "binary"] = "json"
    retained: Literal["stale", "state"] = "stale"
    size: int | None = Field(default=None, ge=1, le=4096)
    envelope: Path_ | None = None
    time: Path_ | None = None

    @model_validator(mode="after")
    def _fits_its_payload(self) -> "MessageTable":
        if (self.payload == "binary") is not bool(self.size):
            raise WordError(
                "size（字节数）只用于 binary，且必须写明", "a binary payload, and no other, states its `size` in bytes"
            )
        return self

    def message(self) -> MqttMessage:
        """Return it in the language of the collectors."""
        return MqttMessage(
            self.id,
            self.topic,
            Payload(self.payload),
            Retained(self.retained),
            self.size or 0,
            _steps(self.envelope),
            _steps(self.time),
        )


class PresenceTable(Strict):
    """[mqtt.presence]: where the gateway's last will says that it is gone."""

    topic: Topic
    path: Path_ | None = None
    offline: list[str] = Field(min_length=1)
    online: list[str] = Field(default_factory=list)


class BridgeTable(Strict):
    """[mqtt.bridge]: where the last will of what speaks for the device stands; one topic for all of its devices."""

    topic: BridgeTopic
    path: Path_ | None = None
    offline: list[str] = Field(min_length=1)
    online: list[str] = Field(default_factory=list)


class MqttTable(Strict):
    """[mqtt]: topics, the device's clock and sequence number, its last will.

    A publisher with `receipt` keeps its messages until our receipt has come; with `seq` alone it only counts them.
    """

    message: list[MessageTable] = Field(min_length=1)
    product: str = ""
    time: Path_ | None = None
    time_unit: Literal["s", "ms"] = "ms"
    seq: Path_ | None = None
    epoch: Path_ | None = None
    oldest: Path_ | None = None
    receipt: Topic | None = None
    presence: PresenceTable | None = None
    bridge: BridgeTable | None = None
    constants: dict[Path_, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _keeps_or_not(self) -> "MqttTable":
        told = (self.epoch, self.oldest, self.receipt)
        if any(told) and not (all(told) and self.seq):
            raise WordError(
                "epoch、oldest、receipt 须一起写，并且要有 seq（见 docs/engineers/receipts.zh-CN.md）",
                "epoch, oldest and receipt go together, with seq (docs/engineers/receipts.md)",
            )
        if self.receipt and "+" in self.receipt:
            raise WordError("receipt 主题不能用通配符", "a receipt topic has no wildcard")
        return self


class MqttProfileFile(ProfileHead):
    """The whole of a publishing device's file."""

    mqtt: MqttTable
    channel: list[MqttChannel] = Field(min_length=1)


def mqtt_profile(id: str, document: Document) -> Profile | None:
    """Read the profile of a publishing device; None, and the reasons noted, when it makes no sense."""
    file = document.model(MqttProfileFile)
    if file is None:
        return None
    unique(document, [(c.id, c.point, c.id if file.kind else "") for c in file.channel])
    table = file.mqtt
    messages = {m.id: m for m in table.message}
    first = table.message[0].id
    for index, channel in enumerate(file.channel):
        message = messages.get(channel.message or first)
        if channel.cleared_by and channel.cleared_by not in messages:
            document.error(("channel", index, "cleared_by"), "没有这种消息", "there is no such message")
        if message is None:
            document.error(("channel", index, "message"), "没有这种消息", "there is no such message")
        elif (message.payload == "plain") is (channel.path is not None):
            document.error(
                ("channel", index, "path"),
                "json 消息需要 path，plain 消息不写 path",
                "a json message needs a path; a plain one takes none",
            )
        elif message.size and not fits(channel.path or "", message.size):
            document.error(
                ("channel", index, "path"),
                f"应写作 偏移:类型（如 12:i8、0:u32le），且不超出 {message.size} 字节",
                f"is written offset:type (12:i8, 0:u32le) and stays within {message.size} bytes",
            )
    mqtt = MqttMap(
        messages=tuple(m.message() for m in table.message),
        fields={c.id: c.field(first, file.kind) for c in file.channel},
        product=table.product,
        time=_steps(table.time),
        time_unit=table.time_unit,
        seq=_steps(table.seq),
        epoch=_steps(table.epoch),
        oldest=_steps(table.oldest),
        receipt=table.receipt or "",
        presence=_presence(table.presence),
        bridge=_presence(table.bridge),
        constants=dict(table.constants),
    )
    return profile(id, document, file, mqtt=mqtt)


def _presence(table: PresenceTable | BridgeTable | None) -> Presence | None:
    if table is None:
        return None
    return Presence(table.topic, _steps(table.path), tuple(table.offline), tuple(table.online))


def _steps(path: str | None) -> tuple[str, ...]:
    return tuple(path.split(".")) if path else ()
