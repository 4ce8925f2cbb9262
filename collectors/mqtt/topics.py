"""Who listens to which topic: names as they are, and patterns in which a level may be anything."""

from collections.abc import Iterable, Sequence

from collectors.mqtt.listener import Hear
from collectors.mqtt.payload import UndecodableError

MOST_REMEMBERED = 20_000  # topics that matched a pattern


class Topics:
    """The topics of one line; `filters` are what to subscribe to, each once."""

    def __init__(self) -> None:
        self.filters: dict[str, None] = {}
        self._hearers: dict[bytes, Sequence[Hear]] = {}
        self._patterns: list[tuple[Sequence[str], Hear]] = []  # by their levels

    def add(self, topics: Iterable[tuple[str, Hear]]) -> None:
        """Let somebody listen to these; several may listen to one, as all devices of a bridge do."""
        for topic, hear in topics:
            self.filters[topic] = None
            if "+" in topic:
                self._patterns.append((topic.split("/"), hear))
            else:
                name = topic.encode()
                self._hearers[name] = [*self._hearers.get(name, ()), hear]

    def hearers(self, topic: bytes) -> Sequence[Hear]:
        """Return who listens to a topic.

        Raises:
            UndecodableError: nobody does, or the topic is not text.
        """
        return self._hearers.get(topic) or self._matching(topic)

    def _matching(self, topic: bytes) -> Sequence[Hear]:
        try:
            levels = topic.decode().split("/")
        except UnicodeDecodeError:
            raise UndecodableError("the topic is not UTF-8") from None
        found = [
            hear
            for pattern, hear in self._patterns
            if len(pattern) == len(levels) and all(p in ("+", s) for p, s in zip(pattern, levels, strict=True))
        ]
        if not found:
            raise UndecodableError("no device of this site publishes there")
        if len(self._hearers) < MOST_REMEMBERED:
            self._hearers[topic] = found
        return found
