"""A second chance for tests on the real clock, when the machine had no time for them; each is named at the end of the run.

A test that waits for real sockets, processes or browsers says how soon something comes. On a busy machine that is a word
about the machine. So one that fails while others had the processors is run again, at most twice; one that fails on a machine
with time to spare is red at once, and so is every test on the virtual clock.
"""

import gc
import sys
import warnings
from pathlib import Path

from _pytest.runner import runtestprotocol

ROOMS = ("wire", "faults", "e2e", "torture")
TIMES = 2
FULL = 0.35
"""Of all processors: what the suite always takes, and one test alone seldom does. A stolen processor or a disk that
takes half a second cannot be told from inside by more than that."""
REPEATED = "repeated on a full machine"


def _processors() -> tuple[int, int]:
    """Return the ticks that all processors had since the machine's start, and those that were idle with no disk awaited."""
    ticks = [int(n) for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(ticks), ticks[3]


def _forget() -> None:
    """Drop what the failed attempt left open: its sockets must not be the next test's warning."""
    for name in ("last_exc", "last_value", "last_traceback", "last_type"):
        if hasattr(sys, name):
            delattr(sys, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


def pytest_runtest_protocol(item, nextitem):
    """Run one test; where the machine was full and it failed, again."""
    if item.path.relative_to(Path(__file__).parent).parts[0] not in ROOMS:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    remarks = []
    while True:
        all_before, idle_before = _processors()
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        ticks, idle = _processors()
        full = 1 - (idle - idle_before) / max(1, ticks - all_before)
        failed = next((r for r in reports if r.failed), None)
        if failed is None or full < FULL or len(remarks) == TIMES:
            break
        words = str(getattr(failed.longrepr, "reprcrash", None) or failed.longrepr).strip().splitlines()
        remarks.append(f"{full:.0%} busy: {words[0] if words else 'no words'}"[:300])
        del failed, reports
        item._initrequest()
        _forget()
    for report in reports:
        if remarks and report.when == "teardown":
            report.user_properties.extend((REPEATED, remark) for remark in remarks)
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_terminal_summary(terminalreporter):
    """Name what was repeated: one that comes up often is a bug of the test or of the product."""
    repeats = [
        (report.nodeid, remark)
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, remark in getattr(report, "user_properties", ())
        if name == REPEATED and report.when == "teardown"
    ]
    if repeats:
        terminalreporter.section(f"{len(repeats)} {REPEATED}")
        for nodeid, remark in repeats:
            terminalreporter.line(f"{nodeid} · {remark}")
