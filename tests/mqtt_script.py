"""A broker that does as it is told, in this process: what no real broker would say, at the moment the test wants it."""

import asyncio

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, DISCONNECT = 1, 2, 3, 4, 8, 9, 12, 14


def packet(first: int, body: bytes) -> bytes:
    return bytes([first, *length(len(body))]) + body


def length(size: int) -> bytes:
    out = bytearray()
    while size > 127:
        out.append(size & 127 | 128)
        size >>= 7
    return bytes([*out, size])


def text(words: bytes) -> bytes:
    return len(words).to_bytes(2, "big") + words


class ScriptedBroker:
    """Lets everybody in, grants every subscription, echoes what is published, and remembers what it is told.

    `mute`: accepts connections and says nothing. `echoes`: whether what is published comes back to who said it.
    """

    def __init__(self):
        self.mute, self.echoes = False, True
        self.port = 0
        self.clients: list[str] = []  # client ids, in the order of their connections
        self.topics: list[bytes] = []
        self.acknowledged: list[int] = []
        self.connections = 0
        self._v5 = True
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._mid = 0

    async def __aenter__(self):
        await self.admit()
        return self

    async def __aexit__(self, *_):
        await self.refuse()

    async def admit(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self):
        """Close every connection and refuse new ones."""
        self._server.close()
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*(w.wait_closed() for w in self._writers), return_exceptions=True)

    async def publish(self, topic: bytes, payload: bytes, *, retain=False, qos=1) -> int:
        """Publish to everybody, and return the number; a piece at a time, so that a huge one needs no huge buffer."""
        self._mid += 1
        number = self._mid.to_bytes(2, "big") if qos else b""
        head = text(topic) + number + (b"\0" if self._v5 else b"")
        head = bytes([PUBLISH << 4 | qos << 1 | retain, *length(len(head) + len(payload))]) + head
        for writer in [w for w in self._writers if not w.is_closing()]:
            writer.write(head)
            for start in range(0, len(payload), 1 << 18):
                writer.write(payload[start : start + (1 << 18)])
                await writer.drain()
        return self._mid

    async def say(self, data: bytes):
        """Send bytes as they are."""
        for writer in self._writers:
            writer.write(data)

    async def take_over(self):
        """Do what a broker does when another client comes with the same id (MQTT 5)."""
        await self.say(packet(DISCONNECT << 4, b"\x8e\0"))
        for writer in list(self._writers):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.connections += 1
        self._writers.add(writer)
        try:
            while True:
                first = (await reader.readexactly(1))[0]
                body = await reader.readexactly(await self._size(reader))
                if not self.mute:
                    self._answer(first, body, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def _answer(self, first: int, body: bytes, writer: asyncio.StreamWriter):
        kind = first >> 4
        if kind == CONNECT:
            self._v5 = body[6] == 5
            at = 10 + (1 + body[10] if self._v5 else 0)
            size = int.from_bytes(body[at : at + 2], "big")
            self.clients.append(body[at + 2 : at + 2 + size].decode())
            writer.write(packet(CONNACK << 4, b"\0\0\0" if self._v5 else b"\0\0"))
        elif kind == SUBSCRIBE:
            at, count = 2 + self._v5, 0
            while at < len(body):
                size = int.from_bytes(body[at : at + 2], "big")
                self.topics.append(body[at + 2 : at + 2 + size])
                at, count = at + 3 + size, count + 1
            writer.write(packet(SUBACK << 4, body[:2] + (b"\0" if self._v5 else b"") + b"\x01" * count))
        elif kind == PUBLISH:
            size = 2 + int.from_bytes(body[:2], "big")
            if first & 6:
                writer.write(packet(PUBACK << 4, body[size : size + 2]))
                body = body[:size] + body[size + 2 :]
            if self.echoes:
                writer.write(packet(PUBLISH << 4, body))
        elif kind == PUBACK:
            self.acknowledged.append(int.from_bytes(body[:2], "big"))
        elif kind == PINGREQ:
            writer.write(b"\xd0\0")

    @staticmethod
    async def _size(reader: asyncio.StreamReader) -> int:
        size = shift = 0
        while True:
            byte = (await reader.readexactly(1))[0]
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return size
