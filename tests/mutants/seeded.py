"""The seeded bugs as data: text to find in a file of the product, and what to put in its place."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Mutant:
    """One wrong idea; one of `tests` must fail with it."""

    idea: str
    file: str
    find: str
    put: str
    tests: tuple[str, ...]

    def applied(self, source: str) -> str:
        """Return the source with the bug; it must be clear where it goes."""
        assert source.count(self.find) == 1, f"{self.file}: stands {source.count(self.find)} times: {self.find}"
        assert self.put != self.find
        return source.replace(self.find, self.put)


def mutants() -> list[Mutant]:
    rows = [
        row
        for file in sorted(Path(__file__).parent.glob("*.toml"))
        for row in tomllib.loads(file.read_text())["mutant"]
    ]
    return [Mutant(row["idea"], row["file"], row["find"], row["put"], tuple(row["tests"])) for row in rows]
