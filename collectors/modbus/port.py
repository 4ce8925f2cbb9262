"""One opening of a line's port, on the network or of this machine, thrown away with all that came through it.

pymodbus carries the bytes of a serial port, and nothing else: its own RTU framing looks for an answer in whatever came,
skips what does not fit and takes the rest for any question. This is the only file that knows it.
"""

import asyncio
import errno
import termios
from collections.abc import Callable
from typing import cast

from facility.equipment import Line, Serial

_TAKEN = frozenset({errno.ECONNREFUSED, errno.EBUSY, errno.EAGAIN})
_PARITY = {"none": "N", "even": "E", "odd": "O"}


class Port(asyncio.Protocol):
    """Bytes out, bytes in."""

    def __init__(self, heard: Callable[[bytes], None], lost: Callable[[], None]) -> None:
        """Prepare.

        Args:
            heard: takes what comes, until `drop`.
            lost: called once when the port closes by itself.
        """
        self._heard = heard
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._made = asyncio.get_running_loop().create_future()
        self._dead = False
        self.spoke = False  # something came through it
        self.taken = False  # it was refused: somebody else may have it

    async def open(self, line: Line) -> bool:
        """Open it for us alone, with nothing left in it from before; return False after at most the line's timeout."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(line.timeout_ms / 1000):
                if line.serial:
                    await self._open_serial(loop, line.serial)
                else:
                    await loop.create_connection(lambda: self, line.host, line.port)
        except (OSError, UnicodeError) as error:  # a timeout is an OSError; a host name may be no host name
            self.drop()
            self.taken = isinstance(error, OSError) and error.errno in _TAKEN
        except BaseException:
            self.drop()
            raise
        return not self._dead

    def write(self, frame: bytes) -> None:
        """Send."""
        assert self._transport is not None, "asked after it was made"
        self._transport.write(frame)

    def drop(self) -> None:
        """End without a word."""
        self._dead = True
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    async def _open_serial(self, loop: asyncio.AbstractEventLoop, serial: Serial) -> None:
        from pymodbus.transport.serialtransport import create_serial_connection

        try:
            await create_serial_connection(
                loop,
                lambda: self,
                serial.path,
                baudrate=serial.baud,
                bytesize=8,
                parity=_PARITY[serial.parity],
                stopbits=serial.stop_bits,
                timeout=0,
            )
        except (termios.error, ValueError) as error:  # no OSError: the driver does not know these settings
            raise OSError(errno.EINVAL, str(error)) from error
        await self._made

    # -- what the loop tells ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, unless nobody waits for it any more."""
        self._transport = cast("asyncio.Transport", transport)
        if self._dead:
            self.drop()
        elif not self._made.done():
            self._made.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why it was lost changes nothing
        """Pass it on."""
        if not self._dead:
            self._dead = True
            self._lost()

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        if not self._dead:
            self.spoke = True
            self._heard(data)
