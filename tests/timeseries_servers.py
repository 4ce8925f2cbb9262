"""Time-series servers for tests: Debian's InfluxDB and VictoriaMetrics as processes, and one that follows a script."""

import http.client
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import urlencode

INFLUXD = shutil.which("influxd")
VICTORIA = shutil.which("victoria-metrics")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A server that is started, killed and started again on its port and its folder; ended by its pid."""

    health = "/ping"

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> "Process":
        nothing = subprocess.DEVNULL
        self._process = subprocess.Popen(self.command(), stdout=nothing, stderr=nothing, cwd=self.folder)
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                if self.ask("GET", self.health)[0] < 300:
                    return self
            except OSError:
                pass
            assert self._process.poll() is None, f"{self.command()[0]} did not start"
            time.sleep(0.02)
        raise AssertionError(f"{self.command()[0]} does not answer")

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def cpu_s(self) -> float:
        """CPU seconds that it has used so far."""
        assert self._process
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def pause(self, stop: bool) -> None:
        import signal

        assert self._process
        os.kill(self._process.pid, signal.SIGSTOP if stop else signal.SIGCONT)

    def ask(self, method: str, path: str, **params: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, f"{path}?{urlencode(params)}")
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


class InfluxDb(Process):
    """InfluxDB 1.6.7, with one database `test`."""

    def command(self) -> list[str]:
        config = self.folder / "influxdb.conf"
        parts = {name: self.folder / name for name in ("meta", "data", "wal")}
        config.write_text(
            f"""reporting-disabled = true
bind-address = "127.0.0.1:{free_port()}"
[meta]
dir = "{parts["meta"]}"
logging-enabled = false
[data]
dir = "{parts["data"]}"
wal-dir = "{parts["wal"]}"
query-log-enabled = false
[monitor]
store-enabled = false
[http]
bind-address = "127.0.0.1:{self.port}"
log-enabled = false
"""
        )
        return [str(INFLUXD), "-config", str(config)]

    def start(self) -> "InfluxDb":
        super().start()
        self.database("test")
        return self

    def database(self, name: str) -> None:
        assert self.ask("POST", "/query", q=f'CREATE DATABASE "{name}"')[0] == 200


class VictoriaMetrics(Process):
    """VictoriaMetrics 1.79.5, dropping repeats."""

    health = "/health"

    def command(self) -> list[str]:
        return [
            str(VICTORIA),
            f"-storageDataPath={self.folder / 'data'}",
            f"-httpListenAddr=127.0.0.1:{self.port}",
            "-retentionPeriod=100y",
            "-dedup.minScrapeInterval=1ms",
        ]
