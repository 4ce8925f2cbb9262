"""Fault 59: the whole box is dead, and somebody elsewhere is told within 3 minutes.

Once with real processes and shorter times, once with the real times and no processes.
"""

import contextlib
import json
import random
import subprocess
import sys
import urllib.request
from pathlib import Path

from killing import ROOT, Receiver, Told, free_port, prepare
from serving import Serving, environment, eventually

from dutyroom import heartbeat
from dutyroom.heartbeat import Sign
from dutyroom.watcher import Watcher

QUICK = "import dutyroom.heartbeat as h; h.EVERY_MS = 200"
SOON = "import dutyroom.watcher as w; w.SILENT_MS = 1500; w.AGAIN_MS = 60_000"


@contextlib.contextmanager
def watching(folder: Path, webhook: str):
    file = folder / "watch.toml"
    file.write_text(
        f'[[site]]\nid = "wanglan"\nsecret = "s3cret"\n[[channel]]\nkind = "webhook"\naddress = "{webhook}"\n'
    )
    file.chmod(0o600)
    port = free_port()
    words = ["watch", str(file), "--data", str(folder / "watch"), "--port", str(port)]
    code = f"{SOON}; import sys; sys.argv = ['dutyroom', *{words!r}]; from dutyroom.cli import main; main()"
    with (folder / "watch.log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-c", code], stdout=log, stderr=log, cwd=ROOT, env=environment())
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def known(url: str) -> dict:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
        return json.load(answer)
    return {}


def last(told: Told) -> str:
    return json.loads(told.posts[-1].body)["title"] if told.posts else ""


def test_a_service_that_is_killed_is_missed_and_its_return_is_told(tmp_path) -> None:
    """Fault 59, whole processes."""
    told = Told()
    with contextlib.closing(Receiver(told)) as receiver, watching(tmp_path, receiver.url) as url:
        site = prepare(tmp_path, "http://127.0.0.1:9/")
        text = (
            (site / "site.toml").read_text().replace("[settings]", f'[settings]\nheartbeat_url = "{url}/beat/wanglan"')
        )
        (site / "site.toml").write_text(text)
        secrets = site / "secrets.toml"
        secrets.write_text('heartbeat_secret = "s3cret"\n')
        secrets.chmod(0o600)
        eventually(lambda: known(url), 15, (tmp_path / "watch.log").read_text)
        service = Serving(site, tmp_path / "data", code=QUICK).start()
        try:
            eventually(lambda: known(url) == {"wanglan": "well"}, 15)
            eventually(lambda: last(told) != "值班室失联", 15)  # it was missed while it started
            service.kill()
            eventually(lambda: last(told) == "值班室失联", 15)
            service.start()
            eventually(lambda: last(told) == "值班室恢复", 15)
        finally:
            service.kill()


def test_whenever_the_box_dies_and_whatever_signs_were_lost_before_somebody_is_called_within_3_minutes() -> None:
    """Fault 59 with the times that it ships with: a sign each 30 s, one in ten lost, death at any instant."""
    dice = random.Random(59)
    slowest = 0
    for _ in range(300):
        now, seq, last = 1_000_000, 0, 0
        watcher, called = Watcher(["a"], now), 0
        death = now + dice.randrange(600_000, 1_200_000)
        while not called:
            now += 1_000
            if now < death and now % heartbeat.EVERY_MS == 0:
                seq += 1
                if dice.random() > 0.1:
                    watcher.tell(Sign("a", now, seq, "h", "ok", ()), now)
                    last = now
            if now >= watcher.due():
                calls = watcher.decide(now)
                if calls and now >= death:
                    called = now
        assert last
        slowest = max(slowest, called - death)
    assert slowest <= 180_000
