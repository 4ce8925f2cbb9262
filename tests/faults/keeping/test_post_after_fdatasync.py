"""Record first, then act, as the system saw it: every page's POST comes after the fdatasync of its record."""

import contextlib
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from every_channel import HOSTS, Provider
from serving import Serving, eventually
from small import placed

from dutyroom.needs import KINDS
from facility.records import Kind
from tests.torture.kills_pages import PEOPLE

CALLS = "fdatasync,fsync,pwrite64,write,writev,sendto,sendmsg"
BOOK = "logbook.db-wal"


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_every_post_comes_after_the_fdatasync_of_its_record(tmp_path) -> None:
    """faults.md 3.6: traced from outside, on the running service, through several rounds of pages."""
    with placed(tmp_path, repeat="1 s") as place:
        with traced(place.service.start(), tmp_path / "trace") as trace:
            place.contact.closed = 1
            eventually(lambda: len(place.keys()) >= 6, 30, place.service.log.read_text)
        keys = place.keys()
        judge({key: (key, re.compile(rf"POST /page.*{key}")) for key in keys}, trace)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_on_every_kind_of_channel_nothing_leaves_before_the_fdatasync_of_its_record(tmp_path) -> None:
    """One life-safety alarm calls one person on all channels at once: robots, apps, text, voice, mail, modem, webhook."""
    provider = Provider()
    with contextlib.closing(provider), placed(tmp_path, code=provider.code) as place:
        provider.settle(place.service.site)
        with traced(place.service.start(), tmp_path / "trace") as trace:
            place.contact.closed = 1
            soon = KINDS - {"demo", "modem"}  # the modem's page is only sent when it has also rung

            def handed_over() -> bool:
                sent = place.service.records(Kind.PAGE_SENT)
                return len(sent) > len(soon) and bool(provider.modem.sent)  # the second person's webhook is one more

            eventually(handed_over, 30, place.service.log.read_text)
        pages = [r.data for r in place.service.records(Kind.PAGE_REQUESTED) if r.data.person == PEOPLE[0]]
        assert {page.channel for page in pages} == KINDS - {"demo"}
        leaves = {kind: rf"POST /{re.escape(host)}/" for kind, host in HOSTS.items()}
        leaves |= {"smtp": r"(?i)mail from:", "modem": r"/dev/pts/.*AT\+CMGS"}
        judge({page.channel: (page.key, re.compile(leaves[page.channel])) for page in pages}, trace)


@contextlib.contextmanager
def traced(service: Serving, trace: Path) -> Iterator[Path]:
    """Write down the calls of a running service that write, send and make durable."""
    service.reading("l0")
    how = f"strace -f -y -s 8192 -e trace={CALLS} -o {trace} -p {service.process.pid}"
    tracer = subprocess.Popen(how.split(), stderr=subprocess.PIPE, text=True)
    try:
        if "Operation not permitted" in (said := tracer.stderr.readline()):
            pytest.skip("nothing may be traced here")
        assert "attached" in said, said
        yield trace
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(10)
        tracer.stderr.close()


def judge(pages: dict[str, tuple[str, re.Pattern]], trace: Path) -> None:
    """Each page was written, then synced, then left: by its key in the book and by what leaving looks like."""
    written, synced, left = order(trace.read_text(errors="replace").splitlines(), pages)
    assert pages
    for name in pages:
        assert name in left, f"{name} never left"
        assert name in written, f"{name} left and was never written"
        durable = next((line for line in synced if line > written[name]), None)
        assert durable is not None, f"the record of {name} was never synced"
        assert durable < left[name], f"{name}: left on line {left[name]}, fdatasync on line {durable} of the trace"


def order(
    lines: list[str], pages: dict[str, tuple[str, re.Pattern]]
) -> tuple[dict[str, int], list[int], dict[str, int]]:
    """Return the line at which each page was first written to the book, those where it was synced, and each leaving.

    A call that strace shows in two parts counts from where it ends if it makes durable, and from where it begins
    if it acts.
    """
    written: dict[str, int] = {}
    left: dict[str, int] = {}
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
            for name, (key, _) in pages.items():
                if key in call:
                    written.setdefault(name, number)
        elif "resumed>" not in call and ".db" not in call:
            for name, (_, leaves) in pages.items():
                if name not in left and leaves.search(call):
                    left[name] = number
    return written, synced, left
