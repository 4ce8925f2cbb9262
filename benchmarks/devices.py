"""A lean crowd of Modbus TCP devices: one port, canned answers, noise in every value.

`python -m benchmarks.devices` prints its port and serves until its standard input closes.
Every answer to a read of up to 125 holding registers comes from one of 64 prepared frames, so that the server
costs about 10 µs a read and the figures speak of the reader.
"""

import asyncio
import random
import struct
import sys
import threading
from typing import cast

FRAMES = 64
REGISTERS = 125


def prepared() -> list[bytes]:
    """Return the register images: 20 word-swapped and 20 plain floats, 40 words, 20 doubles, bit fields."""
    roll = random.Random(7)
    images = []
    for _ in range(FRAMES):
        words: list[int] = []
        for i in range(20):
            words += struct.unpack(">HH", struct.pack(">f", 220 + i + roll.uniform(-2, 2)))
        for i in range(15):
            high, low = struct.unpack(">HH", struct.pack(">f", 50 + i + roll.uniform(-0.5, 0.5)))
            words += [low, high]
        words += [roll.randint(400 + i, 440 + i) for i in range(37)]
        for i in range(8):
            words += struct.unpack(">HH", struct.pack(">I", 1_000_000 * (i + 1) + roll.randint(0, 500)))
        words += [roll.choice((0b0101, 0b0100)), 0b0011]
        assert len(words) == REGISTERS
        images.append(struct.pack(f">{REGISTERS}H", *words))
    return images


class Device(asyncio.Protocol):
    """One connection, any unit id."""

    images: tuple[bytes, ...] = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.turn = random.randrange(FRAMES)

    def data_received(self, data: bytes) -> None:
        while len(data) >= 12:
            address, count = struct.unpack_from(">HH", data, 8)
            self.turn = (self.turn + 1) % FRAMES
            body = self.images[self.turn][address * 2 : (address + count) * 2]
            head = data[:4] + struct.pack(">H", 3 + len(body)) + data[6:8] + bytes([len(body)])
            self.transport.write(head + body)
            data = data[12:]


async def serve() -> None:
    Device.images = tuple(prepared())
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Device, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    done = asyncio.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(done.set)), daemon=True).start()
    await done.wait()


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve())
