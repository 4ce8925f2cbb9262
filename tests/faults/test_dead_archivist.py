"""The archive's process dies under the running service, and the service under it: charts pause, alarms do not."""

import json
import os
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from killing import Building, prepare
from serving import Serving, eventually, operator
from test_drain import login

from facility.records import Kind

BACK_S = 10


def archivist(service: Serving) -> int:
    """The process of the archive; 0 when there is none."""
    tasks = Path(f"/proc/{service.process.pid}/task").iterdir()
    children = [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
    return next((pid for pid in children if b"archivist" in Path(f"/proc/{pid}/cmdline").read_bytes()), 0)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_archivist_killed_hung_and_orphaned(tmp_path) -> None:
    site = prepare(tmp_path, "http://127.0.0.1:1/page")
    building = Building(site, tmp_path)
    service = Serving(site, tmp_path / "data")
    who = operator(service.data)

    def chart() -> dict:
        now = int(time.time() * 1000)
        asked = f"/api/v1/history?point=lift-1b/floor&from={now - 600_000}&to={now}&buckets=1"
        return json.load(urllib.request.urlopen(urllib.request.Request(base + asked, headers=cookie), timeout=20))

    def charted() -> int:
        try:
            return chart()["buckets"][0]["count"]
        except urllib.error.HTTPError as refused:
            refused.close()
            return 0

    try:
        service.start()
        base = f"http://127.0.0.1:{service.port}"
        cookie = {"cookie": login(service, who)}
        service.reading("lift-broker", "contact-line")
        before = eventually(charted, BACK_S)
        assert "libarrow" not in Path(f"/proc/{service.process.pid}/maps").read_text(), "it is the archivist's alone"

        first = archivist(service)
        assert "libarrow" in Path(f"/proc/{first}/maps").read_text()
        os.kill(first, signal.SIGKILL)
        eventually(lambda: not alive(first), 5)
        with pytest.raises(urllib.error.HTTPError) as refused:
            chart()
        with refused.value:
            said = json.load(refused.value)
        assert refused.value.code == 503
        assert "not available at the moment" in json.dumps(said)
        assert "暂时无法查询" in json.dumps(said, ensure_ascii=False)
        building.tell(do="stage", fault="lift-entrapment", equipment="lift-1b")
        eventually(lambda: any("lift-1b" in r.about for r in service.records(Kind.ALARM_RAISED)), BACK_S)
        (restarted,) = eventually(lambda: [r.data for r in service.records(Kind.TASK_RESTARTED)], BACK_S)
        assert (restarted.task, restarted.times) == ("archive", 1)
        assert "exit code -9" in restarted.why
        assert eventually(charted, BACK_S) >= before, "nothing is missing"

        second = archivist(service)
        os.kill(second, signal.SIGSTOP)
        code, seconds = service.stop()
        assert (code, alive(second)) == (0, False)
        assert seconds < 6, "a process that hangs is not waited for"

        service.start()
        third = eventually(lambda: archivist(service), BACK_S)
        service.kill()
        eventually(lambda: not alive(third), 5)
    finally:
        service.kill()
        building.close()
