"""An InfluxDB server that follows a script: what each kind of answer does to the forwarding, on both write paths."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import pytest

from dutyroom.clock import SystemClock
from dutyroom.forwarding import aside
from facility.scan import Scan
from stores.telemetry.influx import Influx, StoreAwayError
from stores.telemetry.influxserver import Address
from stores.telemetry.spool import Spool

_AT = 1_790_000_000_000
_OK = b"HTTP/1.1 204 No Content\r\n\r\n"


def _says(status: str, body: bytes = b"", *headers: str) -> bytes:
    head = "".join(f"{h}\r\n" for h in (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers))
    return head.encode() + b"\r\n" + body


class Script:
    """Answers posts one after the other; after the last, with 204. `None` hangs, bytes without an end are cut off.

    Which run of it answers, it does not say, but for `metrics`.
    """

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.lines: list[bytes] = []
        self.paths: list[str] = []
        self.metrics = _says("404 Not Found")
        self.hanging = asyncio.Event()
        self.port = 0
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server
        self.hanging.set()
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lengths = [h.split(b":")[1] for h in head.lower().split(b"\r\n") if h.startswith(b"content-length")]
                body = await reader.readexactly(int(lengths[0]) if lengths else 0)
                if head.startswith(b"GET /metrics "):
                    writer.write(self.metrics)
                    continue
                self.paths.append(head.split(b" ")[1].decode())
                answer = self.answers.pop(0) if self.answers else _OK
                if answer is None:
                    await self.hanging.wait()
                    return
                if b" 204 " in answer:
                    self.lines += body.split(b"\n")
                writer.write(answer)
                await writer.drain()
                if not answer.endswith(b"\r\n\r\n") and b"Content-Length: 999" in answer:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    spool = Spool(tmp_path / "spool.db", SystemClock())
    spool.layout("lift-1", ("L1/floor",), "v1")
    spool.commit([Scan("lift-1", _AT + n, _AT + n, (float(n),), bytes(1)) for n in range(8)])
    yield spool
    spool.close()


def _influx(script: Script, version: Any, timeout_s: float = 1.0) -> Influx:
    return Influx(
        Address(f"http://127.0.0.1:{script.port}", "b", version, "o", token="t", timeout_s=timeout_s), "s", {}
    )


async def _until_sent(influx: Influx, spool: Spool, turns: int = 20) -> int:
    """Turn by turn, on a clock that leaps over every back-off; return how many turns it took."""
    now = _AT
    for turn in range(turns):
        await asyncio.to_thread(influx.forward, spool, now)
        if influx.forwarder.sent(spool) == spool.last_row:
            return turn + 1
        now += 601_000
    raise AssertionError(influx.forwarder.trouble)


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (_says("401 Unauthorized", b'{"code":"unauthorized"}'), "401"),
        (_says("404 Not Found", b'{"error":"database not found"}'), "404"),
        (_says("429 Too Many Requests", b"", "Retry-After: 30"), "429"),
        (_says("503 Service Unavailable", b"busy"), "503"),
        (_says("500 Internal Server Error", b"timeout"), "500"),
        (_says("302 Found", b"", "Location: http://127.0.0.1:9/"), ""),
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 999\r\n\r\nhalf", ""),
        (b"HTTP/1.1 2\r\n\r\n", ""),
        (None, "imed"),
    ],
    ids=["401", "404", "429", "503", "500", "302", "half", "nonsense", "hang"],
)
async def test_every_passing_failure_keeps_the_readings(
    spool: Spool, version: str, answer: bytes | None, why: str
) -> None:
    async with Script(answer) as script:
        influx = _influx(script, version)
        assert await asyncio.to_thread(influx.forward, spool, _AT) == 0
        assert why in influx.forwarder.trouble
        assert influx.forwarder.trouble
        assert await asyncio.to_thread(influx.forward, spool, _AT + 400) == 0
        assert len(script.paths) == 1, "not before the back-off is over"
        assert await _until_sent(influx, spool) == 2
        influx.close()
    assert len(script.lines) == 8
    assert spool.dead_letters(1) == []
    assert script.paths[0].startswith("/write?db=b&" if version == "1" else "/api/v2/write?")


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("status", ["400 Bad Request", "413 Payload Too Large", "422 Unprocessable Entity"])
async def test_a_refused_post_is_halved_until_one_reading_is_left(spool: Spool, version: str, status: str) -> None:
    no = _says(status, b'{"error":"partial write: field type conflict dropped=1"}')
    # 8 refused, 0-3 taken, 4-7 refused, 4-5 refused, 4 refused alone, 5 taken, 6-7 taken.
    async with Script(no, _OK, no, no, no) as script:
        influx = _influx(script, version)
        assert await _until_sent(influx, spool) == 1
        influx.close()
    assert [float(line.split(b"=")[-1].split(b" ")[0]) for line in script.lines] == [0, 1, 2, 3, 5, 6, 7]
    (letter,) = spool.dead_letters(5)
    assert b"floor=4.0" in letter.payload
    assert "field type conflict" in letter.why


@pytest.mark.parametrize("version", ["1", "2"])
async def test_a_server_that_hangs_holds_up_neither_the_loop_nor_the_end(spool: Spool, version: str) -> None:
    async with Script(None) as script:
        influx = _influx(script, version, timeout_s=5)
        turn = asyncio.create_task(aside(lambda: influx.forward(spool, _AT)))
        worst = 0.0
        while len(script.paths) < 1:
            await asyncio.sleep(0.005)
        for _ in range(40):
            began = time.perf_counter()
            await asyncio.sleep(0.01)
            worst = max(worst, time.perf_counter() - began - 0.01)
        assert worst < 1, "the server hangs for five"
        began = time.perf_counter()
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
        assert time.perf_counter() - began < 1
        script.hanging.set()
        for thread in threading.enumerate():
            if thread.name == "influx":
                await asyncio.to_thread(thread.join)
        influx.close()


async def test_a_chart_says_that_the_server_is_away_and_hung_questions_do_not_pile_up(spool: Spool) -> None:
    async with Script(*[None] * 9) as script:
        influx = _influx(script, "2", timeout_s=3)
        began = time.perf_counter()
        asked = [asyncio.to_thread(influx.history, "L1/floor", _AT, _AT + 60_000, 6) for _ in range(6)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert time.perf_counter() - began < 6
        assert all(isinstance(answer, StoreAwayError) for answer in answers)
        assert len(script.paths) <= 3
        influx.close()
