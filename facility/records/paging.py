"""What records say of pages after their provider took them, of pages in one message, of test pages and of audits."""

from dataclasses import dataclass

from facility.records.payload import Payload


@dataclass(frozen=True, slots=True)
class PageDelivered(Payload):
    """The provider says that the page reached the phone, in its own words."""

    key: str
    said: str = ""


@dataclass(frozen=True, slots=True)
class PageOpened(Payload):
    """A person looked at what was sent: the link in a browser, or a channel's read receipt (then `key` names it).

    It is no acknowledgement: nobody is on the way.
    """

    person: str
    via: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class PageFailed(Payload):
    """A page that the provider had taken did not reach the phone after all, in the provider's own words."""

    key: str
    said: str


@dataclass(frozen=True, slots=True)
class PageBundled(Payload):
    """Pages of several incidents leave as one message under a key of its own; each has its own outcome by its key."""

    key: str
    person: str
    channel: str
    keys: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class PageTestRequested(Payload):
    """Somebody's channel is to be tried out; `why` is weekly or asked. The subject is `page-test:<key>`."""

    key: str
    person: str
    channel: str
    text: str
    why: str = "asked"
    not_before_ms: int = 0


@dataclass(frozen=True, slots=True)
class PageTestSent(Payload):
    """The provider took a test page, in its own words."""

    key: str
    said: str = ""


@dataclass(frozen=True, slots=True)
class PageTestRefused(Payload):
    """The provider did not take a test page, in its own words; it is tried again a few times."""

    key: str
    said: str
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class PageTestAnswered(Payload):
    """The person says that the test page was received; `via` is link, reply or console (somebody wrote it down)."""

    key: str
    via: str = ""


@dataclass(frozen=True, slots=True)
class AuditFound(Payload):
    """What the engine believed of an incident was not what the book says; it has been put right from the book.

    `what` is missing (a record that was due), state (what is believed differs), unknown (open in the book, forgotten
    by the engine).
    """

    incident: str
    what: str
    said: str = ""
