"""A scripted provider: answers by path, one script each, and remembers what it was asked."""

import asyncio
import json
from dataclasses import dataclass, field

from tests.wire.test_pagers import answer

NOON_MS = 1_795_320_000_000


class Noon:
    """A clock that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.at = NOON_MS

    def now(self) -> int:
        return self.at

    async def until(self, at_ms: int) -> None:
        self.at = max(self.at, at_ms)
        await asyncio.sleep(0)


def ok(**said: object) -> bytes:
    return answer("200 OK", json.dumps(said, ensure_ascii=False))


HANG = b"hang"
LOST = b"lost"
"""Takes what was asked and breaks off before it answers."""


@dataclass
class Asked:
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: dict


@dataclass
class Scripted:
    """`scripts` has the answers by path; the last one of a path stays."""

    scripts: dict[str, list[bytes]]
    asked: list[Asked] = field(default_factory=list)

    def of(self, path: str) -> list[Asked]:
        return [a for a in self.asked if a.path == path]

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, target, _ = head[0].split()
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
        raw = await reader.readexactly(int(headers.get("content-length", 0)))
        path, _, query = target.partition("?")
        self.asked.append(Asked(method, path, query, headers, json.loads(raw) if raw else {}))
        script = self.scripts[path]
        said = script.pop(0) if len(script) > 1 else script[0]
        if said == HANG:
            await reader.read()
        elif said != LOST:
            writer.write(said)
            await writer.drain()
