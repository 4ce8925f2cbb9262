"""The lines of a site folder that a benchmark makes."""

from collections.abc import Iterable
from pathlib import Path


def put(path: Path, lines: Iterable[str]) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def by_webhook(line: str, url: str) -> str:
    before, demo, rest = line.partition('kind = "demo", address = "')
    return f'{before}kind = "webhook", address = "{url}"{rest.partition(chr(34))[2]}' if demo else line


def words(text: str) -> str:
    return f'{{ zh = "{text}", en = "{text}" }}'
