"""Fault 44: asked to stop with screens open, a client that drips and pages under way, the service drains and loses nothing."""

import asyncio
import contextlib
import json
import socket
import sqlite3
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import websockets
from killing import Building, prepare
from serving import Serving, eventually, operator

from facility.records import Kind
from stores.logbook import LogBook

SCREENS = 20
DRAIN_S = 5.0


class SlowProvider:
    """A webhook endpoint that answers only while it may; it remembers the keys it was given."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.may_answer = threading.Event()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                provider.keys.append(self.headers["idempotency-key"])
                if provider.may_answer.wait(20):
                    self.send_response(200)
                    self.send_header("content-length", "0")
                    self.end_headers()

            def log_message(self, *_said: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *_: None  # the service hangs up when it stops
        self.url = f"http://127.0.0.1:{self._server.server_port}/page"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.may_answer.set()
        self._server.shutdown()
        self._server.server_close()


def login(service: Serving, who: dict[str, str]) -> str:
    asked = urllib.request.Request(
        f"http://127.0.0.1:{service.port}/api/v1/login",
        json.dumps(who).encode(),
        {"content-type": "application/json", "origin": f"http://127.0.0.1:{service.port}"},
    )
    with urllib.request.urlopen(asked, timeout=5) as answer:
        return answer.headers["set-cookie"].partition(";")[0]


def dripping(service: Serving) -> socket.socket:
    """A client whose body never comes to its end."""
    line = socket.create_connection(("127.0.0.1", service.port))
    head = f"POST /api/v1/login HTTP/1.1\r\nhost: 127.0.0.1:{service.port}\r\ncontent-type: application/json\r\n"
    line.sendall(f'{head}content-length: 400\r\n\r\n{{"user": "'.encode())
    return line


async def screens(service: Serving, cookie: str) -> list[websockets.ClientConnection]:
    base = f"127.0.0.1:{service.port}"
    opened = [
        await websockets.connect(
            f"ws://{base}/api/v1/live", additional_headers={"cookie": cookie}, origin=f"http://{base}"
        )
        for _ in range(SCREENS)
    ]
    for screen in opened:
        assert json.loads(await screen.recv())["type"] == "snapshot"
    return opened


async def ended(screen: websockets.ClientConnection) -> int:
    """Read what is left; return the code the stream ended with."""
    with contextlib.suppress(websockets.ConnectionClosed):
        while True:
            await screen.recv()
    return screen.close_code


async def test_a_stop_with_twenty_screens_and_slow_clients_takes_less_than_five_seconds_and_loses_nothing(
    tmp_path,
) -> None:
    """Fault 44."""
    provider = SlowProvider()
    site = prepare(tmp_path, provider.url)
    building = Building(site, tmp_path)
    service = Serving(site, tmp_path / "data")
    who = operator(service.data)
    try:
        service.start()
        opened = await screens(service, await asyncio.to_thread(login, service, who))
        slow = dripping(service)
        building.tell(do="stage", fault="lift-entrapment", equipment="lift-1b")
        await asyncio.to_thread(eventually, lambda: provider.keys, 10)
        scans = int(service.figures()["scans_total"])

        stopping = asyncio.create_task(asyncio.to_thread(service.stop))
        codes = await asyncio.gather(*map(ended, opened))
        code, seconds = await stopping
        slow.close()
        assert code == 0
        assert seconds <= DRAIN_S
        assert set(codes) <= {1001, 1012}, codes
        records = service.records()
        assert records[-1].kind is Kind.SERVICE_STOPPED
        spool = sqlite3.connect(service.data / "spool.db")
        (kept,) = spool.execute("SELECT sum(scans) FROM row").fetchone()
        spool.close()
        assert kept >= scans

        requested = {r.data.key for r in records if r.kind is Kind.PAGE_REQUESTED}
        sent = {r.data.key for r in records if r.kind is Kind.PAGE_SENT}
        assert set(provider.keys) <= requested
        assert requested - sent, "pages were under way"
        provider.may_answer.set()
        service.start()
        starts = await asyncio.to_thread(eventually, lambda: service.records(Kind.SERVICE_STARTED)[1:], 5)
        assert starts[0].data.clean

        def all_sent() -> bool:
            return requested <= {r.data.key for r in service.records(Kind.PAGE_SENT)}

        await asyncio.to_thread(eventually, all_sent, 10)
        assert {k for k in provider.keys if k in requested} == requested, "the same keys again"
        assert service.stop()[0] == 0
    finally:
        service.kill()
        building.close()
        provider.close()
    assert "Traceback" not in service.log.read_text()
    book = LogBook.reader(service.data / "logbook.db")
    assert book.verify().ok
    book.close()
    print(f"stopped in {seconds:.1f} s with {SCREENS} screens; {len(requested - sent)} pages sent after the restart")
