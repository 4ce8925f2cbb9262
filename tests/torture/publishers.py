"""Publishers of three manners, in a process that is not killed: what they said is what the store is judged by.

`python -m tests.torture.publishers FOLDER BROKER_PORT KEEPERS COUNTERS PLAINS EVERY_MS`. Prints "up" when all run. A
line on its input ends the saying; then it waits until every receipt has come, writes FOLDER/ledger.json and goes.

Ledger, by device: {number: time}. A keeper's and a counter's hold every message made; a plain one's those that the
broker acknowledged (what it could not hand over, it knows itself).
"""

import contextlib
import json
import sys
import threading
import time
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from simulators import outbox
from simulators.outbox import Outbox

LAST_WORD_S = 60.0
RETRY_S = 0.2


def now_ms() -> int:
    return int(time.time() * 1000)


class Publisher:
    """One box with a connection of its own; told to live at every tick."""

    qos = 1

    def __init__(self, device: str, port: int) -> None:
        self.device, self.port = device, port
        self.ledger: dict[int, int] = {}
        self.number = 0
        self.up = threading.Event()
        self._client: paho.Client | None = None
        self._try_at = 0.0

    def live(self) -> None:
        if (self._client is None or not self._client.is_connected()) and time.monotonic() >= self._try_at:
            self._try_at = time.monotonic() + RETRY_S
            self._connect()

    def say(self) -> None:
        self.number += 1
        self.ledger[self.number] = at = now_ms()
        if self.up.is_set():
            self.send(self.body(self.number, at))

    def send(self, body: dict) -> int:
        """Publish and return the packet's number."""
        assert self._client is not None
        return self._client.publish(f"site/{self.device}/live", json.dumps(body), qos=self.qos).mid

    def body(self, number: int, at: int) -> dict:
        return {"t": at, "n": number, "v": {"number": number, "a": number % 100, "b": 0.5 * (number % 7), "c": 1.25}}

    def done(self) -> bool:
        return True

    def close(self) -> None:
        self.leave()

    def leave(self) -> None:
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()
            if (sock := self._client.socket()) is not None:
                sock.close()

    def connected(self, client: paho.Client) -> None:
        """Be let in."""

    def _connect(self) -> None:
        self.up.clear()
        self.leave()
        self._client = client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=self.device, reconnect_on_failure=False
        )

        def on_connect(client: paho.Client, _data: object, _flags: object, code: object, _more: object) -> None:
            if not code.is_failure:
                self.connected(client)
                self.up.set()

        client.on_connect = on_connect
        client.on_disconnect = lambda *_: self.up.clear()
        client.on_publish = lambda _c, _d, mid, *_: self.acknowledged(mid)
        client.on_message = lambda _c, _d, message: self.heard(message.payload)
        with contextlib.suppress(OSError):
            client.connect("127.0.0.1", self.port, keepalive=10)
            client.loop_start()

    def acknowledged(self, mid: int) -> None:
        """Hear that the broker took a message."""

    def heard(self, payload: bytes) -> None:
        """Hear something."""


class Keeper(Publisher):
    """Keeps every message in its outbox until our receipt."""

    def __init__(self, device: str, port: int, folder: Path, qos: int) -> None:
        super().__init__(device, port)
        self.qos = qos
        self._box = Outbox(folder / f"{device}.outbox", now_ms())
        self._lock = threading.Lock()

    def say(self) -> None:
        at = now_ms()
        with self._lock:
            self.ledger[self._box.put(at, b"")] = at

    def live(self) -> None:
        super().live()
        if not self.up.is_set():
            return
        with self._lock:
            oldest = self._box.oldest
            due = self._box.due(now_ms())
        for kept in due:
            self.send(self.body(kept.seq, kept.at_ms) | {"box": self._box.epoch, "old": oldest})

    def connected(self, client: paho.Client) -> None:
        client.subscribe(f"site/{self.device}/receipt", 1)
        with self._lock:
            self._box.connected(now_ms())

    def heard(self, payload: bytes) -> None:
        said = json.loads(payload)
        with self._lock:
            self._box.receipt(said["epoch"], said["seq"], now_ms())

    def done(self) -> bool:
        with self._lock:
            return self._box.oldest > self._box.newest

    def close(self) -> None:
        super().close()
        self._box.close()


class Plain(Publisher):
    """Neither counts nor keeps; its ledger is what the broker took."""

    def __init__(self, device: str, port: int) -> None:
        super().__init__(device, port)
        self._open: dict[int, tuple[int, int]] = {}
        self._taken: set[int] = set()

    def say(self) -> None:
        self.number += 1
        if self.up.is_set():
            at = now_ms()
            self._open[self.send(self.body(self.number, at))] = (self.number, at)

    def connected(self, client: paho.Client) -> None:
        self._settle()

    def acknowledged(self, mid: int) -> None:
        self._taken.add(mid)

    def _settle(self) -> None:
        self.ledger |= {number: at for mid, (number, at) in self._open.items() if mid in self._taken}
        self._open, self._taken = {}, set()

    def close(self) -> None:
        super().close()
        self._settle()


def main(folder: str, port: str, keepers: str, counters: str, plains: str, every_ms: str) -> None:
    outbox.PATIENCE_MS = 2_000  # a service is back sooner here than in a plant room
    here, broker, every = Path(folder), int(port), int(every_ms) / 1000
    boxes: list[Publisher] = [Keeper(f"keeper-{n}", broker, here, qos=n % 2) for n in range(int(keepers))]
    boxes += [Publisher(f"counter-{n}", broker) for n in range(int(counters))]
    boxes += [Plain(f"plain-{n}", broker) for n in range(int(plains))]
    ending = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), ending.set()), daemon=True).start()
    while not all(box.up.is_set() for box in boxes):
        for box in boxes:
            box.live()
        time.sleep(0.02)
    print("up", flush=True)
    due, until = time.monotonic(), None
    while until is None or (time.monotonic() < until and not all(box.done() for box in boxes)):
        for box in boxes:
            if until is None:
                box.say()
            box.live()
        if ending.is_set() and until is None:
            until = time.monotonic() + LAST_WORD_S
        due = max(due + every, time.monotonic() - every)
        time.sleep(max(0.0, due - time.monotonic()))
    waiting = [box.device for box in boxes if not box.done()]
    time.sleep(1.0)  # the last acknowledgements of those who do not wait for receipts
    for box in boxes:
        box.close()
    ledger = {"said": {box.device: box.ledger for box in boxes}, "waiting": waiting}
    (here / "ledger.json").write_text(json.dumps(ledger))
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
