"""A site with one contact and two people paged by webhook: for tests of the whole service, from outside."""

import asyncio
import contextlib
import re
import threading
from collections.abc import Iterator
from pathlib import Path

from killing import Receiver, Told
from modbus_script import Scripted, framed
from serving import Serving

from facility.records import Kind
from tests.torture import kills_pages


class Contact:
    """A contact behind a gateway that answers from a thread of its own."""

    def __init__(self) -> None:
        self.closed = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = Scripted(self._said)
        asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result(10)
        self.port = self._server.port

    @property
    def connections(self) -> int:
        return self._server.connections

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _said(self, frame: bytes) -> bytes:
        count = int.from_bytes(frame[10:12], "big")
        if frame[7] == 4:
            return framed(frame, frame[6:8] + bytes([2 * count]) + bytes(2 * count))
        bits = bytes([self.closed]).ljust((count + 7) // 8, b"\0")
        return framed(frame, frame[6:8] + bytes([len(bits)]) + bits)


PLAN = """name = {{ zh = "试验", en = "Trial" }}
priority = "life"
class = "life-safety"
repeat = "{repeat}"
accept_expires = "10 min"
source = "test"
[[level]]
within = "{level}"
calls = [{{ role = "guard" }}, {{ role = "leader-on-duty", responder = false }}]
[[level]]
within = "20 min"
calls = [{{ role = "electrician" }}]
[[step]]
id = "look"
role = "guard"
mandatory = false
text = {{ zh = "查看", en = "Look" }}
"""


def site_of(folder: Path, port: int, url: str, repeat: str, level: str) -> Path:
    """The site of the kill torture, cut down to one panel; its plan calls again after `repeat`, and more after `level`."""
    site = kills_pages.site_of(folder, [port], url, PLAN.format(repeat=repeat, level=level))
    equipment = site / "equipment.toml"
    head, first, *_ = re.split(r"(?=\[\[equipment\]\])", equipment.read_text())
    head = re.sub(r"(?m)^di(?!1 )\d+ = .*\n", "", head)
    equipment.write_text(head + first)
    return site


class Place:
    """One service with its contact, and the receiver of its pages."""

    def __init__(
        self,
        folder: Path,
        repeat: str = "10 min",
        level: str = "20 min",
        code: str = "",
        data: Path | None = None,
    ) -> None:
        self.contact, self.told = Contact(), Told()
        self.receiver = Receiver(self.told)
        site = site_of(folder, self.contact.port, self.receiver.url, repeat, level)
        self.service = Serving(site, data or folder / "data", log=folder / "service.log", code=code)

    def keys(self) -> list[str]:
        return [post.key for post in self.told.posts]

    def heard(self) -> dict[tuple[str, int, int], list[int]]:
        """When each person heard each level and round: ms after the first was due, by the receiver's clock."""
        asked = {r.data.key: r.data for r in self.service.records(Kind.PAGE_REQUESTED) if not r.data.why}
        out: dict[tuple[str, int, int], list[int]] = {}
        first = self.service.records(Kind.LEVEL_REACHED)[0].at_ms
        seen: set[str] = set()
        for post in self.told.posts:
            page = asked.get(post.key)
            if page is not None and post.key not in seen:
                seen.add(post.key)
                turn = (page.person, page.level, page.round)
                out.setdefault(turn, []).append(round(post.at * 1000) - first)
        return out

    def requested(self) -> list[str]:
        return [r.data.key for r in self.service.records(Kind.PAGE_REQUESTED)]

    def close(self) -> None:
        self.service.kill()
        self.receiver.close()
        self.contact.close()


@contextlib.contextmanager
def placed(folder: Path, **how) -> Iterator[Place]:
    place = Place(folder, **how)
    try:
        yield place
    finally:
        place.close()
