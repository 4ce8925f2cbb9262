"""`dutyroom demo`: a whole building on this machine. The simulators and the service are processes of their own."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dutyroom.clock import SystemClock

if TYPE_CHECKING:
    from facility.site import Site

SITE = Path(__file__).resolve().parent.parent / "simulators" / "sites" / "demo"
SCENARIOS = SITE.parent.parent / "scenarios"
START_LIMIT_S = 60
RESTART_EXITS = frozenset({70})
USERS = {
    "operator": "operator",
    "technician": "lift-technician",
    "engineer": "",
    "manager": "project-manager",
    "admin": "",
}
"""Demo users, named after their role here, and whose duty they play."""
NAMELESS = {"engineer": "接管工程师", "admin": "系统管理员"}
PASSWORD = "demo"  # noqa: S105 - the demo's, on loopback, and said to everybody


@dataclass(frozen=True, slots=True)
class Place:
    """Where this demo lives."""

    folder: Path
    port: int

    @property
    def site(self) -> Path:
        """The working copy of the demo site."""
        return self.folder / "site"

    @property
    def data(self) -> Path:
        """The service's data folder."""
        return self.folder / "data"

    @property
    def url(self) -> str:
        """The console's address."""
        return f"http://127.0.0.1:{self.port}"


def run(*, data: Path, port: int, auto: bool, as_json: bool) -> int:
    """Prepare, start both processes, say what will happen, and stay until the end; return the exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended from outside, it takes its processes along
    place = Place(data, _free_port(port))
    planted = prepare(place)
    with _running(place, auto=auto, past=not auto) as (service, control):
        if not _ready(place, service):
            print("dutyroom: 服务没有启动，见上。The service did not start; see above.", file=sys.stderr)
            return 1
        if auto:
            from dutyroom.players import play

            return play(place.url, control, PASSWORD, as_json=as_json)
        _say(place, planted)
        return _stay(place, service, control)


def prepare(place: Place) -> list[str]:
    """Make a fresh working copy: planted findings, free ports, passwords, demo users, thirty days behind it.

    Raises:
        StoreInUseError: another demo runs in this folder.
    """
    from simulators.planting import move_ports, plant
    from sitefolder import load
    from stores.lock import InstanceLock

    if place.data.exists():
        with InstanceLock(place.data):  # a demo that still runs here keeps its folder
            pass
    shutil.rmtree(place.folder, ignore_errors=True)
    place.data.mkdir(parents=True)
    shutil.copytree(SITE, place.site)
    now = SystemClock().now()
    planted = plant(place.site, now)
    site = load(place.site).site
    lines = site.lines
    taken: set[int] = {place.port}
    ports = {}
    for id, line in lines.items():
        ports[id] = _free_port(line.port, taken)
        taken.add(ports[id])
    move_ports(place.site, ports)
    _users(place, site, now)
    _past_records(place, now)
    return planted


def past_readings(site: Path, data: Path) -> None:
    """Write thirty days of readings, before the service opens its archive: an archive has one writer."""
    from simulators.history import columns
    from sitefolder import load
    from stores.telemetry.archive import Archive

    archive = Archive(data / "archive", None)
    past = columns(load(site).site, SystemClock().now())
    archive.import_columns((column.point, column.at_ms, column.values) for column in past)
    archive.close()


def _past_records(place: Place, now: int) -> None:
    from simulators.past import incidents, planned
    from sitefolder import load
    from stores.logbook import LogBook

    site = load(place.site).site
    book = LogBook(place.data / "logbook.db", site.id)
    for records, closed in incidents(site, now):
        book.append(records, closed)
    book.append(*planned(site, now))
    book.close()


def _users(place: Place, site: "Site", now: int) -> None:
    from response.duty import on_duty
    from stores.accounts import Accounts

    accounts = Accounts(place.data / "accounts.db")
    for user, duty in USERS.items():
        holders = [p.id for p in site.people.values() if duty in p.roles]  # at night the project manager is at home
        person = next(iter([*on_duty(site, duty, now), *holders]), "")
        name = site.people[person].name if person else NAMELESS.get(user, user)
        accounts.user_add(user, name, user, PASSWORD, person=person, demo=True)
    accounts.close()


@contextlib.contextmanager
def _running(place: Place, *, auto: bool, past: bool) -> Iterator[tuple["Service", Path]]:
    ports = place.folder / "simulators.json"
    scenario = SCENARIOS / ("entrapment.toml" if auto else "demo.toml")
    command = [sys.executable, "-m", "simulators", "--site", str(place.site), "--scenario", str(scenario)]
    with (place.folder / "simulators.log").open("w", encoding="utf-8") as log:
        building = subprocess.Popen([*command, "--port-file", str(ports)], stdout=log, stderr=log)
        if past:
            past_readings(place.site, place.data)
        service = Service(place)
        try:
            yield service, ports
        except KeyboardInterrupt:
            pass
        finally:
            service.stop()
            building.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                building.wait(5)
            building.kill()


class Service:
    """The service process; started again when it ended itself because its loop stood still."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._log = (place.folder / "service.log").open("a", encoding="utf-8")
        self.process = self._start()

    def keep(self) -> bool:
        """Start it again where it should be; say whether it lives."""
        code = self.process.poll()
        if code is None:
            return True
        if code in RESTART_EXITS or code < 0:
            self.process = self._start()
            return True
        return False

    def stop(self) -> None:
        """End it in order."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(8)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self._log.close()

    def _start(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "dutyroom", "serve", str(self._place.site), "--data", str(self._place.data)]
        return subprocess.Popen(
            [*command, "--port", str(self._place.port), "--demo-mode"], stdout=self._log, stderr=self._log, env=_env()
        )


def _env() -> Mapping[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("DUTYROOM_")}


def _ready(place: Place, service: Service) -> bool:
    import httpx

    until = time.monotonic() + START_LIMIT_S
    while time.monotonic() < until and service.process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{place.url}/api/v1/health", timeout=1).status_code == httpx.codes.OK:
                return True
        time.sleep(0.05)
    print((place.folder / "service.log").read_text(encoding="utf-8")[-2000:], file=sys.stderr)
    return False


def _stay(place: Place, service: Service, control: Path) -> int:
    from dutyroom.players import Helper

    helper = Helper(place.url, control, PASSWORD)
    try:
        while service.keep():
            helper.turn()
            time.sleep(1)
    finally:
        helper.close()
    print("dutyroom: 服务已结束。The service has ended; see service.log.", file=sys.stderr)
    return 1


def _say(place: Place, planted: list[str]) -> None:
    print(
        f"""
值班室 Dutyroom · 望澜天地 演示 demo (Ctrl-C 结束 ends it)

  控制台 console            {place.url}/
  控制台+手机 with phones    {place.url}/demo
  用户 users                {", ".join(USERS)}     密码 password: {PASSWORD}

  0:20  1号楼2#梯困人              lift-1b stops between floors with two people; the technician on duty is rung
        在手机上：确认接警 → 已到场 → 步骤 → 处理完毕；到场后约 10 秒人员脱困
        on the phone: accept → arrived → steps → done; 10 s after arrival the people are free
  1:30  2#变压器绕组升温            transformer 2 warms towards its alarm
  3:00  1#冷水机组断流跳机          chiller 1 loses its flow and trips
  5:00  裙楼2#梯网关失联            a lift gateway stops answering
  7:00  10 kV 一号馈线跳闸          feeder 1 trips: what it alone feeds stops; the dual-fed lifts return within seconds

  已埋设 planted: {"; ".join(planted)}
  数据 data {place.folder}  日志 logs service.log, simulators.log
  非认证安全功能，不替代电梯对讲、消防主机和继电保护；法定报告由人完成。
  Not a certified safety function; replaces neither lift intercom, fire panel nor relay protection.
""",
        flush=True,
    )


def _free_port(wanted: int, taken: set[int] | None = None) -> int:
    for port in range(wanted, wanted + 200):
        if taken and port in taken:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise OSError(f"no free port from {wanted} on")
