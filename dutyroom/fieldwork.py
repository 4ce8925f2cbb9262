"""What the command line does for the engineer in the field: explain a profile, look into a live device."""

import asyncio
import struct
from collections.abc import Sequence
from pathlib import Path

from collectors.explain import explain
from collectors.modbus import guard
from collectors.modbus.agenda import Agenda
from collectors.modbus.probing import guesses
from collectors.modbus.readplan import Request
from collectors.modbus.rtu import RtuLine
from collectors.modbus.tcp import TcpLine
from collectors.modbus.wire import Reply, questions
from collectors.profile import BIT_FUNCTIONS, Profile
from dutyroom.clock import SystemClock
from facility.equipment import Line, Serial
from facility.scan import Reason
from sitefolder.document import read
from sitefolder.finding import Finding, Problems
from sitefolder.profiles import read_profile

PORT = 502
MOST_REGISTERS = 125
SHOWN = 40

_SAYINGS = {
    Reason.NOT_CONNECTED: (
        "连不上：检查地址、端口、网线和防火墙；有的网关只接受一个客户端，先断开别的上位机",
        "no connection: check address, port, cable and firewall; some gateways take one client only",
    ),
    Reason.NO_ANSWER: (
        "没有应答：检查从站号（--unit）、波特率和接线；装置可能不支持这个功能码",
        "no answer: check the unit number (--unit), baud rate and wiring; the device may not know this function",
    ),
    Reason.EXCEPTION: (
        "装置拒绝了：可能没有这个功能码；试 --function 4，或少读一些",
        "the device refused: it may not know this function; try --function 4, or fewer",
    ),
    Reason.DISABLED: (
        "装置没有这个地址；试 --function 4，或地址减 1，或少读一些",
        "the device has no such address; try --function 4, one address less, or fewer",
    ),
    Reason.BUSY: ("装置忙，稍后再试", "the device is busy; try again later"),
    Reason.MALFORMED: (
        "应答不符合规约：透传的串口服务器要加 --rtu，转换成 Modbus TCP 的网关不加；串口检查波特率和校验",
        "what came is no answer: behind a transparent serial server add --rtu, else leave it out; at a port check baud",
    ),
}
_CLOSED_PORT = (
    "串口打不开：检查路径、权限（dialout 组），或已被其他程序占用",
    "the serial port does not open: check its path and permissions (group dialout); another program may have it",
)


class FieldworkError(Exception):
    """What was asked for cannot be done; the message says it in both languages."""


def explained(path: Path) -> tuple[list[str], list[Finding]]:
    """Return the profile of a file in words, and what is wrong with it."""
    problems = Problems()
    document = read(path, path.name, problems)
    profile: Profile | None = read_profile(path.stem, document) if document else None
    return (explain(profile) if profile else []), problems.findings


def target(text: str) -> tuple[str, int]:
    """Return host and port of "host", "host:port" or "[v6]:port".

    Raises:
        FieldworkError: it is neither.
    """
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]") or (":" in host and not host.startswith("[")):
        return text.strip("[]"), PORT
    if not host or not port.isdecimal() or not 0 < int(port) <= 65_535:  # noqa: PLR2004 - the last port
        raise FieldworkError(f"{text} 不是 主机:端口。{text} is not host:port.")
    return host.strip("[]"), int(port)


def number(text: str) -> int:
    """Return a wire address, written 4096 or 0x1000.

    Raises:
        FieldworkError: it is none.
    """
    try:
        address = int(text, 0)
    except ValueError:
        address = -1
    if not 0 <= address <= 65_535:  # noqa: PLR2004 - the last register
        raise FieldworkError(f"地址 {text} 应为 0–65535 或 0x….  The address {text} is not 0 to 65535 or 0x….")
    return address


def line(text: str, *, rtu: bool = False, baud: int = 9600, parity: str = "none", stop_bits: int = 1) -> Line:
    """Return the line to what somebody wrote: a serial port (a path), or a host that speaks Modbus TCP or RTU.

    Raises:
        FieldworkError: it is neither.
    """
    if text.startswith("/"):
        return Line("probe", "modbus-rtu", serial=Serial(text, baud, parity, stop_bits))
    host, port = target(text)
    return Line("probe", "modbus-rtu-tcp" if rtu else "modbus-tcp", host, port)


def probe(line: Line, unit: int, request: Request, *, known: float | None = None) -> list[str]:
    """Read registers once and return what they may mean, as lines for a terminal.

    Raises:
        FieldworkError: the request is none, or the device did not answer it.
    """
    if request.function in BIT_FUNCTIONS or request.function not in guard.READS:
        raise FieldworkError("--function 只能是 3 或 4。--function is 3 or 4.")
    if not 1 <= request.count <= MOST_REGISTERS or request.address + request.count > 65_536:  # noqa: PLR2004
        raise FieldworkError(f"--count 为 1–{MOST_REGISTERS}，且不超出 65535。--count is 1 to {MOST_REGISTERS}.")
    reply = asyncio.run(_asked(line, unit, request))
    if isinstance(reply, Exception):
        raise reply
    if isinstance(reply, Reason):
        zh, en = _SAYINGS.get(reply, (reply.name, reply.name))
        if line.serial and reply is Reason.NOT_CONNECTED:
            zh, en = _CLOSED_PORT
        at = line.serial.path if line.serial else f"{line.host}:{line.port}"
        raise FieldworkError(f"{at} 从站 {unit}：{zh}。{at} unit {unit}: {en}.")
    words = struct.unpack(f">{request.count}H", reply)
    return [*_raw(words, request.address), "", *_shown(words, request.address, known)]


def _raw(words: Sequence[int], address: int) -> list[str]:
    rows = range(0, len(words), 8)
    return [
        f"{address + at:>6} (0x{address + at:04X})  " + " ".join(f"{w:04X}" for w in words[at : at + 8]) for at in rows
    ]


def _shown(words: Sequence[int], address: int, known: float | None) -> list[str]:
    found = guesses(words, address, known)
    if not found:
        return [
            f"没有一种读法接近 {known:g}：检查地址（试 ±1）、功能码和显示值的单位。",
            f"No reading comes near {known:g}: check the address (try one more or less), function and unit.",
        ]
    lines = [f"{g.value:>16.8g}  {f'{100 * g.off:.2f} %' if known is not None else '':>8}  {g.toml}" for g in found]
    more = [f"… {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return [*lines[:SHOWN], *more]


async def _asked(line: Line, unit: int, request: Request) -> Reply:
    clock = SystemClock()
    agenda = Agenda(clock)
    looking = asyncio.create_task(agenda.run(lambda: None))
    wire = TcpLine(line, clock, agenda) if line.transport == "modbus-tcp" else RtuLine(line, clock)
    try:
        if not await wire.connect():
            return Reason.NOT_CONNECTED
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        (question,) = questions(unit, [request])
        wire.ask(question, reply.set_result)
        return await reply
    finally:
        wire.close()
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
