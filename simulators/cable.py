"""A serial cable without a serial port: two pseudo terminals, and what goes into one comes out of the other."""

import asyncio
import os
import tty
from pathlib import Path

CHUNK = 4096


class Cable:
    """Both ends stay open, so that whoever opens a port may close it and come back."""

    def __init__(self) -> None:
        """Lay the cable; `start` connects its ends."""
        self._masters: tuple[int, int] | None = None
        self._slaves: tuple[int, int] | None = None
        self._link: Path | None = None
        self.near = self.far = ""  # what a serial program opens

    def start(self, path: Path | None = None) -> None:
        """Connect the ends; the far one is also found at `path`.

        Raises:
            OSError: something else is at `path`, a real port perhaps.
        """
        if path is not None and path.exists():
            raise FileExistsError(f"{path} is there already; a simulated port would hide it")
        pairs = os.openpty(), os.openpty()
        (near, _), (far, _) = pairs
        self._masters, self._slaves = (near, far), (pairs[0][1], pairs[1][1])
        for end in self._slaves:
            tty.setraw(end)
        self.near, self.far = map(os.ttyname, self._slaves)
        loop = asyncio.get_running_loop()
        for source, target in ((near, far), (far, near)):
            os.set_blocking(source, False)
            loop.add_reader(source, _pass_on, source, target)
        if path is not None:
            path.unlink(missing_ok=True)  # what a run before left, leading nowhere
            path.symlink_to(self.far)
            self._link = path

    def stop(self) -> None:
        """Pull it out at both ends."""
        if self._link is not None:
            self._link.unlink(missing_ok=True)
        for end in self._masters or ():
            asyncio.get_running_loop().remove_reader(end)
        for end in (*(self._masters or ()), *(self._slaves or ())):
            os.close(end)
        self._masters = self._slaves = self._link = None


def _pass_on(source: int, target: int) -> None:
    try:
        os.write(target, os.read(source, CHUNK))
    except BlockingIOError:  # nobody reads the other end: a wire keeps nothing
        return
