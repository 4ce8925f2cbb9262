"""The live stream of one screen, spoken in ASGI, in the test's own loop."""

import asyncio
import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from fakestation import FakeStation

from api import stream
from api.app import create
from api.station import Notice
from facility.commands import AcknowledgeAlarm, IssuePermit, ShelveAlarm, UnshelveAlarm
from facility.records import IncidentClosed, Kind, Record, incident_subject
from facility.scan import Reason
from facility.text import Text
from stores.accounts import Accounts, Session


class ClosedError(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Socket:
    """A browser's end of the stream."""

    def __init__(self, app: Any, cookie: str, **headers: str) -> None:
        named = {"host": "127.0.0.1:8080", "cookie": f"dutyroom={cookie}", **headers}
        self._scope = {
            "type": "websocket",
            "path": "/api/v1/live",
            "raw_path": b"/api/v1/live",
            "query_string": b"",
            "scheme": "ws",
            "root_path": "",
            "subprotocols": [],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8080),
            "headers": [(k.encode(), v.encode()) for k, v in named.items()],
        }
        self.stuck: asyncio.Event | None = None  # set: the browser takes nothing after the handshake
        self._app = app
        self._up: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._down: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._up.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(self._app(self._scope, self._up.get, self._take))

    async def _take(self, event: dict[str, Any]) -> None:
        if self.stuck is not None and event["type"] == "websocket.send":
            await self.stuck.wait()
        self._down.put_nowait(event)

    def send(self, text: str) -> None:
        self._up.put_nowait({"type": "websocket.receive", "text": text})

    def watch(self, *machines: str) -> None:
        self.send(json.dumps({"watch": machines}))

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(20):
            event = await self._down.get()
        if event["type"] == "websocket.close":
            raise ClosedError(event["code"])
        if event["type"] == "websocket.accept":
            return await self.receive()
        message: dict[str, Any] = json.loads(event["text"])
        return message

    async def until(self, kind: str) -> dict[str, Any]:
        """Return the next message of a kind."""
        for _ in range(200):
            message = await self.receive()
            if message["type"] == kind:
                return message
        raise AssertionError(kind)

    async def leave(self) -> None:
        self._up.put_nowait({"type": "websocket.disconnect", "code": 1001})
        assert self.task
        async with asyncio.timeout(10):
            await self.task


@pytest.fixture
def station(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> FakeStation:
    monkeypatch.setattr(stream, "SPACING_MS", 5)
    monkeypatch.setattr(stream, "VALUES_MS", 50)
    monkeypatch.setattr(stream, "BEAT_MS", 100)
    monkeypatch.setattr(stream, "SESSION_MS", 100)
    return FakeStation(accounts, real_clock=True)


@asynccontextmanager
async def screen(station: FakeStation, cookie: str, **headers: str) -> AsyncIterator[Socket]:
    socket = Socket(create(station), cookie, **headers)
    socket.start()
    try:
        yield socket
    finally:
        await socket.leave()


async def test_a_screen_gets_a_snapshot_then_what_changed(station: FakeStation, tokens: dict[str, str]) -> None:
    station.raise_alarm("t1", "transformer-hot", 131.0)
    async with screen(station, tokens["operator"]) as socket:
        snapshot = await socket.receive()
        assert snapshot["type"] == "snapshot"
        assert [a["subject"] for a in snapshot["alarms"]] == ["alarm:t1/transformer-hot"]
        assert snapshot["incidents"] == []
        subject = station.raise_alarm()
        change = await socket.until("change")
        assert [a["subject"] for a in change["alarms"]] == [subject]
        (incident,) = change["incidents"]
        assert change["alarms"][0]["incident"] == incident["id"]
        assert len(incident["steps"]) == 3
        assert incident["records"]
        station.clear_alarm("t1", "transformer-hot")
        change = await socket.until("change")
        assert change["alarms"][0]["state"] == "returned"
        await acknowledge(station, "alarm:t1/transformer-hot")
        change = await socket.until("change")
        assert (change["alarms"], change["gone"]) == ([], ["alarm:t1/transformer-hot"])


async def test_what_is_put_away_moves_to_the_hidden_and_back_and_nothing_is_said_while_they_stay(
    station: FakeStation, tokens: dict[str, str]
) -> None:
    hot = station.raise_alarm("t1", "transformer-hot", 131.0)
    async with screen(station, tokens["operator"]) as socket:
        assert (await socket.receive())["hidden"] == []
        await station.ask(ShelveAlarm("user:operator", "s1", hot, "调试"))
        change = await socket.until("change")
        assert ([a["subject"] for a in change["alarms"]], change["gone"]) == ([], [hot])
        (hidden,) = change["hidden"]
        assert (hidden["subject"], hidden["how"], hidden["by"]) == (hot, "shelved", "user:operator")
        async with screen(station, tokens["operator"]) as late:
            snapshot = await late.receive()
            assert (snapshot["alarms"], [h["subject"] for h in snapshot["hidden"]]) == ([], [hot])
        station.raise_alarm()
        assert (await socket.until("change"))["hidden"] is None
        await station.ask(UnshelveAlarm("user:operator", "s2", hot))
        change = await socket.until("change")
        assert [(a["subject"], a["state"]) for a in change["alarms"]] == [(hot, "acknowledged")]
        assert (change["hidden"], change["gone"]) == ([], [])
        await station.ask(ShelveAlarm("user:operator", "s3", hot, "调试"))
        await socket.until("change")
        station.clear_alarm("t1", "transformer-hot")  # beneath its shelf
        (hidden,) = (await socket.until("change"))["hidden"]
        assert hidden["active"] is False


async def test_a_technician_is_shown_what_is_hidden_of_his_own_machines_only(
    station: FakeStation, tokens: dict[str, str]
) -> None:
    hot = station.raise_alarm("t1", "transformer-hot", 131.0)
    await station.ask(ShelveAlarm("user:operator", "s1", hot, "调试"))
    async with screen(station, tokens["sunwei"]) as own, screen(station, tokens["technician"]) as other:
        assert [h["subject"] for h in (await own.receive())["hidden"]] == [hot]
        assert (await other.receive())["hidden"] == []


async def test_planned_work_is_counted_and_told_when_it_changes(station: FakeStation, tokens: dict[str, str]) -> None:
    async with screen(station, tokens["operator"]) as socket:
        snapshot = await socket.receive()
        assert snapshot["planned"] == {"running": 0, "overdue": 0, "unchecked": 0, "tickets": 0}
        now = station.clock.now()
        permit = IssuePermit("user:operator", "p1", "permit", ("lift-1a",), "zhaolei", now, now + 3_600_000, "保养")
        await station.ask(permit)
        change = await socket.until("change")
        assert change["planned"]["running"] == 1
        station.raise_alarm("t1", "transformer-hot")
        assert (await socket.until("change"))["planned"] is None


async def acknowledge(station: FakeStation, subject: str) -> None:
    await station.ask(AcknowledgeAlarm("user:operator", subject, subject))


async def test_a_beat_comes_when_nothing_else_does(station: FakeStation, tokens: dict[str, str]) -> None:
    async with screen(station, tokens["operator"]) as socket:
        first, second = (await socket.until("beat")), (await socket.until("beat"))
        assert second["at_ms"] > first["at_ms"]


async def test_values_are_sent_for_watched_machines_all_at_first_then_what_changed(
    station: FakeStation, tokens: dict[str, str]
) -> None:
    station.scan("tc-1", (88.5,))
    station.scan("gw-lift-1a", (1.0, 0.0, math.nan), Reason.GOOD)
    async with screen(station, tokens["operator"]) as socket:
        socket.watch("lift-1a", "t1", "unknown")
        values = {row[0]: row[1:3] for row in (await socket.until("values"))["values"]}
        assert values == {
            "lift-1a/occupied": [1.0, "good"],
            "lift-1a/door_zone": [0.0, "good"],
            "lift-1a/service_mode": [None, "good"],
            "t1/temp_a": [88.5, "good"],
        }
        station.scan("tc-1", (90.0,))
        assert [row[:3] for row in (await socket.until("values"))["values"]] == [["t1/temp_a", 90.0, "good"]]
        socket.watch("lift-1a")
        assert len((await socket.until("values"))["values"]) == 3


async def test_a_technician_gets_his_own_trade_and_his_own_incidents(
    station: FakeStation, tokens: dict[str, str]
) -> None:
    async with screen(station, tokens["sunwei"]) as socket:
        assert (await socket.receive())["alarms"] == []
        socket.watch("lift-1a", "t1")
        station.scan("tc-1", (90.0,))
        station.scan("gw-lift-1a", (1.0, 0.0, 1.0))
        assert {row[0] for row in (await socket.until("values"))["values"]} == {"t1/temp_a"}
        station.raise_alarm()
        station.raise_alarm("t1", "transformer-hot", 131.0)
        change = await socket.until("change")
        assert [a["owner"] for a in change["alarms"]] == ["t1"]
        assert change["incidents"] == []


async def test_an_incident_that_closes_leaves_the_screen(station: FakeStation, tokens: dict[str, str]) -> None:
    station.raise_alarm()
    incident = next(iter(station.view().incidents))
    async with screen(station, tokens["operator"]) as socket:
        assert [i["id"] for i in (await socket.receive())["incidents"]] == [incident]
        record = Record(station.clock.now(), Kind.INCIDENT_CLOSED, incident_subject(incident), IncidentClosed("test"))
        station.write([record])
        assert (await socket.until("change"))["closed"] == [incident]


async def test_a_notice_that_needs_no_record_reaches_the_screen(station: FakeStation, tokens: dict[str, str]) -> None:
    async with screen(station, tokens["operator"]) as socket:
        assert (await socket.receive())["notices"] == []
        station.standing.append(Notice("line-down:bus", "warning", Text("线路中断", "a line is down"), 1))
        assert (await socket.until("change"))["notices"][0]["id"] == "line-down:bus"


@pytest.mark.parametrize(("user", "code"), [("", 4401), ("admin", 4403)])
async def test_who_may_not_look_is_told_why(user: str, code: int, station: FakeStation, tokens: dict[str, str]) -> None:
    async with screen(station, tokens[user] if user else "made-up") as socket:
        with pytest.raises(ClosedError) as closed:
            await socket.receive()
    assert closed.value.code == code


async def test_the_stream_ends_with_its_session(station: FakeStation, accounts: Accounts) -> None:
    said = accounts.login("engineer", "engineer-secret", "test", station.clock.now())
    assert isinstance(said, Session)
    async with screen(station, said.token) as socket:
        await socket.until("snapshot")
        accounts.logout(said.token)
        with pytest.raises(ClosedError) as closed:
            await socket.until("never")
    assert closed.value.code == 4401


@pytest.mark.parametrize("headers", [{"origin": "http://evil.example"}, {"host": "evil.example"}, {"origin": "null"}])
async def test_another_origin_gets_no_stream(
    headers: dict[str, str], station: FakeStation, tokens: dict[str, str]
) -> None:
    async with screen(station, tokens["operator"], **headers) as socket:
        with pytest.raises(ClosedError) as closed:
            await socket.receive()
    assert closed.value.code == 1008


async def test_a_client_that_takes_nothing_is_dropped_and_counted(
    station: FakeStation, tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "STUCK_S", 0.05)
    app = create(station)
    socket = Socket(app, tokens["operator"])
    socket.stuck = asyncio.Event()
    socket.start()
    assert socket.task
    async with asyncio.timeout(20):
        await socket.task
    assert station._told == []
    assert app.state.figures.read()["live_dropped_total"] == 1


@pytest.mark.parametrize(
    "said", ["{", "[]", '{"watch": 1}', '{"watch": [NaN]}', '{"watch": [], "more": 1}', "[" * 100_000]
)
async def test_nonsense_ends_the_stream(said: str, station: FakeStation, tokens: dict[str, str]) -> None:
    async with screen(station, tokens["operator"]) as socket:
        socket.send(said)
        with pytest.raises(ClosedError) as closed:
            await socket.until("never")
    assert closed.value.code == 1007


async def test_whoever_leaves_is_forgotten(station: FakeStation, tokens: dict[str, str]) -> None:
    app = create(station)
    socket = Socket(app, tokens["operator"])
    socket.start()
    await socket.until("beat")
    assert len(station._told) == 1
    assert app.state.figures.read()["live_clients"] == 1
    await socket.leave()
    assert station._told == []
    assert app.state.figures.read()["live_clients"] == 0


async def test_a_flood_melts_into_few_messages(station: FakeStation, tokens: dict[str, str]) -> None:
    async with screen(station, tokens["operator"]) as socket:
        await socket.until("snapshot")
        for _ in range(500):
            station.raise_alarm("t1", "transformer-hot", 131.0)
            station.clear_alarm("t1", "transformer-hot")
            station.clock.at += 1
        seen = 0
        while True:
            message = await socket.receive()
            if message["type"] == "beat":
                break
            seen += message["type"] == "change"
        assert 1 <= seen <= 20


async def test_when_other_files_hold_every_screen_hears_it_and_begins_anew(
    station: FakeStation, tokens: dict[str, str]
) -> None:
    subject = station.raise_alarm("t1", "transformer-hot", 131.0)
    async with screen(station, tokens["operator"]) as socket:
        await socket.receive()
        socket.watch("t1", "lift-1a")
        await socket.until("beat")
        devices = {id: d for id, d in station.site.devices.items() if not any(p.startswith("t1/") for p in d.points)}
        station.site = replace(station.site, devices=devices, hash="other")
        station.raise_alarm()  # any commit
        assert (await socket.until("site"))["hash"] == "other"
        gone = (await socket.until("values"))["values"]
        assert gone
        assert all(row[0].startswith("t1/") and row[1:3] == [None, "bad"] for row in gone)
        snapshot = await socket.until("snapshot")
        assert subject in {a["subject"] for a in snapshot["alarms"]}
