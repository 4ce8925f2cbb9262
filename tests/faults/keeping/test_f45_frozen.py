"""Fault 45: the whole process is frozen and thawed. Nothing is escalated twice, and the pause is in the book.

The long form (60 s) is `python -m tests.torture.freeze`.
"""

import itertools
import os
import signal
import sqlite3
import time
from collections import Counter

from serving import eventually
from small import placed

from facility.records import Kind
from stores.telemetry.batch import decode

FROZEN_S = 4.0
QUICK = "import dutyroom.supervisor as s; s.PAUSE_S = 2.0"


def test_a_frozen_service_doubles_nothing_and_says_how_long_it_stood(tmp_path) -> None:
    """Fault 45."""
    freeze(tmp_path, FROZEN_S)


def freeze(tmp_path, frozen_s: float) -> None:
    with placed(tmp_path, repeat="2 s", code=QUICK) as place:
        service = place.service.start()
        service.reading("l0")
        place.contact.closed = 1
        eventually(lambda: len(place.keys()) >= 2, 15)
        os.kill(service.process.pid, signal.SIGSTOP)
        time.sleep(frozen_s)  # real time: that is what is tested
        os.kill(service.process.pid, signal.SIGCONT)
        paused = eventually(lambda: service.records(Kind.SERVICE_PAUSED), 10)
        rounds = len(place.requested())
        eventually(lambda: len(place.requested()) > rounds, 10)
        service.stop()
        (pause,) = [r.data for r in paused]
        assert frozen_s - 1 < (pause.until_ms - pause.from_ms) / 1000 < frozen_s + 3
        assert service.records(Kind.TASK_RESTARTED) == [], "who was frozen is not to blame"
        pages = service.records(Kind.PAGE_REQUESTED)
        again = Counter((r.data.person, r.data.channel, r.data.level, r.data.round) for r in pages)
        assert set(again.values()) == {1}, again
        mine = sorted(r.at_ms for r in pages if r.data.person == "lift-hand")
        assert all(after - before >= 2_000 for before, after in itertools.pairwise(mine)), mine
        thawed = [
            r for r in pages if r.data.person == "lift-hand" and pause.until_ms - 500 < r.at_ms < pause.until_ms + 1_500
        ]
        assert len(thawed) <= 1, "what fell due while it stood is one page, not a burst"
        repeats = [n for n in Counter(place.keys()).values() if n > 1]
        # Only what was on its way when the answer was frozen away may go out again, once, under its old key.
        assert len(repeats) <= 2, repeats
        assert all(n == 2 for n in repeats), repeats
        assert gaps(service, pause) >= 1, "the slots that passed are a row without a reading"


def gaps(service, pause) -> int:
    """How many rows of the device say that nothing was read while the service stood."""
    connection = sqlite3.connect(f"file:{service.data / 'spool.db'}?mode=ro", uri=True)
    device_of = dict(connection.execute("SELECT id, device FROM layout"))
    rows = connection.execute("SELECT blob FROM row").fetchall()
    connection.close()
    scans = (scan for (blob,) in rows for scan in decode(blob).scans(device_of) if scan.device == "d0")
    return sum(any(scan.reasons) and pause.from_ms - 500 <= scan.at_ms <= pause.until_ms + 1_000 for scan in scans)
