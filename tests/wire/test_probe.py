"""`dutyroom probe` against real Modbus servers on every wire, and against what is none."""

import asyncio
import socket
import struct
import threading

import pytest
from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from typer.testing import CliRunner

from dutyroom.cli import app
from simulators.cable import Cable


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(params=["modbus-tcp", "modbus-rtu-tcp", "modbus-rtu"])
def meter(request):
    """A meter with 231.4 V as a float with its words exchanged at wire 10, and 2314 at 20; return how to probe it."""
    high, low = struct.unpack(">HH", struct.pack(">f", 231.4))
    block = ModbusSequentialDataBlock(1, [*[0] * 10, low, high, *[0] * 8, 2314, *[0] * 29])
    port, up, stop = free_port(), threading.Event(), []
    options = {
        "modbus-tcp": [f"127.0.0.1:{port}"],
        "modbus-rtu-tcp": [f"127.0.0.1:{port}", "--rtu"],
        "modbus-rtu": ["--baud", 115_200],
    }[request.param]

    def serve():
        async def run():
            context = ModbusServerContext(devices={7: ModbusDeviceContext(hr=block, ir=block)}, single=False)
            cable = Cable()
            if request.param == "modbus-rtu":
                cable.start()
                options.insert(0, cable.far)
                server = ModbusSerialServer(context, port=cable.near)
            else:
                framer = FramerType.RTU if request.param == "modbus-rtu-tcp" else FramerType.SOCKET
                server = ModbusTcpServer(context, framer=framer, address=("127.0.0.1", port))
            await server.serve_forever(background=True)
            loop, done = asyncio.get_running_loop(), asyncio.Event()
            stop.append(lambda: loop.call_soon_threadsafe(done.set))
            up.set()
            await done.wait()
            await server.shutdown()
            cable.stop()

        asyncio.run(run())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert up.wait(5)
    yield options
    stop[0]()
    thread.join(5)


def probe(*options):
    result = CliRunner().invoke(app, ["probe", *map(str, options)])
    return result.exit_code, result.output


def test_the_reading_that_the_display_confirms_stands_first(meter):
    code, said = probe(*meter, "--unit", 7, "--address", "0x0A", "--count", 2, "--known", 231.4)
    assert code == 0, said
    lines = [line.split() for line in said.splitlines()]
    assert lines[0][:2] == ["10", "(0x000A)"]
    assert 'at = 10, type = "f32", order = "CDAB"' in said.splitlines()[2]
    code, said = probe(*meter, "--unit", 7, "--address", 20, "--count", 1, "--known", 231.4, "--function", 4)
    assert code == 0
    assert 'at = 20, type = "u16", scale = 0.1' in said.splitlines()[2]


def test_errors_say_what_to_do(meter):
    code, said = probe(*meter, "--unit", 7, "--address", 10, "--count", 2, "--known", 9.75)
    assert code == 0
    assert "No reading comes near 9.75" in said
    code, said = probe(*meter, "--unit", 7, "--address", 400)
    assert code == 1
    assert "the device has no such address" in said
    code, said = probe(f"127.0.0.1:{free_port()}", "--address", 0)
    assert code == 1
    assert "no connection" in said
    code, said = probe("127.0.0.1", "--address", "x")
    assert code == 1
    assert "The address x is not" in said
    assert probe("127.0.0.1:http", "--address", "0")[0] == 1
    code, said = probe("/dev/no-such-port", "--address", 0)
    assert code == 1
    assert "the serial port does not open" in said
    assert probe("/dev/ttyS0", "--address", 0, "--parity", "mark")[0] == 2


def test_a_listener_that_says_nothing():
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        code, said = probe(f"127.0.0.1:{mute.getsockname()[1]}", "--address", 0, "--timeout", 0.2)
    assert code == 1
    assert "no answer" in said


async def test_frames_of_the_other_kind_are_told():
    async def tell(reader, writer):
        await reader.readexactly(8)
        writer.write(b"\0\1\0\0\0\5\1\3\2\0\7")
        writer.close()

    server = await asyncio.start_server(tell, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    code, said = await asyncio.to_thread(probe, f"127.0.0.1:{port}", "--rtu", "--address", 0, "--count", 1)
    assert code == 1
    assert "add --rtu, else leave it out" in said
    server.close()
    await server.wait_closed()
