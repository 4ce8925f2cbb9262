"""F29, F32: the time-series server is down, hangs or is killed; nothing that was accepted is missing afterwards."""

import json
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from killing import ENV, ROOT, Building, Receiver, Told, prepare
from serving import Serving, eventually
from timeseries_servers import INFLUXD, VICTORIA, InfluxDb, Process, VictoriaMetrics

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not (INFLUXD and VICTORIA), reason="no influxd or victoria-metrics here"),
]


class Feeding:
    """A process that commits and forwards; what it told us it had committed is remembered here."""

    def __init__(self, *words: object) -> None:
        self.told = 0
        self._words = [sys.executable, str(ROOT / "tests" / "feeding.py"), *map(str, words)]
        self._process: subprocess.Popen[str] | None = None
        self._listening: threading.Thread | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=ENV | {"PYTHONPATH": str(ROOT)}
        )  # fmt: skip
        self._listening = threading.Thread(target=self._listen, args=(self._process,))
        self._listening.start()

    def _listen(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            if line.endswith("\n"):
                self.told = max(self.told, int(line))

    def kill(self) -> None:
        self._process.kill()
        self._close()

    def finish(self, seconds: float) -> None:
        """Let it commit no more, and forward all."""
        self._process.stdin.write("end\n")
        self._process.stdin.flush()
        assert self._process.wait(seconds) == 0
        self._close()

    def _close(self) -> None:
        self._process.wait()
        self._listening.join()
        self._process.stdout.close()
        self._process.stdin.close()


def _play(server: Process, feeding: Feeding, rounds: int) -> None:
    """Kill the one and the other, in turn and at random instants."""
    dice = random.Random(29)
    feeding.start()
    eventually(lambda: feeding.told, 20)
    for round_ in range(rounds):
        time.sleep(0.3 + dice.random())
        server.kill()
        if round_ % 2:
            time.sleep(dice.random())
            feeding.kill()
            feeding.start()
        time.sleep(0.3 + dice.random())
        server.start()
        if round_ % 3 == 2:
            server.pause(True)
            time.sleep(2.5)
            server.pause(False)
        said = feeding.told
        eventually(lambda said=said: feeding.told > said, 20)
    feeding.finish(60)


def test_f32_influxdb_down_hanging_and_killed_loses_no_accepted_reading_and_doubles_none(tmp_path: Path) -> None:
    server = InfluxDb(tmp_path / "influxdb")
    feeding = Feeding(tmp_path / "spool.db", server.url, "test", "1")
    try:
        server.start()
        _play(server, feeding, 4)
        asked = 'SELECT number FROM lift; SELECT count(number), count("p00.bad"), count(p18) FROM lift'
        answer = json.loads(server.ask("GET", "/query", db="test", epoch="ms", q=asked)[1])["results"]
    finally:
        server.kill()
    rows = answer[0]["series"][0]["values"]
    assert feeding.told > 150
    assert [number for _, number in rows] == list(range(1, len(rows) + 1)), "in order, none missing, none twice"
    assert len(rows) >= feeding.told
    assert answer[1]["series"][0]["values"][0][1:] == [len(rows)] * 3


def test_f32_victoria_metrics_that_forgets_what_it_acknowledged_gets_it_again(tmp_path: Path) -> None:
    server = VictoriaMetrics(tmp_path / "victoria")
    feeding = Feeding(tmp_path / "spool.db", server.url, "test", "2")
    try:
        server.start()
        _play(server, feeding, 4)
        found: dict[int, int] = {}
        until = time.monotonic() + 30
        # What it took last, or merges just now, is not always seen at once, even after a flush.
        while time.monotonic() < until and len(found) < feeding.told:
            server.ask("GET", "/internal/force_flush")
            rows = server.ask("GET", "/api/v1/export", match="lift_number", reduce_mem_usage="0")[1].splitlines()
            for row in map(json.loads, rows):
                found.update(zip(row["timestamps"], map(int, row["values"]), strict=True))
            time.sleep(0.2)
    finally:
        server.kill()
    numbers = [number for _, number in sorted(found.items())]
    assert feeding.told > 150
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= feeding.told


def test_f29_with_a_server_that_is_down_at_the_start_pages_go_out_and_it_gets_everything_later(tmp_path: Path) -> None:
    server = InfluxDb(tmp_path / "influxdb")
    told = Told()
    receiver = Receiver(told)
    site = prepare(tmp_path, receiver.url)
    building = Building(site, tmp_path)
    words = {"URL": server.url, "VERSION": "1", "BUCKET": "test"}
    code = "import os\n" + "".join(f"os.environ['DUTYROOM_INFLUX_{k}'] = {v!r}\n" for k, v in words.items())
    service = Serving(site, tmp_path / "data", code=code + "os.environ['DUTYROOM_HISTORY'] = 'influx'\n")
    try:
        service.start()
        building.tell(do="stage", fault="pit-water", equipment="pit-1")
        eventually(lambda: told.posts, 20, service.log.read_text)
        eventually(lambda: service.figures().get("influx_failures_in_a_row", 0) >= 2, 20, service.figures)
        assert service.health()["status"] != "failing"
        assert service.health()["spool"]["stores"][0]["rows"] > 5
        server.start()
        eventually(lambda: service.figures()["influx_scans_total"] > 20, 30, service.log.read_text)
        eventually(lambda: service.health()["spool"]["stores"][0]["rows"] < 15, 20, service.figures)
        answer = json.loads(server.ask("GET", "/query", db="test", q="SHOW MEASUREMENTS")[1])
        kinds = {row[0] for row in answer["results"][0]["series"][0]["values"]}
        assert {"lift", "transformer", "host"} <= kinds
        server.pause(True)
        began = time.monotonic()
        code, took = service.stop()
        assert code == 0
        assert took < 6, "a server that hangs does not hold up the end"
        assert time.monotonic() - began < 8
    finally:
        server.pause(False)
        service.kill()
        building.close()
        receiver.close()
        server.kill()
