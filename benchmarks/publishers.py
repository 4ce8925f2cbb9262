"""A lean crowd of MQTT 3.1.1 publishers: a connection each, QoS 1, prepared payloads, no library.

A connection that is lost is not made again; `publishers_lost` says how many were.
`python -m benchmarks.publishers PORT CLIENTS RATE` says "ready", publishes after "go" until its standard input closes,
waits for the broker's last acknowledgement, and says what it sent and what that cost.
"""

import asyncio
import itertools
import json
import random
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Sequence

TICK_S = 0.01
VALUES = 10
"""Of one message."""
HEARD_EVERY = 16
"""Messages after which a publisher looks for acknowledgements: they wait in the kernel, and reading costs."""


def topic(client: int) -> str:
    return f"bench/g{client:04}/live"


def payloads() -> Callable[[int, int], bytes]:
    """Return what makes a message of client and number: the gateway's clock and count, and ten values that vary."""
    roll = random.Random(7)
    bodies = [
        b"".join(b',"v%d":%.2f' % (i, 20 + i + roll.uniform(-1, 1)) for i in range(VALUES)) + b"}" for _ in range(256)
    ]

    def payload(client: int, number: int) -> bytes:
        body = bodies[client + 7 * number & 255]
        return b'{"ts":%d,"seq":%d' % (time.time_ns() // 1_000_000, number + 1) + body

    return payload


def _text(words: str) -> bytes:
    return struct.pack(">H", len(words)) + words.encode()


def _packet(first: int, body: bytes) -> bytes:
    """Return a packet of up to 16,383 bytes behind its fixed header."""
    size = len(body)
    length = bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])
    return bytes([first]) + length + body


class Publisher:
    """One connection and its topic: a bare socket, for a loop's machinery would cost more than the message."""

    def __init__(self, name: str, topic: str, port: int) -> None:
        """Connect and be let in; this blocks."""
        self._topic = _text(topic)
        self._id = 0
        self._rest = b""  # what the kernel did not take yet
        self.sent = self.acknowledged = 0
        self.lost = False
        self._bytes = 0  # of acknowledgements, four each; nothing else comes
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(_packet(0x10, _text("MQTT") + b"\x04\x02" + struct.pack(">H", 0) + _text(name)))
        said = self._socket.recv(4, socket.MSG_WAITALL)
        if said != b"\x20\x02\x00\x00":
            raise ConnectionError(f"the broker let {name} not in: {said!r}")
        self._socket.setblocking(False)

    def publish(self, payload: bytes) -> None:
        self._id = self._id % 0xFFFF + 1
        self._push(_packet(0x32, self._topic + self._id.to_bytes(2, "big") + payload))
        self.sent += 1

    def hear(self) -> None:
        """Take the acknowledgements that have come."""
        if self._rest:
            self._push(b"")
        try:
            heard = len(self._socket.recv(1 << 16))
        except BlockingIOError:
            return
        except OSError:
            heard = 0
        self.lost = self.lost or not heard
        self._bytes += heard
        self.acknowledged = self._bytes // 4

    def close(self) -> None:
        self._push(b"\xe0\x00")
        self._socket.close()

    def _push(self, data: bytes) -> None:
        data = self._rest + data
        try:
            self._rest = data[self._socket.send(data) :]
        except BlockingIOError:
            self._rest = data
        except OSError:
            self.lost = True


class Crowd:
    """Publishers in turn, so many messages a second altogether."""

    def __init__(self, topics: Sequence[str], rate: float, payload: Callable[[int, int], bytes]) -> None:
        """Prepare; `payload(publisher, number)` makes a message just before it is sent."""
        self._topics, self._rate, self._payload = topics, rate, payload
        self.publishers: list[Publisher] = []
        self._sending: asyncio.Task[None] | None = None

    async def connect(self, port: int) -> None:
        for n, topic in enumerate(self._topics):
            self.publishers.append(await asyncio.to_thread(Publisher, f"crowd-{n}", topic, port))

    def start(self) -> None:
        self._sending = asyncio.create_task(self._send())

    def pause(self) -> None:
        if self._sending:
            self._sending.cancel()
            self._sending = None

    async def settled(self, patience_s: float = 5.0) -> None:
        """Wait until the broker has acknowledged everything, but not for ever."""
        for _ in range(int(patience_s / TICK_S)):
            if self.counts["acknowledged"] == self.counts["sent"]:
                return
            await asyncio.sleep(TICK_S)

    @property
    def counts(self) -> dict[str, int]:
        for publisher in self.publishers:
            publisher.hear()
        return {
            "sent": sum(p.sent for p in self.publishers),
            "acknowledged": sum(p.acknowledged for p in self.publishers),
            "publishers_lost": sum(p.lost for p in self.publishers),
        }

    def close(self) -> None:
        self.pause()
        for publisher in self.publishers:
            publisher.close()

    async def _send(self) -> None:
        turns = itertools.cycle(enumerate(self.publishers))
        began, sent = time.monotonic(), 0
        while True:
            await asyncio.sleep(TICK_S)
            due = int((time.monotonic() - began) * self._rate)
            while sent < due:
                n, publisher = next(turns)
                if publisher.sent % HEARD_EVERY == 0:
                    publisher.hear()
                publisher.publish(self._payload(n, publisher.sent))
                sent += 1


async def serve(port: int, clients: int, rate: float) -> None:
    loop, orders = asyncio.get_running_loop(), asyncio.Event()
    over = asyncio.Event()

    def listen() -> None:
        for _ in sys.stdin:
            loop.call_soon_threadsafe(orders.set)
        loop.call_soon_threadsafe(over.set)

    crowd = Crowd([topic(n) for n in range(clients)], rate, payloads())
    await crowd.connect(port)
    threading.Thread(target=listen, daemon=True).start()
    print("ready", flush=True)
    await orders.wait()
    cpu = time.process_time()
    crowd.start()
    await over.wait()
    crowd.pause()
    await crowd.settled()
    cpu = time.process_time() - cpu
    crowd.close()
    print(json.dumps({**crowd.counts, "cpu_us": round(1e6 * cpu / max(1, crowd.counts["sent"]), 1)}), flush=True)


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
