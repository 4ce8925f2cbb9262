"""The web as a browser meets it: a real server on a real socket."""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

sys.path.append(str(Path(__file__).parents[1] / "unit" / "api"))
from fakestation import SECRET, FakeStation

from api import stream
from api.app import create
from response.phone.token import phone_token
from stores.accounts import Accounts


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[tuple[FakeStation, str]]:
    accounts = Accounts(tmp_path / "accounts.db")
    accounts.user_add("operator", "陈静", "operator", "operator-secret", person="chenjing")
    bound = socket.create_server(("127.0.0.1", 0))
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # a stuck client shows after few messages
    base = f"http://127.0.0.1:{bound.getsockname()[1]}"
    station = FakeStation(accounts, real_clock=True, base_url=base)
    config = uvicorn.Config(create(station), log_config=None, lifespan="off", ws="websockets-sansio")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[bound]))
    while not server.started:
        await asyncio.sleep(0.01)
    yield station, base
    server.should_exit = True
    await task
    accounts.close()


async def logged_in(base: str) -> str:
    async with httpx.AsyncClient(base_url=base) as client:
        answer = await client.post("/api/v1/login", json={"user": "operator", "password": "operator-secret"})
        return f"dutyroom={answer.cookies['dutyroom']}"


async def until(ws: Any, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            message: dict[str, Any] = json.loads(await ws.recv())
            if message["type"] == kind:
                return message


async def test_an_alarm_reaches_an_open_screen_and_a_phone_answers_it(server: tuple[FakeStation, str]) -> None:
    station, base = server
    cookie = await logged_in(base)
    url = base.replace("http", "ws") + "/api/v1/live"
    async with connect(url, additional_headers={"cookie": cookie}, origin=base) as ws:  # type: ignore[arg-type]
        await until(ws, "snapshot")
        station.raise_alarm()
        (incident,) = (await until(ws, "change"))["incidents"]
        link = base + "/p/" + phone_token(SECRET, incident["id"], "zhaolei")
        async with httpx.AsyncClient(follow_redirects=True) as phone:
            assert "确认接警" in (await phone.get(link)).text
            page = await phone.post(f"{link}/accept", data={"request": "press-1"}, headers={"origin": base})
            assert "您已接警" in page.text
        change = await until(ws, "change")
        assert change["incidents"][0]["people"][0]["id"] == "zhaolei"


async def test_a_screen_that_stopped_reading_is_dropped_and_delays_nobody(
    server: tuple[FakeStation, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    station, base = server
    monkeypatch.setattr(stream, "STUCK_S", 0.3)
    monkeypatch.setattr(stream, "SPACING_MS", 1)
    cookie = await logged_in(base)
    url = base.replace("http", "ws") + "/api/v1/live"
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", int(base.rpartition(":")[2])))
    headers = {"cookie": cookie}
    stuck = await connect(url, sock=raw, additional_headers=headers, max_queue=1, ping_interval=None)
    async with connect(url, additional_headers=headers) as ws:
        await until(ws, "snapshot")
        stuck.transport.pause_reading()  # type: ignore[attr-defined]
        async with asyncio.timeout(30):
            while len(station._told) == 2:
                station.raise_alarm()
                await until(ws, "change")
                station.clear_alarm()
                await until(ws, "change")
                station.clock.at += 1
        async with httpx.AsyncClient(base_url=base) as client:
            for _ in range(200):
                text = (await client.get("/metrics")).text
                if "dutyroom_live_dropped_total 1" in text:
                    break
                await asyncio.sleep(0.02)
            assert "dutyroom_live_dropped_total 1" in text
    stuck.transport.abort()


async def test_the_stream_is_refused_to_another_origin(server: tuple[FakeStation, str]) -> None:
    _, base = server
    url = base.replace("http", "ws") + "/api/v1/live"
    with pytest.raises(Exception, match="403"):
        await connect(url, additional_headers={"cookie": await logged_in(base)}, origin="http://evil.example")  # type: ignore[arg-type]


async def test_who_is_not_logged_in_hears_why_the_stream_ends(server: tuple[FakeStation, str]) -> None:
    _, base = server
    async with connect(base.replace("http", "ws") + "/api/v1/live") as ws:
        with pytest.raises(ConnectionClosed):
            await ws.recv()
        assert ws.close_code == 4401


async def test_a_body_that_drips_is_cut_off(server: tuple[FakeStation, str], monkeypatch: pytest.MonkeyPatch) -> None:
    _, base = server
    monkeypatch.setattr("api.gate.BODY_SECONDS", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(base.rpartition(":")[2]))
    writer.write(b"POST /api/v1/login HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 100\r\n\r\n{")
    await writer.drain()
    async with asyncio.timeout(10):
        assert b"408" in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_heavy_work_leaves_the_loop_free(server: tuple[FakeStation, str]) -> None:
    station, base = server

    def slow(*_: object) -> list[Any]:
        import time

        time.sleep(0.5)
        return []

    station.telemetry.history = slow  # type: ignore[method-assign]
    cookie = {"cookie": await logged_in(base)}
    async with httpx.AsyncClient(base_url=base, headers=cookie) as client:
        query = client.get("/api/v1/history?point=t1/temp_a&from=0&to=1000")
        login = client.post("/api/v1/login", json={"user": "operator", "password": "wrong-secret"})
        busy = asyncio.gather(query, login)
        worst, loop = 0.0, asyncio.get_running_loop()
        while not busy.done():
            began = loop.time()
            await asyncio.sleep(0.001)
            worst = max(worst, loop.time() - began)
        assert (await busy)[0].json()["buckets"] == []
        assert worst < 0.4  # the machine may be busy; one of the two calls alone would hold it for half a second
