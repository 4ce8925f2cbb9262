"""What processes take from the machine (Linux): processor seconds, by thread where wanted, and memory."""

import os
import threading
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """Return the processor seconds of a process so far."""
    return _seconds(Path(f"/proc/{pid}/stat"))


def threads_s() -> dict[str, float]:
    """Return the processor seconds of this process by the names of its Python threads; "other" are those without."""
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    took: dict[str, float] = {}
    for task in Path("/proc/self/task").iterdir():
        name = names.get(int(task.name), "other")
        took[name] = round(took.get(name, 0.0) + _seconds(task / "stat"), 2)
    return took


def children(pid: int) -> list[int]:
    """Return the processes that a process has started and that still run, of all its threads."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def rss_mb(pid: int) -> float:
    """Return the memory of a process that is in use now, in megabytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


def most_mb(pid: int) -> int:
    """Return the most memory that a process ever had in use, in megabytes."""
    said = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return round(int(said["VmHWM"].split()[0]) * 1024 / 1e6)


def _seconds(stat: Path) -> float:
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK
