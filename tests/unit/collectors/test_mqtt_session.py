"""A connection to a broker, fed by hand."""

import asyncio
import threading

from collectors.mqtt.packets import message
from collectors.mqtt.session import PIECE, Greeting, Session
from facility.equipment import Line


class Transport(asyncio.Transport):
    """Says whether it is read from."""

    reading = True

    def write(self, data: object) -> None:
        """Take it."""

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        """Be closed."""


def begun(transport: Transport, heard: list[bytes]) -> Session:
    """A session that the broker has let in."""
    greeting = Greeting("us", "", "", v5=False, keepalive_s=10, keep_s=0, most_bytes=1 << 20)
    line = Line("broker", "mqtt", "127.0.0.1", 1883)
    session = Session(line, greeting, lambda *said: heard.append(said[2]), lambda *_: None, lambda: None)
    session.connection_made(transport)
    session.data_received(b"\x20\x02\0\0")
    assert session.up
    return session


async def test_a_backlog_is_read_in_pieces_and_in_order() -> None:
    heard: list[bytes] = []
    transport = Transport()
    session = begun(transport, heard)
    said = [b"%d" % n for n in range(4_000)]
    session.data_received(b"".join(message("a/b", one, v5=False) for one in said))
    first = len(heard)
    assert 0 < first * 10 < PIECE
    assert not transport.reading
    session.data_received(message("a/b", b"what the transport had read already", v5=False))
    assert len(heard) == first
    await asyncio.sleep(0)
    assert first < len(heard) < len(said)
    session.connection_lost(None)
    assert heard == [*said, b"what the transport had read already"]


async def test_what_an_encrypted_transport_hands_over_while_it_closes_is_left_to_the_broker() -> None:
    """As asyncio's does: it stopped the whole service, inside the callback in which paho says goodbye."""
    heard: list[bytes] = []
    transport = Transport()
    session = begun(transport, heard)
    session.publish("up/us", b"stored to 17")
    puback = b"\x40\x02\0\x01"
    transport.close = lambda: session.data_received(puback + message("a/b", b"not taken", v5=False))
    leaves = threading.Thread(target=session.close, daemon=True)
    leaves.start()
    leaves.join(5)
    assert not leaves.is_alive(), "it waits for itself"
    assert heard == []
