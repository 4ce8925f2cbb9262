"""A sentence in the two languages the product speaks."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """One meaning in Chinese and in English; data carries both, the screen chooses."""

    zh: str
    en: str

    def __bool__(self) -> bool:
        """Say whether there is anything to read."""
        return bool(self.zh or self.en)


NOTHING = Text("", "")
