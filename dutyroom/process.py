"""How the interpreter is set for a server that runs for months."""

import gc
import resource
import sys
from pathlib import Path

YOUNG = 6_000
"""Net allocations before the collector looks: scans come and go by the thousand and leave no cycles behind.

Of the default 700 it looked through the living ones several times a second (a tenth of the processor time of
1,000 polled devices); requests leave cycles, and still reach this number. The scans that wait to be durable do not. In
a flood, whose alarms stay, a look takes 4 ms; with 25,000 it took 22, and pages waited for it.
"""
MIDDLE = 1
"""So many looks at the young before one at those that outlived one too: ten held the loop for 160 ms in a flood."""
NEVER = 1_000_000
"""Looks before the collector goes through everything by itself: `chores.look_for_cycles` does it in calm moments."""

SWITCH_S = 0.0001
"""How long a thread may hold the interpreter while another waits.

The writers ask for it some hundred times a commit, behind a busy loop: with five times as much a commit of 3,500 scans
takes 34 ms instead of 18, and pages wait for it.
"""


def settle() -> None:
    """Call once everything is loaded: what is there stays for good, and no collection needs to look at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, NEVER)
    gc.enable()
    sys.setswitchinterval(SWITCH_S)


def more_files() -> int:
    """Take as many file handles as this process may have; return how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def open_files() -> float:
    """Return the part of the file handles that are in use, 0 to 100."""
    ceiling = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    try:
        used = sum(1 for _ in Path("/dev/fd").iterdir())
    except OSError:  # even this takes one
        return 100.0
    return min(100.0, 100 * used / ceiling)
