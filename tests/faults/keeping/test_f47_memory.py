"""Fault 47: a memory ceiling. The process ends with a code of its own, is started again, and that is counted."""

from serving import eventually
from small import placed

from dutyroom.supervisor import MEMORY_EXIT
from facility.records import Kind

HUNGRY = """
import resource, dutyroom.condition as c
from pathlib import Path
whole = c.Condition.look
def look(self):
    if Path({flag!r}).exists():
        Path({flag!r}).unlink()
        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + (64 << 20), now + (64 << 20)))
        hoard = [bytearray(16 << 20) for _ in range(1000)]
    return whole(self)
c.Condition.look = look
"""


def test_a_service_without_memory_ends_is_started_again_and_has_lost_no_alarm(tmp_path) -> None:
    """Fault 47, whole process; the supervisor is played by the test (deploy/dutyroom.service: Restart=always)."""
    flag = tmp_path / "hungry"
    with placed(tmp_path, code=HUNGRY.format(flag=str(flag))) as place:
        service = place.service.start()
        service.reading("l0")
        flag.touch()
        assert service.process.wait(15) == MEMORY_EXIT
        assert "no memory left" in service.log.read_text()
        place.contact.closed = 1
        service.process.stdin.close()
        service.start()
        eventually(lambda: len(place.keys()) >= 2, 15, service.log.read_text)
        clean = [r.data.clean for r in service.records(Kind.SERVICE_STARTED)]
        assert clean == [True, False], "counted: the start after it says how the last life ended"
        assert service.stop()[0] == 0
