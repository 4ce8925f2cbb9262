"""`dutyroom probe` against a real Modbus TCP server, and against what is none."""

import asyncio
import socket
import struct
import threading

import pytest
from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.server import ModbusTcpServer
from typer.testing import CliRunner

from dutyroom.cli import app


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def meter():
    """A meter with 231.4 V as a float with its words exchanged at wire 10, and 2314 at 20."""
    high, low = struct.unpack(">HH", struct.pack(">f", 231.4))
    block = ModbusSequentialDataBlock(1, [*[0] * 10, low, high, *[0] * 8, 2314, *[0] * 29])
    port, up, stop = free_port(), threading.Event(), []

    def serve():
        async def run():
            context = ModbusServerContext(devices={7: ModbusDeviceContext(hr=block, ir=block)}, single=False)
            server = ModbusTcpServer(context, address=("127.0.0.1", port))
            await server.serve_forever(background=True)
            loop, done = asyncio.get_running_loop(), asyncio.Event()
            stop.append(lambda: loop.call_soon_threadsafe(done.set))
            up.set()
            await done.wait()
            await server.shutdown()

        asyncio.run(run())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert up.wait(5)
    yield port
    stop[0]()
    thread.join(5)


def probe(*options):
    result = CliRunner().invoke(app, ["probe", *map(str, options)])
    return result.exit_code, result.output


def test_the_reading_that_the_display_confirms_stands_first(meter):
    code, said = probe(f"127.0.0.1:{meter}", "--unit", 7, "--address", "0x0A", "--count", 2, "--known", 231.4)
    assert code == 0, said
    lines = [line.split() for line in said.splitlines()]
    assert lines[0][:2] == ["10", "(0x000A)"]
    assert 'at = 10, type = "f32", order = "CDAB"' in said.splitlines()[2]
    code, said = probe(
        f"127.0.0.1:{meter}", "--unit", 7, "--address", 20, "--count", 1, "--known", 231.4, "--function", 4
    )
    assert code == 0
    assert 'at = 20, type = "u16", scale = 0.1' in said.splitlines()[2]


def test_errors_say_what_to_do(meter):
    code, said = probe(f"127.0.0.1:{meter}", "--unit", 7, "--address", 10, "--count", 2, "--known", 9.75)
    assert code == 0
    assert "No reading comes near 9.75" in said
    code, said = probe(f"127.0.0.1:{meter}", "--unit", 7, "--address", 400)
    assert code == 1
    assert "the device has no such address" in said
    code, said = probe(f"127.0.0.1:{free_port()}", "--address", 0)
    assert code == 1
    assert "no connection" in said
    code, said = probe("127.0.0.1", "--address", "x")
    assert code == 1
    assert "The address x is not" in said
    assert probe("127.0.0.1:http", "--address", "0")[0] == 1


def test_a_listener_that_says_nothing():
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        code, said = probe(f"127.0.0.1:{mute.getsockname()[1]}", "--address", 0, "--timeout", 0.2)
    assert code == 1
    assert "no answer" in said
