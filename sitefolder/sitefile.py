"""site.toml: what the site is called, what its contract promises, how it is run."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from alarms.limits import LIMITS
from facility.site import Drills, Paging, Thinning, Works
from sitefolder.daily import Clock, Weekly, minute, weekly
from sitefolder.duration import Duration
from sitefolder.finding import WordError
from sitefolder.rulefile import PRIORITIES
from sitefolder.strict import Filled, Id, Number, PointName, Strict, Words


class SettingsTable(Strict):
    """[settings]: how people reach the service and it reaches them; the command line and DUTYROOM_… come first."""

    base_url: Annotated[str, StringConstraints(pattern=r"^(https?://[^\s/]+(/[^\s]*)?)?$")] = ""
    raw_days: int = Field(default=90, ge=1)
    rollup_days: int = Field(default=1100, ge=1)
    smtp_host: str = ""
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_from: str = ""
    smtp_user: str = ""
    smtp_security: Literal["starttls", "none"] = "starttls"
    heartbeat_url: Annotated[str, StringConstraints(pattern=r"^(https?://[^\s/]+/[^\s]*)?$")] = ""
    ntp_servers: str = ""
    modem: str = ""
    dingtalk_card_template: str = ""
    aliyun_sms_sign: str = ""
    aliyun_sms_template: str = ""
    aliyun_voice_template: str = ""
    aliyun_voice_shown: str = ""
    aliyun_voice_thanks: str = ""
    aliyun_queues: str = ""

    def flat(self) -> dict[str, str]:
        """Return the settings as texts; true and false in lower case."""
        return {
            key: str(value).lower() if isinstance(value, bool) else str(value)
            for key, value in self.model_dump().items()
        }


KindPoint = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]+\.[a-z0-9_]+$")]


class StorageTable(Strict):
    """[storage]: which readings the archive may leave out because they say nothing new; without it, none.

    One is kept at least every `heartbeat`, and every change of a state, an enum or a quality; of numbers, all except
    those that lie within the deadband of the kept one before: "kind.point" = so far, in its unit.
    """

    heartbeat: Annotated[Duration, Field(ge=60_000, le=3_600_000)]
    deadband: dict[KindPoint, Annotated[Number, Field(ge=0)]] = Field(default_factory=dict)

    def thinning(self) -> Thinning:
        """Return it in the language of the facility."""
        return Thinning(self.heartbeat, dict(self.deadband))


class DrillsTable(Strict):
    """[drills]: how often everybody practises the plans in which they have a part: those for a life, and the others."""

    life: Annotated[Duration, Field(ge=7 * 86_400_000, le=3 * 366 * 86_400_000)] = Drills().life_ms
    other: Annotated[Duration, Field(ge=7 * 86_400_000, le=3 * 366 * 86_400_000)] = Drills().other_ms

    def drills(self) -> Drills:
        """Return it in the language of the facility."""
        return Drills(self.life, self.other)


class WorksTable(Strict):
    """[works]: how planned work and switching are run.

    `recheck`: after the work, until every machine must have been checked; `read_back`: after an operation of a
    switching ticket, until telemetry must show its position; `certificate`: what both of its people must hold.
    """

    recheck: Annotated[Duration, Field(ge=60_000, le=86_400_000)] = Works().recheck_ms
    read_back: Annotated[Duration, Field(ge=5_000, le=600_000)] = Works().read_back_ms
    certificate: Id = Works().certificate

    def works(self) -> Works:
        """Return it in the language of the facility."""
        return Works(self.recheck, self.read_back, self.certificate)


Waiting = Literal["medium", "low"]


def _waiting() -> list[Waiting]:
    return ["medium", "low"]


class PagingTable(Strict):
    """[paging]: when pages that are no emergency may ring, and when every channel is tried out.

    Pages of the priorities in `wait_for_day`, and test pages, wait for `day_from` to `day_until`; `weekly_test` names
    a day and a time in it, or "off".
    """

    day_from: Clock = "08:00"
    day_until: Clock = "20:00"
    wait_for_day: list[Waiting] = Field(default_factory=_waiting)
    weekly_test: Weekly = "tue 10:00"

    @model_validator(mode="after")
    def _tests_by_day(self) -> Self:
        begin, end = minute(self.day_from), minute(self.day_until)
        if begin >= end:
            raise WordError("paging.day_from 必须早于 day_until", "paging.day_from must come before day_until")
        day, at = weekly(self.weekly_test)
        if day is not None and not begin <= at < end:
            raise WordError("paging.weekly_test 必须在白天时段内", "paging.weekly_test must lie within the day")
        return self

    def paging(self) -> Paging:
        """Return it in the language of the facility."""
        day, at = weekly(self.weekly_test)
        waits = frozenset(PRIORITIES[word] for word in self.wait_for_day)
        return Paging((minute(self.day_from), minute(self.day_until)), waits, day, at)


FigureName = Annotated[str, StringConstraints(pattern=f"^({'|'.join(LIMITS)})$")]
Band = Annotated[list[Annotated[Number, Field(ge=0)]], Field(min_length=2, max_length=2)]


class SiteFile(Strict):
    """The whole of site.toml.

    `performance` are this site's own limits of alarm performance: figure = [target, red line].
    """

    id: Id
    name: Words
    timezone: Filled
    contract: dict[PointName, Duration]
    settings: SettingsTable = SettingsTable()
    storage: StorageTable | None = None
    works: WorksTable = WorksTable()
    drills: DrillsTable = DrillsTable()
    paging: PagingTable = PagingTable()
    performance: dict[FigureName, Band] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _targets_come_first(self) -> Self:
        for figure, (target, red) in self.performance.items():
            known = LIMITS[figure]
            if (target < red) if known.green > known.red else (red < target):
                raise WordError(
                    f"performance.{figure}：先写目标，再写更差的红线",
                    f"performance.{figure}: the target comes first, then the red line, which is worse",
                )
        return self

    def limits(self) -> dict[str, tuple[float, float]]:
        """Return its own limits of alarm performance: target and red line by figure."""
        return {figure: (target, red) for figure, (target, red) in self.performance.items()}
