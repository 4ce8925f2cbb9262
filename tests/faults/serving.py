"""The service as a process of its own, as an operator starts it: for tests that look at it from outside."""

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from killing import ROOT, free_port

from facility.records import Kind, Record
from stores.accounts import Accounts
from stores.logbook import LogBook

START_S = 30


def environment() -> dict[str, str]:
    """Ours, without what slows the start down or sets the service differently."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE" and not k.startswith("DUTYROOM_")}


def cli(*words: object, code: str = "", timeout: float = 30, stdin: str = "") -> subprocess.CompletedProcess:
    """Run a command to its end; `code` runs before it in the same process."""
    return subprocess.run(
        [*_python(code), *map(str, words)],
        capture_output=True, text=True, timeout=timeout, cwd=ROOT, env=environment(), check=False, input=stdin,
    )  # fmt: skip


def one_clear_sentence(said: subprocess.CompletedProcess, code: int = 1) -> str:
    """What a person reads when it refuses: a line in both languages, and no traceback."""
    assert said.returncode == code, (said.returncode, said.stderr)
    assert "Traceback" not in said.stderr, said.stderr
    lines = [line for line in said.stderr.splitlines() if line]
    assert len(lines) == 1, said.stderr
    assert lines[0].startswith("dutyroom: ")
    assert any("一" <= letter <= "鿿" for letter in lines[0]), lines[0]
    assert any(word.isascii() and len(word) > 3 and word.isalpha() for word in lines[0].split()), lines[0]
    return lines[0]


def eventually(holds: Callable[[], object], seconds: float, why: Callable[[], object] = str) -> object:
    """Ask until it holds, and return what it said; fail after so many seconds."""
    until = time.monotonic() + seconds
    while not (said := holds()):
        assert time.monotonic() < until, f"not within {seconds} s: {why()}"
        time.sleep(0.05)
    return said


class Serving:
    """One running service; `code` is Python that runs before the command line, in its process."""

    def __init__(self, site: Path, data: Path, *, log: Path | None = None, code: str = "") -> None:
        self.site, self.data, self.code = site, data, code
        self.log = log or data.with_name(data.name + ".log")
        self.port = free_port()
        self.process: subprocess.Popen | None = None

    def start(self) -> "Serving":
        words = ["serve", str(self.site), "--data", str(self.data), "--port", str(self.port)]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [*_python(self.code), *words], stdin=subprocess.PIPE, stdout=log, stderr=log, text=True, cwd=ROOT, env=environment()
            )  # fmt: skip
        eventually(self._answers, START_S, self.log.read_text)
        return self

    def get(self, path: str, timeout: float = 5) -> dict:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                return json.load(refused)

    def health(self) -> dict:
        return self.get("/api/v1/health")

    def reading(self, *lines: str) -> None:
        """Wait until these lines have brought something."""
        eventually(lambda: all(row["reads"] for row in self.health()["lines"] if row["id"] in lines), 15, self.health)

    def figures(self) -> dict[str, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            rows = [line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if not line.startswith("#")]
        return {name.removeprefix("dutyroom_"): float(value) for name, value in rows}

    def records(self, *kinds: Kind) -> list[Record]:
        book = LogBook.reader(self.data / "logbook.db")
        try:
            return [w.record for w in book.tail(0, 1_000_000) if not kinds or w.record.kind in kinds]
        finally:
            book.close()

    def say(self, line: str) -> None:
        """Write a line to the process's standard input."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def stop(self) -> tuple[int, float]:
        """Ask it to stop; return its exit code and the seconds it took."""
        began = time.monotonic()
        self.process.terminate()
        code = self.process.wait(30)
        self.process.stdin.close()
        return code, time.monotonic() - began

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(5)
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        with contextlib.suppress(OSError):
            return bool(self.health())
        return False


def operator(data: Path, role: str = "operator") -> dict[str, str]:
    """Somebody who may log in, made before the start."""
    data.mkdir(parents=True, exist_ok=True)
    accounts = Accounts(data / "accounts.db")
    accounts.user_add("chen", "陈宇", role, "correct horse")
    accounts.close()
    return {"user": "chen", "password": "correct horse"}


def _python(code: str) -> list[str]:
    if not code:
        return [sys.executable, "-m", "dutyroom"]
    return [sys.executable, "-c", f"{code}\nfrom dutyroom.cli import main\nmain()"]
