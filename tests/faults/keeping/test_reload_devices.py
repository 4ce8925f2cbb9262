"""`dutyroom reload` of what stands on a wire: the changed, the new and the removed; all others never notice."""

import signal
import time

import httpx
from metered import Gateway, Read, metering, scans_of
from serving import Serving, cli, eventually, operator

from dutyroom.reloading import ring, told
from facility.records import Kind
from facility.scan import COMMUNICATION, Reason

OLD, NEW = 100.0, 200.0
VOLTS, COUNT = 0, 1


def good(scans: list[Read], device: str) -> list[Read]:
    return [s for s in scans if s.device == device and not any(s.reasons)]


def value(scan: Read, point: str) -> float:
    return next(v for p, v in zip(scan.points, scan.values, strict=True) if p.endswith(point))


def whole(scans: list[Read], device: str) -> None:
    """Every answer that the meter gave is there, once, in order, and no slot of it brought nothing."""
    counts = [int(value(s, "p_total")) for s in good(scans, device)]
    assert counts == list(range(counts[0], counts[0] + len(counts))), counts
    assert not [s for s in scans if s.device == device and set(s.reasons) & COMMUNICATION]


def asked(service: Serving, who: dict[str, str], *, dry: bool) -> dict:
    with httpx.Client(base_url=f"http://127.0.0.1:{service.port}") as http:
        http.post("/api/v1/login", json=who).raise_for_status()
        return http.post("/api/v1/reload", json={"request": "r1", "dry": dry}).json()


def test_one_is_changed_one_added_one_removed_and_the_others_miss_no_poll(tmp_path) -> None:
    shared, other, leaving, coming = Gateway(), Gateway(), Gateway(volts=1800), Gateway()
    with metering(tmp_path, shared, other, leaving, coming) as (site, service):
        site.lines = {"shared": shared.port, "other": other.port, "leaving": leaving.port}
        site.meters = {
            "stays": ("shared", 1, "plain"),
            "goes": ("shared", 2, "plain"),
            "changes": ("other", 1, "other"),
            "leaves": ("leaving", 1, "plain"),
        }
        site.write()
        engineer = operator(service.data, "engineer")
        service.start()
        service.reading("shared", "other", "leaving")
        eventually(lambda: any(r.data.owner == "mleaves" for r in service.records(Kind.ALARM_RAISED)), 10)
        polls = shared.asked[1]

        before = (site.folder / "equipment.toml").read_text()
        (site.folder / "equipment.toml").write_text(before.replace("unit = 2\n", 'unit = "two"\n') + "\n[[devise]]\n")
        refused = asked(service, engineer, dry=False)
        assert {error["file"] for error in refused["errors"]} == {"equipment.toml"}
        assert len(refused["errors"]) >= 2, "all errors at once"
        assert all(error["line"] and error["text"]["zh"] and error["text"]["en"] for error in refused["errors"])
        assert len(service.records(Kind.CONFIG_ADOPTED)) == 1

        site.scales["other"] = 0.2
        site.lines = {"shared": shared.port, "other": other.port, "coming": coming.port}
        del site.meters["goes"], site.meters["leaves"]
        site.meters["beside"] = ("shared", 3, "plain")
        site.meters["comes"] = ("coming", 1, "plain")
        site.write()
        would = asked(service, engineer, dry=True)
        assert would["touched"]["devices"] == {
            "added": ["beside", "comes"], "removed": ["goes", "leaves"], "changed": ["changes"],
        }  # fmt: skip
        assert "  devices: +beside +comes -goes -leaves ~changes" in told(ring(service.data, time.sleep, dry=True))
        assert not coming.asked
        assert len(service.records(Kind.CONFIG_ADOPTED)) == 1

        said = cli("reload", site.folder, "--data", service.data)
        assert said.returncode == 0, said.stderr
        assert "lines: +coming -leaving" in said.stdout
        eventually(lambda: coming.asked[1] > 3 and shared.asked[3] > 3, 10)
        gone = shared.asked[2], leaving.asked[1]
        eventually(lambda: shared.asked[1] > polls + 20, 20)
        assert (shared.asked[2], leaving.asked[1]) == gone, "who was removed is asked no more"
        assert [g.connections for g in (shared, other, leaving, coming)] == [1, 1, 1, 1]
        assert {row["id"] for row in service.health()["lines"]} == {"shared", "other", "coming"}
        eventually(lambda: any(r.data.owner == "mleaves" for r in service.records(Kind.ALARM_CLEARED)), 5)
        assert service.stop()[0] == 0

        _, adopted = service.records(Kind.CONFIG_ADOPTED)
        assert set(adopted.data.removed) == {"mgoes", "mleaves", "goes", "leaves"}
        assert set(adopted.data.added) == {"mbeside", "mcomes", "beside", "comes"}
        assert set(adopted.data.changed) == {"changes"}
        assert set(adopted.about) >= {"goes", "beside", "changes"}
        cleared = {r.data.owner: r.data.why for r in service.records(Kind.ALARM_CLEARED) if r.data.owner != "host"}
        assert cleared == {"mleaves": "removed"}
        raised = [f"{r.data.owner}/{r.data.rule}" for r in service.records(Kind.ALARM_RAISED) if r.data.owner != "host"]
        assert sorted(raised) == ["mchanges/trial-high", "mleaves/trial-high"], (
            "no flood: what is new by the new profile, and no more"
        )
        assert not service.records(Kind.TASK_RESTARTED)

        scans = scans_of(service.data)
        for device in ("stays", "beside", "comes", "changes"):
            whole(scans, device)
        for device in ("goes", "leaves"):
            *_, last = [s for s in scans if s.device == device]
            assert set(last.reasons) == {Reason.REMOVED}
        changed = good(scans, "changes")
        stamps = list(dict.fromkeys(s.profile for s in changed))
        assert len(stamps) == 2
        read = [(s.profile, value(s, "v_an")) for s in changed]
        assert set(read) == {(stamps[0], OLD), (stamps[1], NEW)}, "never one decoded by the other's profile"
        assert read == sorted(read, key=lambda r: stamps.index(r[0]))
        first = next(s for s in scans if s.device == "comes")
        assert first.at_ms - adopted.at_ms <= 250 + 1000, "polled within an interval, and what a busy machine takes"


DIES = """
import os
from dutyroom import exchange
whole = exchange.Exchange.{step}
def dies(self, *said):
    came = whole(self, *said)
    os.kill(os.getpid(), 9)
    return came
exchange.Exchange.{step} = dies
"""


def test_a_kill_in_the_middle_starts_clean_with_the_new_files(tmp_path) -> None:
    stays, comes = Gateway(), Gateway()
    with metering(tmp_path, stays, comes) as (site, service):
        site.lines = {"l0": stays.port}
        site.meters = {"stays": ("l0", 1, "plain"), "turns": ("l0", 2, "other"), "goes": ("l0", 3, "plain")}
        site.write()
        for turn, step in enumerate(("hold", "swap", "")):
            service.code = DIES.format(step=step) if step else ""
            service.start()
            service.reading(*site.lines)
            if not step:
                break
            site.scales["other"] = (0.2, 0.1)[turn]
            site.lines["l1"] = comes.port
            site.meters.pop("goes", None)
            site.meters["comes"] = ("l1", turn + 1, "plain")
            site.write()
            service.process.send_signal(signal.SIGHUP)
            assert service.process.wait(20) == -signal.SIGKILL
            service.kill()
        asked = comes.asked[2]
        eventually(lambda: comes.asked[2] > asked + 2, 10)
        assert service.stop()[0] == 0
        assert len({r.data.hash for r in service.records(Kind.CONFIG_ADOPTED)}) == 3
        scans = scans_of(service.data)
        assert {value(s, "v_an") for s in good(scans, "stays")} == {OLD}
        by_stamp: dict[str, set[float]] = {}
        for scan in good(scans, "turns"):
            by_stamp.setdefault(scan.profile, set()).add(value(scan, "v_an"))
        assert all(len(values) == 1 for values in by_stamp.values()), by_stamp
        assert set().union(*by_stamp.values()) == {OLD, NEW}
