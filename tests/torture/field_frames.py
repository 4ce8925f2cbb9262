"""A million hurt answers for every framing of the field bus, and a million registers full of anything for the decoders.

`python -m tests.torture.field_frames [--runs 1000000] [--seed 20261122]`. The product's own lines are asked, from
`data_received` on; only the network is missing, and time jumps. A unit answers in turn, as units do: early, late, not at
all, twice, and whoever waits by then. Its answers come whole or in pieces, hurt in every way that bytes can be.

What a line takes for an answer is held against a second reading of the textbook, which knows nothing of the product's:

- the bytes since the question must be the answer to it, from the first to the last (noise of a bus, and answers that
  units still owed, may stand before it);
- where no data was hurt, they must say what stands at the address that was asked.

Spells of two kinds take turns. In a spell of lies well-framed answers to questions that nobody asked come as well, so
only the bytes are judged. In a spell of lateness nothing lies: answers are late, lost, said twice or damaged as a wire
does it, and every value must be the right one. Modbus TCP protects data by nothing of its own, RTU by 16 bits: hurt
data that fit their check sum are counted.
"""

import argparse
import asyncio
import math
import os
import random
import resource
import selectors
import struct
import sys
from collections import Counter, deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from collectors.modbus.agenda import Agenda
from collectors.modbus.decode import Decoder
from collectors.modbus.port import Port
from collectors.modbus.readplan import Request
from collectors.modbus.rtu import RtuLine
from collectors.modbus.tcp import TcpLine
from collectors.modbus.wire import questions
from facility.equipment import Line, Serial
from facility.scan import Reason
from sitefolder.finding import Problems
from sitefolder.profiles import read_profiles

FRAMINGS = ("modbus-tcp", "modbus-tcp without ids", "modbus-rtu-tcp", "modbus-rtu")
LIBRARY = Path(__file__).parents[2] / "library" / "profiles"
TIMEOUT_MS = 20
LATEST_MS = 3 * TIMEOUT_MS
"""The latest that a unit answers: the product waits for four timeouts."""
UNITS = (1, 2, 247)
SPELL = 40  # runs
DAMAGES = 14
"""How answers are hurt, by the numbers of `Mouth.hurt`."""
BY_A_WIRE = {True: (0, 1, 2, 3, 4, 6, 7, 12), False: (2, 6)}
"""Those that a wire can do: with a check sum, and without one, where a network keeps bytes whole."""
SHOWN = 10


@dataclass
class Result:
    """What became of the runs. `wrong` must stay empty, and so must `raised`."""

    name: str
    runs: int
    accepted: int = 0
    collisions: int = 0  # hurt data that fit their check sum, or have none
    said: Counter = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    raised: list[str] = field(default_factory=list)
    cpu_s: float = 0.0

    def __str__(self) -> str:
        reasons = ", ".join(f"{why} {n:,}" for why, n in self.said.most_common())
        return (
            f"{self.name}: {self.runs:,} runs, {self.accepted:,} accepted ({self.collisions:,} hurt beyond what their"
            f" framing can tell), {len(self.wrong)} wrong, {len(self.raised)} exceptions, {self.cpu_s:.0f} s of CPU; {reasons}"
        )


# -- the textbook ------------------------------------------------------------------------------------------------------


def _remainders() -> list[int]:
    out = []
    for byte in range(256):
        rest = byte
        for _ in range(8):
            rest = (rest >> 1) ^ 0xA001 if rest & 1 else rest >> 1
        out.append(rest)
    return out


REMAINDERS = _remainders()


def crc(data: bytes) -> bytes:
    rest = 0xFFFF
    for byte in data:
        rest = (rest >> 8) ^ REMAINDERS[(rest ^ byte) & 0xFF]
    return bytes([rest & 0xFF, rest >> 8])


def truth(unit: int, function: int, address: int, count: int) -> bytes:
    """What stands there: as good as different at every address of every unit."""
    if function <= 2:
        return bytes((unit * 7 + function + (address + 8 * i) * 31) >> 2 & 0xFF for i in range((count + 7) // 8))
    return b"".join(
        ((unit * 4099 + function * 257 + a * 7919) & 0xFFFF).to_bytes(2, "big") for a in range(address, address + count)
    )


def expected(asked: bytes, heard: bytes, framing: str, owing: set[int]) -> bytes | None:
    """The data that a careful reader finds in what came since the question, or None.

    Args:
        asked: unit, function, address, count.
        heard: all bytes since the question went out.
        framing: how they are framed; numbered ones begin with the question's transaction id.
        owing: units that may still say something else first.
    """
    unit, function = asked[0], asked[1]
    count = int.from_bytes(asked[4:6], "big")
    size = (count + 7) // 8 if function <= 2 else 2 * count
    begin = bytes([unit, function, size])
    if "rtu" in framing:
        return _on_a_bus(begin, heard, owing)
    return _on_a_network(begin, heard, owing if framing != FRAMINGS[0] else set())


def _on_a_bus(begin: bytes, heard: bytes, owing: set[int]) -> bytes | None:
    while True:
        while heard and heard[0] in {0, 255} and heard[0] != begin[0]:
            heard = heard[1:]
        length = 5 if len(heard) > 2 and heard[1] & 0x80 else 5 + heard[2] if len(heard) > 2 else 5
        frame = heard[:length]
        if len(frame) < length or crc(frame[:-2]) != frame[-2:]:
            return None
        if frame[:3] == begin:
            return frame[3:-2]
        if frame[0] not in owing:
            return None
        heard = heard[length:]


def _on_a_network(begin: bytes, heard: bytes, owing: set[int]) -> bytes | None:
    while len(heard) >= 9:
        length = 6 + int.from_bytes(heard[4:6], "big")
        frame = heard[:length]
        if frame[2:4] != b"\0\0" or len(frame) < length:
            return None
        if frame[6:9] == begin and length == 9 + begin[2]:
            return frame[9:]
        if frame[6] not in owing:
            return None
        heard = heard[length:]
    return None


# -- what is said ------------------------------------------------------------------------------------------------------


class Mouth:
    """Makes answers, right and hurt ones, in one framing."""

    def __init__(self, framing: str, dice: random.Random) -> None:
        self.framing = framing
        self.rtu = "rtu" in framing
        self.dice = dice

    def frame(self, body: bytes, tid: bytes) -> bytes:
        return body + crc(body) if self.rtu else tid + b"\0\0" + len(body).to_bytes(2, "big") + body

    def body(self, asked: bytes) -> bytes:
        data = truth(asked[0], asked[1], int.from_bytes(asked[2:4], "big"), int.from_bytes(asked[4:6], "big"))
        return asked[:2] + bytes([len(data)]) + data

    def right(self, asked: bytes, tid: bytes) -> bytes:
        return self.frame(self.body(asked), tid)

    def hurt(self, asked: bytes, other: bytes, tid: bytes, kind: int) -> bytes:  # noqa: PLR0911, PLR0912 - a list
        """Return bytes of which nothing may be believed but what the textbook finds in them."""
        dice = self.dice
        right = bytearray(self.right(asked, tid))
        match kind:
            case 0:
                for _ in range(dice.randint(1, 3)):
                    right[dice.randrange(len(right))] ^= 1 << dice.randrange(8)
            case 1:
                for _ in range(dice.randint(1, 3)):
                    right[dice.randrange(len(right))] = dice.randrange(256)
            case 2:
                del right[dice.randrange(len(right)) :]
            case 3:
                at = dice.randrange(len(right) + 1)
                right[at:at] = dice.randbytes(dice.randint(1, 3))
            case 4:
                at = dice.randrange(len(right))
                del right[at : at + dice.randint(1, 3)]
            case 5:
                right *= 2
            case 6:
                return dice.randbytes(dice.randrange(300))
            case 7:
                return bytes(right[: dice.randrange(len(right))]) + dice.randbytes(dice.randrange(40))
            case 8:
                return self.right(other, tid if dice.random() < 0.5 else dice.randbytes(2))
            case 9:  # well framed, and something else within
                body = bytearray(self.body(asked))
                body[dice.randrange(3)] = dice.randrange(256)
                if dice.random() < 0.3:
                    body += dice.randbytes(dice.randint(1, 4))
                return self.frame(bytes(body), tid)
            case 10:
                code = bytes([dice.choice((0, 1, 2, 3, 4, 5, 6, 8, 10, 11, dice.randrange(256)))])
                return self.frame(bytes([asked[0], asked[1] | 0x80]) + code[: dice.randrange(3)], tid)
            case 11:
                return bytes(right) + dice.randbytes(dice.randint(1, 20))
            case 12:
                return dice.choice((b"\0", b"\xff", b"\0\0\0", dice.randbytes(1), dice.randbytes(9))) + bytes(right)
            case _:  # framed as on another kind of line
                self.rtu = not self.rtu
                said = self.right(asked, tid)
                self.rtu = not self.rtu
                return said
        return bytes(right)


@dataclass(slots=True)
class Said:
    """An answer on its way: since when, and whether what it says is true."""

    at_ms: int
    data: bytes
    true: bool


class Bench:
    """One line, its network, and a unit behind it that answers in turn."""

    def __init__(self, framing: str, dice: random.Random, result: Result) -> None:
        self.framing, self.dice, self.result = framing, dice, result
        self.loop = asyncio.get_running_loop()
        self.mouth = Mouth(framing, dice)
        clock = _Clock()
        self.clock = clock
        self.agenda = Agenda(clock)
        numbered = framing == FRAMINGS[0]
        serial = Serial("bus", 115_200, "none") if framing == "modbus-rtu" else None
        where = Line(
            "l", framing.partition(" ")[0], "h", 502, timeout_ms=TIMEOUT_MS, serial=serial,
            echoes_transaction=framing != FRAMINGS[1],
        )  # fmt: skip
        self.line = TcpLine(where, clock, self.agenda, (1, 2)) if numbered else RtuLine(where, clock, (1, 2))
        self.loop.create_connection = self._connection
        self.protocol = self.before = None
        self.sent: list[bytes] = []
        self.queue: deque[Said] = deque()
        self.owing: dict[int, int] = {}  # unit -> until when it may still say something to an older question
        self.asked = self._asked()
        self.turn = 0
        self.lies = True

    def _asked(self):
        """Questions of which many have answers that look alike: an answer in the wrong place must show."""
        out = []
        for unit in UNITS:
            for function in (1, 2, 3, 4):
                alike, most = (12, 40) if function <= 2 else (2, 12)
                counts = (alike, alike, alike, alike, self.dice.randint(1, most))
                out += questions(unit, [Request(function, self.dice.randrange(900), count) for count in counts])
        return out + list(questions(3, [Request(3, 0, 125), Request(2, 0, 2000)]))

    async def _connection(self, factory, _host, _port):
        self.made(factory())

    def made(self, protocol):
        self.before, self.protocol = self.protocol, protocol
        self.sent = []
        protocol.connection_made(_Transport(self.sent))

    async def run(self):
        """Ask once, say what comes to mind until there is a reply, and judge it."""
        dice, line = self.dice, self.line
        if self.turn % SPELL == 0:
            self.lies = not self.lies
            self.queue.clear()
        self.turn += 1
        if not line.connected:
            await line.connect()
        question = dice.choice(self.asked)
        if self.framing == FRAMINGS[0] and len(self.sent) > 200:
            self.sent.clear()
        replies: list = []
        answered, heard, true, frame = len(self.sent), b"", True, b""
        line.ask(question, replies.append)
        while not replies:
            if len(self.sent) == answered:
                await asyncio.sleep(TIMEOUT_MS / 4000)
                continue
            if self.sent[-1] is not frame:  # asked since, in its own time
                frame, heard, true = self.sent[-1], b"", True
            answered = len(self.sent)
            for said in self._answers(frame):
                true = true and said.true
                for piece in self._pieces(said.data):
                    before = len(self.sent)
                    self._hear(piece)
                    heard += piece
                    if len(self.sent) > before:  # it was answered, and asks the next; what still comes is for that
                        frame, heard, true = self.sent[-1], b"", said.true
        self._judge(question, replies, frame, heard, true)

    def _answers(self, frame: bytes) -> list[Said]:
        """What arrives after this question, in the order in which the unit said it."""
        dice, now = self.dice, self.clock.now()
        tid, asked = (b"", frame[:6]) if self.mouth.rtu else (frame[:2], frame[6:12])
        if self.framing == FRAMINGS[1]:
            tid = dice.choice((b"\0\0", b"\0\2", tid))
        other = dice.choice(self.asked).tail[4:10]
        while self.queue and now - self.queue[0].at_ms > LATEST_MS:
            self.queue.popleft()
        chance = dice.random()
        if self.lies and chance < 0.7:
            return [Said(now, self.mouth.hurt(asked, other, tid, dice.randrange(DAMAGES)), true=False)]
        if chance < 0.3:  # a unit answers in turn: what was late comes first
            self.queue.append(
                Said(now, self.mouth.hurt(asked, other, tid, dice.choice(BY_A_WIRE[self.mouth.rtu])), true=False)
            )
            if chance > 0.2:
                return [Said(now, dice.randbytes(dice.randint(1, 30)), true=True)]  # noise, and the rest later
            out = list(self.queue)
            self.queue.clear()
            return out
        self.queue.append(Said(now, self.mouth.right(asked, tid), true=True))
        if chance > 0.96:  # said twice
            self.queue.append(self.queue[-1])
        if self.lies is False and chance > 0.92:
            if dice.random() < 0.5:
                return [self.queue.popleft()]  # the rest later
            return []  # later
        if chance > 0.88:
            self.queue.pop()  # lost
        out = list(self.queue)
        self.queue.clear()
        return out

    def _pieces(self, data: bytes):
        dice = self.dice
        if dice.random() < 0.7:
            return [data] if data else []
        edges = sorted({0, len(data), *(dice.randrange(len(data) + 1) for _ in range(dice.randint(1, 3)))})
        return [data[a:b] for a, b in pairwise(edges)]

    def _hear(self, piece: bytes):
        self.protocol.data_received(piece)
        if self.before is not None and self.dice.random() < 0.05:  # what an old connection still brings
            self.before.data_received(piece)

    def _judge(self, question, replies, frame, heard, true):
        result, reply, now = self.result, replies[0], self.clock.now()
        unit = question.unit
        owing = {u for u, until in self.owing.items() if until >= now} | {unit}
        self.owing[unit] = now + 8 * TIMEOUT_MS
        if not isinstance(reply, bytes):
            result.said[getattr(reply, "name", repr(reply))] += 1
            if isinstance(reply, Exception):
                result.raised.append(repr(reply))
            return
        result.accepted += 1
        asked = frame[:6] if self.mouth.rtu else frame[6:12]
        right = truth(unit, question.request.function, question.request.address, question.request.count)
        found = expected(asked, heard, self.framing, owing)
        numbered = self.framing == FRAMINGS[0] and heard[:2] != frame[:2]
        if len(replies) > 1 or asked != question.tail[4:10] or found != reply or numbered or (true and reply != right):
            result.wrong.append(
                f"asked {question.tail[4:10].hex()} by {frame.hex()}, heard {heard.hex()}, took {reply.hex()}, right {right.hex()}"
            )
        elif reply != right:
            result.collisions += 1


class _Clock:
    def now(self) -> int:
        return 1_000_000 + round(asyncio.get_running_loop().time() * 1000)

    async def until(self, at_ms: int) -> None:
        while (left := at_ms - self.now()) > 0:
            await asyncio.sleep(left / 1000)


class _Transport:
    def __init__(self, sent: list[bytes]) -> None:
        self._sent = sent

    def write(self, data: bytes) -> None:
        self._sent.append(bytes(data))

    def abort(self) -> None:
        """Nothing is behind it."""


class _Jumps(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.at = 0.0

    def select(self, timeout=None):
        self.at += timeout or 0.0
        return []


class _Loop(asyncio.SelectorEventLoop):
    """Time jumps to the next timer: nothing here waits for anything else."""

    def __init__(self) -> None:
        self.jumps = _Jumps()
        super().__init__(self.jumps)

    def time(self) -> float:
        return self.jumps.at


@contextmanager
def _no_serial_port(benches: list[Bench]):
    """Let a serial port open without one."""

    async def opened(port, _loop, _serial):
        benches[0].made(port)

    before = Port._open_serial
    Port._open_serial = opened
    try:
        yield
    finally:
        Port._open_serial = before


def fuzz(framing: str, runs: int, seed: int) -> Result:
    """Ask so many questions on a line of this framing."""
    result = Result(framing, runs)
    benches: list[Bench] = []

    async def play():
        bench = Bench(framing, random.Random(seed), result)
        benches.append(bench)
        looking = asyncio.create_task(bench.agenda.run(lambda: None))
        try:
            for _ in range(runs):
                try:
                    await bench.run()
                except Exception as error:  # noqa: BLE001 - it is what we look for
                    result.raised.append(repr(error))
                    bench.line.close()
                if len(result.wrong) + len(result.raised) >= SHOWN:
                    break
        finally:
            bench.line.close()
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

    began = _cpu()
    with _no_serial_port(benches), asyncio.Runner(loop_factory=_Loop) as runner:
        runner.run(play())
    result.cpu_s = _cpu() - began
    return result


# -- decoders ----------------------------------------------------------------------------------------------------------

ODD = [bytes.fromhex(word) for word in ("8000", "7fff", "ffff", "7fc0", "7f80", "ff80", "0000", "fffe", "8001", "0001")]


def decode(runs: int, seed: int) -> Result:
    """Read registers full of anything with every map of the library; no value may be good and be none."""
    result = Result("decoders", runs)
    dice = random.Random(seed)
    profiles = [p for p in read_profiles(LIBRARY, Problems()).values() if p.modbus]
    decoders = [(p, Decoder(p.modbus, tuple(p.modbus.fields))) for p in profiles]
    began = _cpu()
    for _ in range(runs):
        profile, decoder = dice.choice(decoders)
        replies = [_registers(dice, request.reply_bytes) for request in decoder.requests]
        try:
            values, reasons, _ = decoder.decode(replies)
        except Exception as error:  # noqa: BLE001 - it is what we look for
            result.raised.append(
                f"{profile.id}: {error!r} from {[r.hex() if isinstance(r, bytes) else r for r in replies]}"
            )
            if len(result.raised) >= SHOWN:
                break
            continue
        bad = len(reasons) - reasons.count(0)
        result.said["GOOD"] += len(reasons) - bad
        result.said["not good"] += bad
        result.accepted += not bad
        finite = math.isfinite(sum(values)) if not bad else True
        if not finite or (bad and any(math.isfinite(v) is bool(r) for v, r in zip(values, reasons, strict=True))):
            result.wrong.append(f"{profile.id}: {values} {list(reasons)}")
    result.cpu_s = _cpu() - began
    return result


def _registers(dice: random.Random, size: int) -> bytes | Reason:
    chance = dice.random()
    if chance < 0.02:
        return dice.choice((Reason.EXCEPTION, Reason.DISABLED, Reason.BUSY, Reason.NO_ANSWER))
    if chance < 0.3:
        return b"".join(dice.choice(ODD) for _ in range((size + 1) // 2))[:size]
    if chance < 0.5:
        return struct.pack(f">{size // 2}H", *(dice.randrange(400) for _ in range(size // 2))) + bytes(size % 2)
    return dice.randbytes(size)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--runs", type=int, default=1_000_000, help="of every framing, and of the decoders")
    words.add_argument("--seed", type=int, default=20261122)
    asked = words.parse_args()
    failed = 0
    for name in (*FRAMINGS, "decoders"):
        result = fuzz(name, asked.runs, asked.seed) if name in FRAMINGS else decode(asked.runs, asked.seed)
        print(result, flush=True)
        for one in (*result.wrong[:SHOWN], *result.raised[:SHOWN]):
            print("WRONG", one)
        failed += bool(result.wrong or result.raised)
    print(f"seed {asked.seed}, load {os.getloadavg()[0]:.1f}:", "fulfilled" if not failed else "NOT fulfilled")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
