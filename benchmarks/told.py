"""A process that is told what to do: one JSON object a line on its standard input, one answer each on its output."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.running import ENV, ROOT, ended

Doing = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def listen(do: Doing, over: Callable[[], None]) -> None:
    """Carry out every line of the standard input on the running loop; `over` when it closes."""
    loop, rest = asyncio.get_running_loop(), bytearray()

    def read() -> None:
        more = os.read(0, 1 << 16)
        if not more:
            loop.remove_reader(0)
            over()
            return
        rest.extend(more)
        *lines, last = bytes(rest).split(b"\n")
        rest[:] = last
        for line in lines:
            say(do(json.loads(line)))

    loop.add_reader(0, read)


def say(what: Mapping[str, Any]) -> None:
    print(json.dumps(what), flush=True)


class Told:
    """The other end: a child process, asked in turn. What it prints first is `first`."""

    def __init__(self, module: str, *words: str, log: Path) -> None:
        self._log = log.open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True, cwd=ROOT, env=ENV,
        )  # fmt: skip
        self.first = self._heard()

    def ask(self, **what: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        return self._heard()

    def end(self, patience_s: float = 60) -> None:
        """Close its input, and wait until it has put everything in order."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            ended(self.process)
        self._log.close()

    def _heard(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"{self.process.args!r} ended:\n{Path(self._log.name).read_text()[-4000:]}"
        heard: dict[str, Any] = json.loads(line)
        return heard
