"""What records say of the service being kept: restored, paused, without a clock, without its book, set aside."""

from dataclasses import dataclass

from facility.records.payload import Payload


@dataclass(frozen=True, slots=True)
class ServiceRestored(Payload):
    """The data folder is a backup's: what was written after `made_ms` is not in it. The subject is `restore:<id>`.

    Pages of the incidents in `held` go to nobody until a person has said so; `seq` and `head` are the backup's.
    """

    made_ms: int
    seq: int
    head: str
    held: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PagesReleased(Payload):
    """A person looked at an incident from a backup: its pages go on, or (`send` false) those in `keys` are dropped."""

    incident: str
    send: bool
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServicePaused(Payload):
    """The whole process stood still between two moments (a paused machine, a debugger): nothing was watched."""

    from_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class ClockDoubted(Payload):
    """The computer's clock cannot be right (`wall_ms`); times count on from the newest record until it is."""

    wall_ms: int
    waited_ms: int = 0


@dataclass(frozen=True, slots=True)
class EmergencyPaged(Payload):
    """The book took no records, so the leader on duty was paged before anything was written; `said` is the provider's.

    The one exception to "record first"; `key` is fixed, the text is what was sent at `sent_ms`.
    """

    key: str
    person: str
    channel: str
    text: str
    sent_ms: int
    said: str = ""


@dataclass(frozen=True, slots=True)
class ItemQuarantined(Payload):
    """Something that could not be worked on, so often as `tries`, was set aside; all else goes on.

    `what` is scan, record, incident, alarm (it opens or joins nothing), consequence (the incident stays by itself),
    letter (pages of the incident leave one by one) or page (one of the incident cannot leave); `which` names it.
    """

    what: str
    which: str
    why: str
    tries: int = 1
