"""What is wrong with a site folder: every finding says where it is, what it means and what to do."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from facility.text import Text

Level = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found in one file; `line` is 1-based, or None where no line can be named."""

    level: Level
    file: str
    line: int | None
    place: str
    text: Text

    def __str__(self) -> str:
        """Return it as one line, the way compilers do: file:line: place: reason."""
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (where, self.level, self.place, f"{self.text.zh} / {self.text.en}") if part)


class SiteError(Exception):
    """The site cannot be used; `findings` lists every error (and warning) at once."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = list(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))


class WordError(ValueError):
    """A value that cannot be read, with its reason in both languages; raised inside validators."""

    def __init__(self, zh: str, en: str) -> None:
        self.text = Text(zh, en)
        super().__init__(f"{zh} / {en}")


@dataclass
class Problems:
    """Collects findings while files are read, so that all of them are told at once."""

    findings: list[Finding] = field(default_factory=list)

    def error(self, file: str, place: str, zh: str, en: str, line: int | None = None) -> None:
        """Note something that forbids using the site."""
        self.findings.append(Finding("error", file, line, place, Text(zh, en)))

    def warning(self, file: str, place: str, zh: str, en: str, line: int | None = None) -> None:
        """Note something that a person should look at."""
        self.findings.append(Finding("warning", file, line, place, Text(zh, en)))

    @property
    def errors(self) -> list[Finding]:
        """The findings that forbid using the site."""
        return [finding for finding in self.findings if finding.level == "error"]
