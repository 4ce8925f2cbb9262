"""What records say of the phone page beside its presses: its links, whose work passes to whom, and photos."""

from dataclasses import dataclass

from facility.records.payload import Payload


@dataclass(frozen=True, slots=True)
class LinkUsed(Payload):
    """A device acted by a person's link for the first time; `nth` counts that person's devices from 1.

    `device` is the hash of a cookie, `app` the kind of browser (wechat, dingtalk, wecom, feishu, browser). A second
    one may be the same phone in another app, or somebody to whom the link was forwarded: it is shown, not refused.
    """

    person: str
    device: str
    app: str
    nth: int


@dataclass(frozen=True, slots=True)
class LinksRevoked(Payload):
    """A person's links to an incident with a lower generation stop working."""

    person: str
    generation: int


@dataclass(frozen=True, slots=True)
class PressLate(Payload):
    """A press was kept on a phone without signal: it was made then, by that phone's word, and reached us now."""

    person: str
    what: str
    pressed_ms: int


@dataclass(frozen=True, slots=True)
class WorkOffered(Payload):
    """A responder asks somebody by name to take over, and stays responsible until they accept.

    `to` is empty when the responder takes the question back.
    """

    person: str
    to: str


@dataclass(frozen=True, slots=True)
class WorkTaken(Payload):
    """Somebody accepted what was `of` another responder, who is free to go."""

    person: str
    of: str


@dataclass(frozen=True, slots=True)
class PhotoAdded(Payload):
    """A photo was taken: its SHA-256 names the file, which stands outside the book and can be erased."""

    person: str
    photo: str
    bytes: int
    step: str = ""


@dataclass(frozen=True, slots=True)
class PhotoErased(Payload):
    """A photo's file was erased, and why; that there was one stays known."""

    photo: str
    reason: str
