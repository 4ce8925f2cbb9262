"""Pages by a 4G or GSM modem at a serial port, for a room without internet: a text message, and a call that rings.

It speaks the AT commands of 3GPP TS 27.005 (messages, in text mode and UCS-2) and 27.007 (calls). What people send
back is read as well: 1 accepts, 2 cannot come, 3 has arrived.
"""

import asyncio
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from facility.ports import Clock, Message, PageRefusedError
from facility.rule import Priority
from response.pagers.allowance import Allowance, Limit

log = structlog.get_logger(__name__)

ANSWER_S = 5.0
SEND_S = 30.0
"""A network may take so long to take a message (3GPP TS 27.005 leaves it open; modems' manuals say up to 60 s)."""
RING_S = 25.0
PART = 60
"""Characters of one message: 70 in UCS-2, less the mark (1/2)."""
PARTS = 3
LISTEN_MS = 5_000
LIMITS = (Limit(10, 60_000), Limit(100, 3_600_000))
"""Of the card in it: a default, to keep a flood from blocking it; networks tell nobody what they allow."""

_PROMPT = b"> "
_END = re.compile(rb"(?:^|\n)(OK|ERROR|BUSY|NO CARRIER|NO ANSWER|NO DIALTONE|\+CM[ES] ERROR: [^\r\n]*)\r?\n")
_CALL_OVER = re.compile(rb"(BUSY|NO CARRIER|NO ANSWER|NO DIALTONE)")
_RECEIVED = re.compile(r'\+CMGL: (\d+),"REC [A-Z]+","([0-9A-Fa-f]*)"([^\r\n]*)\r?\n([0-9A-Fa-f]*)')


class Port(Protocol):
    """As much of serial.Serial as we need."""

    @property
    def in_waiting(self) -> int:
        """How many bytes have come and are not read yet."""

    def read(self, size: int = 1) -> bytes:
        """Return what came, up to `size` bytes, within the port's short time-out."""

    def write(self, data: bytes) -> int | None:
        """Send."""

    def close(self) -> None:
        """Let go of the port."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What somebody sent back."""

    number: str
    text: str
    stamp: str = ""
    """When the network took it, in the modem's words; with the rest it tells one message from another."""


def open_port(path: str, baud: int = 115_200) -> Port:
    """Open the serial port of a modem."""
    import serial

    port: Port = serial.Serial(path, baud, timeout=0.1, write_timeout=ANSWER_S, exclusive=True)
    return port


class ModemPager:
    """Pages through one modem, one after the other; a channel's address is the mobile number."""

    def __init__(
        self, opened: Callable[[], Port], clock: Clock, ring_s: float = RING_S, answer_s: float = ANSWER_S
    ) -> None:
        """Take how to open its port; it is opened when first needed, and anew after every trouble."""
        self._opened, self._clock, self._ring_s, self._answer_s = opened, clock, ring_s, answer_s
        self._port: Port | None = None
        self._one = threading.Lock()
        self._handed_in: set[tuple[str, str, str, str]] = set()  # replies that are still on the card
        self._allowance = Allowance(LIMITS)

    def spent(self, _address: str, at_ms: int) -> None:
        """Count a page that was handed over before this start."""
        self._allowance.spent("", at_ms)

    async def page(self, message: Message) -> str:
        """Send the page as text; where a life is in danger, let the phone ring as well."""
        self._allowance.take("", message, self._clock.now())
        return await asyncio.to_thread(self._page, message)

    async def listen(self, reply: Callable[[Reply], None], beat: Callable[[], None]) -> None:
        """Hand over for ever what people send back."""
        while True:
            beat()
            try:
                for said in await asyncio.to_thread(self._received):
                    reply(said)
            except PageRefusedError as error:
                log.warning("the modem cannot be asked for replies", why=str(error))
            await self._clock.until(self._clock.now() + LISTEN_MS)

    def close(self) -> None:
        """Let go of the port."""
        with self._one:
            self._drop()

    # In a thread, one at a time.

    def _page(self, message: Message) -> str:
        with self._one:
            said = [self._text(message.address, part) for part in parts(f"{message.title} {message.text}")]
            rang = f", {self._ring(message.address)}" if message.priority <= Priority.LIFE else ""
            return f"{', '.join(said)}{rang}"

    def _received(self) -> list[Reply]:
        """Return what came since; it is deleted at the next look, when whoever took it has written it down."""
        with self._one:
            listed = self._ask('AT+CMGL="ALL"').decode("ascii", "replace")
            found = _RECEIVED.findall(listed)
            fresh = [row for row in found if row not in self._handed_in]
            there = self._handed_in.intersection(found)
            self._handed_in = {*there, *fresh}
            try:
                for row in sorted(there):
                    self._ask(f"AT+CMGD={row[0]}")
                    self._handed_in.discard(row)
            except PageRefusedError as error:  # it stays where it is, and is not handed in again
                log.warning("the modem does not delete a reply that was taken", why=str(error))
        return [Reply(_plain(number), _plain(text).strip(), stamp.strip(',"')) for _, number, stamp, text in fresh]

    def _text(self, number: str, text: str) -> str:
        self._ready()
        self._ask(f'AT+CMGS="{_coded(number)}"', until=_PROMPT)
        answer = self._ask(_coded(text) + "\x1a", within_s=SEND_S, end="")
        found = re.search(rb"\+CMGS: \d+", answer)
        if found is None:
            raise PageRefusedError("the modem says OK without a number for the message")
        return found[0].decode()

    def _ring(self, number: str) -> str:
        """Let the phone ring for a while; whether anybody looks at it, nobody knows."""
        self._ready()
        heard = self._ask(f"ATD{number};", within_s=SEND_S)
        until = time.monotonic() + self._ring_s
        while (over := _CALL_OVER.search(heard)) is None and time.monotonic() < until:
            heard += self._read()
        if over is not None:
            return f"call ended: {over[0].decode()}"
        self._ask("ATH")
        return f"rang {self._ring_s:g} s"

    def _ready(self) -> Port:
        """Return the open port of a modem that speaks as we want it to."""
        if self._port is None:
            try:
                self._port = self._opened()
            except OSError as error:
                raise PageRefusedError(f"no modem: {error}") from error
            for word in ("ATE0", "AT+CMEE=1", "AT+CMGF=1", 'AT+CSCS="UCS2"', "AT+CSMP=17,167,0,8"):
                self._ask(word)
        return self._port

    def _ask(self, word: str, until: bytes = b"", within_s: float = 0.0, end: str = "\r") -> bytes:
        """Say a word and return the answer up to its end.

        Raises:
            PageRefusedError: the modem says no, or nothing; its port is opened anew next time.
        """
        port, within_s = self._port or self._ready(), within_s or self._answer_s
        try:
            port.write((word + end).encode("ascii"))
            deadline, heard = time.monotonic() + within_s, b""
            while time.monotonic() < deadline:
                heard += self._read()
                if until and heard.endswith(until):
                    return heard
                if found := _END.search(heard):
                    if found[1] == b"OK":
                        return heard
                    raise PageRefusedError(found[1].decode("ascii", "replace"))
        except OSError as error:
            self._drop()
            raise PageRefusedError(f"the modem is gone: {error}") from error
        self._drop()
        raise PageRefusedError(f"no answer from the modem within {within_s:g} s")

    def _read(self) -> bytes:
        assert self._port is not None, "opened by _ready"
        return self._port.read(1) + self._port.read(self._port.in_waiting)

    def _drop(self) -> None:
        if self._port is not None:
            self._port.close()
            self._port = None


def parts(text: str) -> list[str]:
    """Return a text as at most three messages, each with its number where there are several."""
    words = " ".join(text.split())[: PART * PARTS]
    pieces = [words[at : at + PART] for at in range(0, len(words), PART)] or [""]
    return pieces if len(pieces) == 1 else [f"({n}/{len(pieces)}){piece}" for n, piece in enumerate(pieces, 1)]


def _coded(text: str) -> str:
    return text.encode("utf-16-be").hex().upper()


def _plain(coded: str) -> str:
    try:
        return bytes.fromhex(coded).decode("utf-16-be", "replace")
    except ValueError:
        return coded
