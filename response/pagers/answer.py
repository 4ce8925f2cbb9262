"""What somebody sent back through a provider: a button pressed, a word written, a key pressed in a call."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from facility.ports import Receipt
from facility.text import Text

ACCEPT, CANNOT, ARRIVED = "1", "2", "3"
"""The same three in a text message, on a button and on a phone's keys."""

BUTTONS: Mapping[str, Text] = {
    ACCEPT: Text("接受，马上来", "I am coming"),
    CANNOT: Text("来不了", "Cannot come"),
    ARRIVED: Text("已到场", "I am there"),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a page.

    `kind` is the channel in people.toml and `accounts` are the names under which the provider knows who answered;
    whoever has one of them as that channel's address is the person. `word` is 1, 2 or 3, words may follow. `id` is the
    provider's own for what was sent back: the same `id` twice is one answer. `incident` is empty where the provider
    does not say what was answered: then it is the newest page. A `number` is the provider's for the page itself: then
    it is about that page, and from whom it went to.
    """

    kind: str
    accounts: tuple[str, ...]
    word: str
    id: str
    incident: str = ""
    number: str = ""


Heard = Callable[[Answer | Receipt], Awaitable[Text | None]]
"""Takes what came back; returns what the person is told at once, if the provider can show it."""
