"""The demo phones: pages are lines in a file that the demo shows as phones. For trial only."""

import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path

from facility.ports import Clock, Message, PageRefusedError


class DemoPager:
    """Appends every page to a file; durable before it is said to be taken."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Take the file, which need not exist yet, and the clock that stamps what arrives."""
        self._path, self._clock = path, clock

    async def page(self, message: Message) -> str:
        """Write the page down; return where."""
        line = json.dumps({"at_ms": self._clock.now(), **asdict(message)}, ensure_ascii=False)
        try:
            await asyncio.to_thread(_append, self._path, line)
        except OSError as error:
            raise PageRefusedError(f"demo phone: {error.strerror or error}") from error
        return "演示手机 · demo phone"


def messages(path: Path) -> Iterator[tuple[int, Message]]:
    """Yield what arrived, in order, with when (UTC milliseconds); a repeat of a key is the same message.

    A line that a crash cut short is passed over: its page was not said to be taken, and comes again.
    """
    seen: set[str] = set()
    names = {field.name for field in fields(Message)}
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                said = json.loads(line)
                at_ms, message = int(said["at_ms"]), Message(**{k: v for k, v in said.items() if k in names})
            except (ValueError, TypeError, KeyError):
                continue
            if message.key not in seen:
                seen.add(message.key)
                yield at_ms, message


def _append(path: Path, line: str) -> None:
    """Run in a thread. The newline comes first too: a torn line before it must not swallow this one."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        raw = f"\n{line}\n".encode()
        while raw:
            raw = raw[os.write(file, raw) :]
        os.fsync(file)
    finally:
        os.close(file)
