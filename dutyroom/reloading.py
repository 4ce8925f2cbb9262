"""`dutyroom reload`: the site folder is read again while the service runs; all of it holds from then on, or nothing.

The command checks the folder itself, so that every error is on the screen of whoever typed it, and then rings at the
running service (SIGHUP), which reads, checks and swaps, and leaves its answer beside the data. Running incidents keep
the plan they began with. Lines and devices that are not changed go on without a missed poll. What a running service
cannot exchange is named, with the reason, and then nothing is adopted.
"""

import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from api.station import Finding, Reloaded, Touched
from collectors.difference import Changes, Difference
from dutyroom.settings import SettingsError
from facility.text import Text
from sitefolder import Loaded, SiteError

ANSWER = "reload.json"
DRY = "reload.dry"
"""While this file lies beside the data, whoever rings wants to know what would change, and no change."""
WAIT_S = 30.0

_SWAPPED = (
    "name",
    "contract",
    "rules",
    "plans",
    "people",
    "parties",
    "roster",
    "thinning",
    "works",
    "drills",
    "paging",
    "performance",
    "roles",
    "certificates",
    "promises",
)
_FIXED: Mapping[str, Text] = {
    "id": Text("站点编号写在每条记录里", "the site's id stands in every record"),
    "timezone": Text("时区决定班次和日界，运行中不换", "shifts and days are cut by the time zone"),
    "kinds": Text("设备类型随程序一起安装", "kinds of equipment are installed with the program"),
    "settings": Text(
        "端口、文件夹、存储方式和通道设置在启动时打开", "ports, folders, stores and channels are opened at the start"
    ),
    "secrets": Text("通道密码在启动时读取", "channels take their passwords at the start"),
}
"""What a running service cannot exchange, and why."""


def compare(old: Loaded, new: Loaded, different: Difference) -> Reloaded:
    """Say what another reading of the folder changes, and whether it can be adopted while the service runs."""
    parts = [part for part in _SWAPPED if getattr(old.site, part) != getattr(new.site, part)]
    touched = {
        "equipment": different.equipment,
        "lines": different.lines,
        "devices": different.devices,
        "profiles": different.profiles,
    }
    parts += [part for part, changes in touched.items() if changes]
    fixed = [
        part for part in ("id", "timezone", "kinds", "settings") if getattr(old.site, part) != getattr(new.site, part)
    ]
    if _channels(old, new) != _channels(new, old):
        fixed.append("secrets")
    return Reloaded(
        hash=new.site.hash,
        adopted=not fixed,
        changed=tuple(parts),
        restart={part: _FIXED[part] for part in fixed},
        touched={part: _touched(changes) for part, changes in touched.items() if changes},
    )


def _touched(changes: Changes) -> Touched:
    return Touched(changes.added, changes.removed, changes.changed)


def _channels(loaded: Loaded, other: Loaded) -> dict[str, str]:
    """Return the secrets that no line uses, under either: those of lines are opened anew with them."""
    lines = {line.secret for site in (loaded.site, other.site) for line in site.lines.values()}
    return {name: secret for name, secret in loaded.secrets.items() if name not in lines}


def refused(hash: str, error: SiteError) -> Reloaded:
    """Return the answer when the folder has errors: all of them, with file and place."""
    wrong = [f for f in error.findings if f.level == "error"]
    return Reloaded(hash, adopted=False, errors=tuple(Finding(f.file, f.line, f.place, f.text) for f in wrong))


def failed(hash: str, why: Text) -> Reloaded:
    """Return the answer when nothing is wrong with a place in a file, and the old files hold all the same."""
    return Reloaded(hash, adopted=False, errors=(Finding("", None, "", why),))


def told(came: Reloaded) -> list[str]:
    """Return what the command prints of what was adopted, or would be."""
    parts = ", ".join(came.changed)
    if came.dry:
        lines = [
            f"将会采用 {came.hash[:12]}：{parts or '无改动'}",
            f"Would adopt {came.hash[:12]}: {parts or 'nothing changed'}",
        ]
    else:
        lines = [
            f"已采用 {came.hash[:12]}：{parts or '无改动'}",
            f"Adopted {came.hash[:12]}: {parts or 'nothing changed'}",
        ]
    for part, touched in came.touched.items():
        signs = (("+", touched.added), ("-", touched.removed), ("~", touched.changed))
        lines.append(f"  {part}: " + " ".join(sign + id for sign, ids in signs for id in ids))
    return lines


def answer(data: Path, came: Reloaded) -> None:
    """Leave the answer where the command looks for it, whole or not at all."""
    part = data / (ANSWER + ".part")
    part.write_bytes(msgspec.json.encode(came))
    part.replace(data / ANSWER)


def asked_dry(data: Path) -> bool:
    """Say whether whoever rang wants no change; asked once."""
    try:
        (data / DRY).unlink()
    except FileNotFoundError:
        return False
    return True


def ring(data: Path, pause: Callable[[float], None], *, dry: bool = False) -> Reloaded:
    """Ask the service that holds a data folder to read its site folder again; return what came of it.

    With `dry`, what would come of it: nothing changes.

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
    (data / DRY).touch() if dry else (data / DRY).unlink(missing_ok=True)
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
