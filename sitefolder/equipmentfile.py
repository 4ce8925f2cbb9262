"""equipment.toml: the wires, the devices on them, the machines they speak for."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from facility.equipment import Card, Line, Serial, Tls
from sitefolder.duration import Duration
from sitefolder.finding import WordError
from sitefolder.strict import Filled, Id, Number, PointName, Strict, Words

Target = Annotated[str, StringConstraints(pattern=r"^!?[a-z0-9_-]+/[a-z0-9_]+$")]
"""A site point, "machine/point"; with "!" in front the contact is wired the other way round."""


class TlsTable(Strict):
    """[line.tls]: the broker's line is encrypted; an empty table trusts whom the system trusts.

    `ca` signed the server's certificate; `certificate` and `key` are ours, where the server asks for one; all are PEM
    files beside equipment.toml. `server_name` is the name in the server's certificate, where it is not `host`.
    """

    ca: Filled | None = None
    certificate: Filled | None = None
    key: Filled | None = None
    server_name: Filled | None = None

    @model_validator(mode="after")
    def _is_a_pair(self) -> "TlsTable":
        if self.key and not self.certificate:
            raise WordError("有 key 就要写 certificate", "a `key` needs its `certificate`")
        return self


class LineTable(Strict):
    """[[line]]: a Modbus gateway or serial port with its units, or the site's MQTT broker.

    A serial port (`modbus-rtu`) has `serial`, `baud`, `parity` and `stop_bits`; every other line `host` and `port`.
    """

    id: Id
    transport: Literal["modbus-tcp", "modbus-rtu-tcp", "modbus-rtu", "mqtt"]
    host: Filled | None = None
    port: int | None = Field(default=None, ge=1, le=65535)
    serial: Annotated[str, StringConstraints(pattern=r"^/\S+$")] | None = None
    baud: Literal[1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200] | None = None
    parity: Literal["none", "even", "odd"] | None = None
    stop_bits: Literal[1, 2] | None = None
    timeout: Annotated[Duration, Field(ge=50, le=60_000)] = 1000
    gap: Annotated[Duration, Field(le=10_000)] = 0
    echoes_transaction: bool = True
    protocol: Literal["", "5", "3.1.1"] = ""
    username: str = ""
    secret: str = ""
    tls: TlsTable | None = None

    @model_validator(mode="after")
    def _fits_its_transport(self) -> "LineTable":
        on_serial = self.transport == "modbus-rtu"
        if on_serial and not (self.serial and self.baud and self.parity):
            raise WordError(
                "串口线路需写明 serial（如 /dev/ttyS1）、baud（波特率）、parity（校验）",
                "a serial line states `serial` (such as /dev/ttyS1), `baud` and `parity`",
            )
        if on_serial and (self.host or self.port):
            raise WordError(
                "串口线路没有 host、port；串口服务器透传用 modbus-rtu-tcp",
                "a serial line has no host or port; behind a transparent serial server it is modbus-rtu-tcp",
            )
        if not on_serial and not (self.host and self.port):
            raise WordError("需写明 host 和 port", "needs `host` and `port`")
        if not on_serial and (self.serial or self.baud or self.parity or self.stop_bits):
            raise WordError(
                "serial、baud、parity、stop_bits 只用于 modbus-rtu（本机串口）",
                "serial, baud, parity and stop_bits belong to modbus-rtu, a serial port of this machine",
            )
        if self.tls is not None and self.transport != "mqtt":
            raise WordError("tls 只用于 mqtt 线路", "only an mqtt line has tls")
        if not self.echoes_transaction and self.transport != "modbus-tcp":
            raise WordError(
                "只有 modbus-tcp 的报文有事务号（echoes_transaction）",
                "only modbus-tcp frames have a transaction id (echoes_transaction)",
            )
        return self

    def line(self) -> Line:
        """Return it in the language of the facility."""
        return Line(
            id=self.id,
            transport=self.transport,
            host=self.host or "",
            port=self.port or 0,
            timeout_ms=self.timeout,
            gap_ms=self.gap,
            serial=Serial(self.serial, self.baud, self.parity, self.stop_bits or 1)
            if self.serial and self.baud and self.parity
            else None,
            echoes_transaction=self.echoes_transaction,
            protocol=self.protocol,
            username=self.username,
            secret=self.secret,
            tls=Tls(**self.tls.model_dump(exclude_none=True)) if self.tls is not None else None,
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
    max_registers: int | None = Field(default=None, ge=1, le=125)
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
