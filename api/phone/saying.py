"""Words, times and names as one person reads them on the phone page."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from api.phone.sentences import sentence
from api.views.words import person_name, role_name
from facility.site import Site
from facility.text import Text

_TELEPHONE = re.compile(r"\+?[0-9][0-9 -]{2,19}")


@dataclass(frozen=True, slots=True)
class Dial:
    """Something to call: a label, what is shown, and the number where it is one."""

    label: str
    text: str
    number: str = ""


class Say:
    """Speaks one language, at one site."""

    def __init__(self, site: Site, language: str) -> None:
        self.site, self.language = site, language
        self._zone = ZoneInfo(site.timezone)

    def __call__(self, key: str) -> str:
        """Return a sentence of the page."""
        return sentence(key, self.language)

    def text(self, text: Text) -> str:
        """Return a text of the site."""
        return (text.en or text.zh) if self.language == "en" else (text.zh or text.en)

    def time(self, at_ms: int, *, seconds: bool = False) -> str:
        """Return a moment by the site's clock."""
        return f"{datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self._zone):%H:%M:%S}"[: 8 if seconds else 5]

    def name(self, id: str) -> str:
        """Return somebody's name; an actor's too."""
        actor = id.removeprefix("person:").removeprefix("user:")
        return self.text(self.site.parties[actor].name) if actor in self.site.parties else person_name(self.site, actor)

    def role(self, id: str) -> str:
        """Return a duty role's name; nothing for none."""
        return self.text(role_name(self.site, id)) if id else ""

    def names(self, names: list[str]) -> str:
        """Return names in a row."""
        return (", " if self.language == "en" else "、").join(names)


def span(ms: int) -> str:
    """Return a length of time as 13:12, or 1:02:03 from an hour on."""
    seconds = abs(ms) // 1000
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60:02}:{rest % 60:02}"


def dial(label: str, text: str) -> Dial:
    """Return something to call, where the text is a number."""
    return Dial(label, text, number_in(text))


def number_in(text: str) -> str:
    """Return what a tel: link needs, or nothing for words."""
    return re.sub(r"[ -]", "", text) if _TELEPHONE.fullmatch(text) else ""
