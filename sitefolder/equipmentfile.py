"""equipment.toml: the wires, the devices on them, the machines they speak for."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from facility.equipment import Card, Line
from sitefolder.duration import Duration
from sitefolder.strict import Filled, Id, Number, PointName, Strict, Words

Target = Annotated[str, StringConstraints(pattern=r"^!?[a-z0-9_-]+/[a-z0-9_]+$")]
"""A site point, "machine/point"; with "!" in front the contact is wired the other way round."""


class LineTable(Strict):
    """[[line]]: a Modbus gateway with its units, or the site's MQTT broker."""

    id: Id
    transport: Literal["modbus-tcp", "mqtt"]
    host: Filled
    port: int = Field(ge=1, le=65535)
    timeout: Annotated[Duration, Field(ge=50, le=60_000)] = 1000
    gap: Annotated[Duration, Field(le=10_000)] = 0
    protocol: Literal["", "5", "3.1.1"] = ""
    username: str = ""
    secret: str = ""

    def line(self) -> Line:
        """Return it in the language of the facility."""
        return Line(
            id=self.id,
            transport=self.transport,
            host=self.host,
            port=self.port,
            timeout_ms=self.timeout,
            gap_ms=self.gap,
            protocol=self.protocol,
            username=self.username,
            secret=self.secret,
        )


class DeviceTable(Strict):
    """[[device]]: one thing that is read with one profile.

    `equipment` gives every point of the profile to that machine, less the channels in `without`; `channels`
    gives single channels to "machine/point", with "!" in front when the contact is wired the other way round.
    """

    id: Id
    name: Words | None = None
    profile: Id
    line: Id
    unit: int = Field(default=1, ge=0, le=255)
    topic: str = ""
    interval: Annotated[Duration, Field(ge=100)] | None = None
    equipment: Id | None = None
    without: list[str] = Field(default_factory=list)
    channels: dict[str, Target] = Field(default_factory=dict)
    multipliers: dict[str, Annotated[Number, Field(gt=0)]] = Field(default_factory=dict)


class CardTable(Strict):
    """[equipment.card]: what a responder needs at three in the morning."""

    registration: str = ""
    rescue_code: str = ""
    contractor: Id | None = None
    deputy: Id | None = None
    intercom: str = ""
    key_cabinet: str = ""
    isolator: str = ""
    camera: str = ""
    responsible: str = ""
    may_reset: list[Id] = Field(default_factory=list)
    never: list[Words] = Field(default_factory=list)
    next_inspection: date | None = None
    next_maintenance: date | None = None

    def card(self) -> Card:
        """Return it in the language of the facility."""
        return Card(
            registration=self.registration,
            rescue_code=self.rescue_code,
            contractor=self.contractor or "",
            deputy=self.deputy or "",
            intercom=self.intercom,
            key_cabinet=self.key_cabinet,
            isolator=self.isolator,
            camera=self.camera,
            responsible=self.responsible,
            may_reset=tuple(self.may_reset),
            never=tuple(words.text() for words in self.never),
            next_inspection=self.next_inspection,
            next_maintenance=self.next_maintenance,
        )


class EquipmentTable(Strict):
    """[[equipment]]: one machine, where it stands and what feeds it."""

    id: Id
    kind: Id
    name: Words
    place: Words
    building: str = ""
    fed_by: list[Id] = Field(default_factory=list)
    card: CardTable = CardTable()
    parameters: dict[PointName, Number] = Field(default_factory=dict)


class EquipmentFile(Strict):
    """The whole of equipment.toml; read entry by entry, modelled here for the schema."""

    line: list[LineTable] = Field(default_factory=list)
    device: list[DeviceTable] = Field(default_factory=list)
    equipment: list[EquipmentTable] = Field(default_factory=list)
