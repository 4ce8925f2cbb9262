"""Record first, then act, as the system saw it: every page's POST comes after the fdatasync of its record."""

import re
import shutil
import signal
import subprocess

import pytest
from serving import eventually
from small import placed

CALLS = "fdatasync,fsync,pwrite64,write,writev,sendto,sendmsg"
BOOK = "logbook.db-wal"


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_every_post_comes_after_the_fdatasync_of_its_record(tmp_path) -> None:
    """faults.md 3.6: traced from outside, on the running service, through several rounds of pages."""
    trace = tmp_path / "trace"
    with placed(tmp_path, repeat="1 s") as place:
        service = place.service.start()
        service.reading("l0")
        how = [
            "strace",
            "-f",
            "-y",
            "-s",
            "8192",
            "-e",
            f"trace={CALLS}",
            "-o",
            str(trace),
            "-p",
            str(service.process.pid),
        ]
        tracer = subprocess.Popen(how, stderr=subprocess.PIPE, text=True)
        try:
            if "Operation not permitted" in (said := tracer.stderr.readline()):
                pytest.skip("nothing may be traced here")
            assert "attached" in said, said
            place.contact.closed = 1
            eventually(lambda: len(place.keys()) >= 6, 30, service.log.read_text)
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait(10)
            tracer.stderr.close()
    written, synced, posted = order(trace.read_text(errors="replace").splitlines(), place.keys())
    assert posted
    for key, at in posted.items():
        assert key in written, f"{key} was posted and never written"
        durable = next((line for line in synced if line > written[key]), None)
        assert durable is not None, f"the record of {key} was never synced"
        assert durable < at, f"{key}: POST on line {at}, fdatasync on line {durable} of the trace"
    print(f"{len(posted)} pages: written, synced, posted, in that order")


def order(lines: list[str], keys: list[str]) -> tuple[dict[str, int], list[int], dict[str, int]]:
    """Return the line at which each key was first written to the book, those where it was synced, and each first POST.

    A call that strace shows in two parts counts from where it ends if it makes durable, and from where it begins
    if it acts.
    """
    written: dict[str, int] = {}
    posted: dict[str, int] = {}
    synced: list[int] = []
    syncing: set[str] = set()  # threads in a sync of the book's that has not returned
    for number, line in enumerate(lines):
        thread, _, call = line.partition(" ")
        if re.search(r"f(data)?sync\(\d+<[^>]*" + re.escape(BOOK), call):
            if "unfinished" in call:
                syncing.add(thread)
            else:
                synced.append(number)
        elif "sync resumed" in call and thread in syncing:
            syncing.discard(thread)
            synced.append(number)
        elif "pwrite64(" in call and BOOK in call:
            for key in keys:
                if key in call:
                    written.setdefault(key, number)
        elif "POST /page" in call:
            for key in keys:
                if key in call:
                    posted.setdefault(key, number)
    return written, synced, posted
