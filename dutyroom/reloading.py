"""`dutyroom reload`: the site folder is read again while the service runs; all of it holds from then on, or nothing.

The command checks the folder itself, so that every error is on the screen of whoever typed it, and then rings at the
running service (SIGHUP), which reads, checks and swaps, and leaves its answer beside the data. Running incidents keep
the plan they began with. What stands on a wire (lines, devices, profiles, kinds) and the settings need a restart, and
are named; no line reconnects.
"""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from dutyroom.settings import SettingsError
from facility.site import Site
from facility.text import Text
from sitefolder import Loaded

ANSWER = "reload.json"
WAIT_S = 15.0

_SWAPPED = ("rules", "plans", "people", "parties", "roster", "contract", "works", "performance", "roles", "promises")
_WIRED = ("id", "timezone", "lines", "devices", "kinds", "equipment", "supply", "thinning", "settings")
"""What a running service cannot exchange: it is bound to open lines, stored layouts and other processes."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What came of it. `restart` names what waits for a restart: then nothing was adopted."""

    hash: str
    adopted: bool
    changed: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


def compare(old: Loaded, new: Loaded) -> Reloaded:
    """Say what another reading of the folder changes, and whether it can be adopted while the service runs."""
    changed = tuple(part for part in _SWAPPED if getattr(old.site, part) != getattr(new.site, part))
    wired = [part for part in _WIRED if not _same(old.site, new.site, part)]
    stamps = {p: f.stamp for p, f in new.profiles.items()}
    if {p: f.stamp for p, f in old.profiles.items()} != stamps:
        wired.append("profiles")
    if old.secrets != new.secrets:
        wired.append("secrets")
    return Reloaded(new.site.hash, not wired, changed, tuple(wired))


def _same(old: Site, new: Site, part: str) -> bool:
    # A supply graph is made of the machines, and knows no equality of its own.
    return part == "supply" or bool(getattr(old, part) == getattr(new, part))


def answer(data: Path, came: Reloaded) -> None:
    """Leave the answer where the command looks for it, whole or not at all."""
    part = data / (ANSWER + ".part")
    part.write_bytes(msgspec.json.encode(came))
    part.replace(data / ANSWER)


def ring(data: Path, pause: Callable[[float], None]) -> Reloaded:
    """Ask the service that holds a data folder to read its site folder again; return what came of it.

    Raises:
        SettingsError: none serves that folder, or it does not answer.
    """
    (data / ANSWER).unlink(missing_ok=True)
    pid = _serving(data)
    if pid is None:
        raise SettingsError(
            Text(
                f"没有服务在使用 {data}；启动时自然会读新的站点文件。",
                f"No service uses {data}; it will read the site's files when it is started.",
            )
        )
    os.kill(pid, signal.SIGHUP)
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        if (data / ANSWER).exists():
            return msgspec.json.decode((data / ANSWER).read_bytes(), type=Reloaded)
        pause(0.1)
    raise SettingsError(
        Text(
            f"服务（进程 {pid}）没有在 {WAIT_S:.0f} 秒内答复，请看服务日志。",
            f"The service (process {pid}) did not answer within {WAIT_S:.0f} s; look at its log.",
        )
    )


def _serving(data: Path) -> int | None:
    from stores.errors import StoreInUseError
    from stores.lock import InstanceLock

    lock = InstanceLock(data)
    if not lock.path.exists():
        return None
    try:
        lock.acquire()
    except StoreInUseError as error:
        return error.pid or None
    lock.release()
    return None
