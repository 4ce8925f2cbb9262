"""Fault 57's kind: the whole service is gone, and somebody elsewhere is told. Both are real processes; time is shorter."""

import contextlib
import json
import subprocess
import sys
import urllib.request
from pathlib import Path

from killing import ROOT, Receiver, Told, free_port, prepare
from serving import Serving, environment, eventually

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
