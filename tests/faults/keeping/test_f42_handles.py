"""Fault 42: file handles, or a disk's names, are used up. It is said before, and nothing stops silently."""

import contextlib
import socket

from serving import eventually
from small import placed

from facility.records import Kind, alarm_subject
from stores.reserve import disk_state
from tests import disks

FEW = "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (64, 64))"


def test_a_flood_of_connections_takes_half_of_64_handles_and_pages_still_leave(tmp_path) -> None:
    """Fault 42, whole process, ulimit -n 64."""
    with placed(tmp_path, code=FEW) as place, contextlib.ExitStack() as flood:
        service = place.service.start()
        service.reading("l0")
        for _ in range(80):
            with contextlib.suppress(OSError):
                line = socket.create_connection(("127.0.0.1", service.port), timeout=0.2)
                flood.callback(line.close)
                line.sendall(b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n")  # and no more
        subject = alarm_subject("host", "host-files-high")
        eventually(lambda: any(r.subject == subject for r in service.records(Kind.ALARM_RAISED)), 20)
        place.contact.closed = 1
        requested = eventually(place.requested, 15, service.log.read_text)
        assert requested, "decided and recorded: the stores have their handles"
        flood.close()
        eventually(lambda: set(place.requested()) <= set(place.keys()), 20, service.log.read_text)
        eventually(lambda: service.health()["status"] in {"ok", "degraded"}, 10)
        assert service.stop()[0] == 0


def test_a_disk_without_names_is_a_full_disk() -> None:
    """Fault 42: 200 inodes on a disk with room; the figure behind host-disk-low sees it."""
    with disks.in_memory("size=64m,nr_inodes=200") as folder:
        assert disk_state(folder).used_percent < 10
        with contextlib.suppress(OSError):
            for n in range(300):
                (folder / str(n)).touch()
        assert disk_state(folder).used_percent > 99


def test_on_a_disk_that_lost_its_last_name_it_is_said_and_pages_still_leave(tmp_path) -> None:
    """Fault 42, whole process: its data on a disk of 200 inodes, all taken while it runs."""
    with disks.in_memory("size=256m,nr_inodes=200") as disk, placed(tmp_path, data=disk / "data") as place:
        service = place.service.start()
        service.reading("l0")
        with contextlib.suppress(OSError):
            for n in range(300):
                (disk / str(n)).touch()
        subject = alarm_subject("host", "host-disk-low")
        eventually(lambda: any(r.subject == subject for r in service.records(Kind.ALARM_RAISED)), 90)
        place.contact.closed = 1
        requested = eventually(place.requested, 15, service.log.read_text)
        eventually(lambda: set(requested) <= set(place.keys()), 20, service.log.read_text)
        assert service.health()["status"] == "degraded"
        assert service.stop()[0] == 0
