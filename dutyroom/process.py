"""How the interpreter is set for a server that runs for months."""

import gc
import sys

YOUNG = 50_000
"""Net allocations before the collector looks: scans come and go by the thousand and leave no cycles behind.

Of the default 700 it looked through the living ones several times a second (a tenth of the processor time of
1,000 polled devices); requests leave cycles, and still reach this number.
"""

SWITCH_S = 0.0005
"""How long a thread may hold the interpreter while another waits: the loop must not stand still for a compaction."""


def settle() -> None:
    """Call once everything is loaded: what is there stays for good, and no collection needs to look at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 10, 10)
    gc.enable()
    sys.setswitchinterval(SWITCH_S)
