"""What leaves: both languages, UTC milliseconds, and null where there is no number."""

import json
import math
import time

from fakestation import NOW, Client, FakeStation
from msgspec.structs import replace

from api import labels
from api.figures import render
from api.rows import rows_of
from api.shapes.value import BucketShape
from api.station import Health, SpoolHealth, Status, TaskHealth
from facility.records import Kind
from facility.scan import Gap, Reason
from facility.text import Text
from stores.accounts import Role
from stores.telemetry.gaps import RecordedGap


async def test_no_number_is_null_and_the_last_good_value_stands_beside_it(client: Client, station: FakeStation) -> None:
    operator = client("operator")
    station.scan("tc-1", (88.5,))
    station.clock.at += 1000
    station.scan("tc-1", (math.nan,), Reason.NO_ANSWER)
    (point,) = (await operator.get("/api/v1/points?equipment=t1")).json()
    assert point == {
        "id": "t1/temp_a",
        "value": None,
        "quality": "bad",
        "reason": "no-answer",
        "at_ms": NOW + 1000,
        "changed_ms": NOW + 1000,
        "last_good": 88.5,
        "last_good_ms": NOW,
        "text": "",
    }
    everything = (await operator.get("/api/v1/points")).json()
    assert [p["reason"] for p in everything] == ["never", "never", "never", "no-answer"]


async def test_history_holds_null_for_what_is_no_number(client: Client) -> None:
    answer = await client("operator").get(f"/api/v1/history?point=t1/temp_a&from={NOW}&to={NOW + 1000}&buckets=10")
    assert answer.json()["buckets"] == [{"from_ms": NOW, "count": 1, "bad": 0, "low": None, "mean": 2.0, "high": None}]


async def test_the_gaps_of_a_device_say_when_and_how_many_and_null_where_nobody_knows(
    client: Client, station: FakeStation
) -> None:
    station.recorded = [
        RecordedGap(2, Gap("tc-1", Reason.NOT_CONNECTED, NOW, NOW + 9), 0),
        RecordedGap(1, Gap("tc-1", Reason.LOST, NOW, NOW + 5, 3, 1, 7), 2),
    ]
    answer = (await client("operator").get("/api/v1/history/gaps?device=tc-1")).json()
    assert answer["gaps"] == [
        {"why": "not-connected", "from_ms": NOW, "to_ms": NOW + 9, "missing": None, "filled": 0},
        {"why": "lost", "from_ms": NOW, "to_ms": NOW + 5, "missing": 3, "filled": 2},
    ]
    assert (await client("operator").get("/api/v1/history/gaps?device=nothing")).status_code == 404


def test_infinities_are_null_wherever_a_shape_holds_them() -> None:
    shape = BucketShape(from_ms=0, count=0, bad=0, low=math.nan, mean=math.inf, high=-math.inf)
    assert json.loads(shape.model_dump_json())["mean"] is None


async def test_an_alarm_with_a_broken_value_still_leaves(client: Client, station: FakeStation) -> None:
    station.raise_alarm(value=math.nan)
    (alarm,) = (await client("operator").get("/api/v1/alarms")).json()
    assert alarm["value"] is None


async def test_the_site_tells_machines_points_and_words(client: Client) -> None:
    site = (await client("operator").get("/api/v1/site")).json()
    lift = next(e for e in site["equipment"] if e["id"] == "lift-1a")
    assert [p["id"] for p in lift["points"]] == ["lift-1a/occupied", "lift-1a/door_zone", "lift-1a/service_mode"]
    assert site["rules"]["lift-trapped"]["class"] == "life-safety"
    assert site["labels"]["alarm_state"]["returned"]["zh"] == "已恢复未确认"
    assert site["statement"]["zh"].startswith("非认证安全功能")


async def test_an_incident_leaves_whole(client: Client, station: FakeStation) -> None:
    station.raise_alarm()
    incident = next(iter(station.view().incidents))
    whole = (await client("operator").get(f"/api/v1/incidents/{incident}")).json()
    assert [s["state"] for s in whole["steps"]] == ["open", "waiting", "open"]
    assert whole["steps"][0]["due_ms"] == NOW + 30_000
    assert {p["id"]: p["by_ms"] for p in whole["promises"]}["lift_arrival"] == NOW + 900_000
    assert whole["card"]["contractor_phone"] == "4008000001"
    assert [p["person"] for p in whole["pages"]] == ["zhaolei", "wangjing"]
    assert len(whole["missing"]) == 3
    assert [r["seq"] for r in whole["records"]] == sorted((r["seq"] for r in whole["records"]), reverse=True)
    assert (await client("operator").get("/api/v1/incidents/261122-77")).status_code == 404


async def test_shifts_say_who_is_there_and_who_follows(client: Client) -> None:
    shifts = (await client("operator").get("/api/v1/shifts")).json()
    now = {d["role"]: [p["name"] for p in d["now"]] for d in shifts["duty"]}
    assert now["lift-technician"] == ["赵磊"]


async def test_records_are_read_forwards_and_backwards(client: Client, station: FakeStation) -> None:
    manager = client("manager")
    subject = station.raise_alarm()
    newest = (await manager.get("/api/v1/records?limit=2")).json()
    assert [r["seq"] for r in newest] == [len(station.book.lines), len(station.book.lines) - 1]
    older = (await manager.get(f"/api/v1/records?before={newest[-1]['seq']}&limit=1")).json()
    assert older[0]["seq"] == newest[-1]["seq"] - 1
    assert [r["seq"] for r in (await manager.get("/api/v1/records?after=0&limit=3")).json()] == [1, 2, 3]
    assert {r["subject"] for r in (await manager.get(f"/api/v1/records?subject={subject}")).json()} == {subject}
    assert (await manager.get("/api/v1/records?about=zhaolei")).json()
    assert {r["kind"] for r in (await manager.get("/api/v1/records?kind=plan.started")).json()} == {"plan.started"}
    raised = (await manager.get("/api/v1/records?kind=alarm.raised")).json()[0]
    assert raised["data"]["class"] == "life-safety"
    assert (await manager.get("/api/v1/records?kind=no.such")).json() == []


async def test_health_is_progress(client: Client, station: FakeStation) -> None:
    answer = await client().get("/api/v1/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert answer.json()["lines"][0]["failures"] == {"no-answer": 1}
    station.tasks = [TaskHealth("desk", 8001, 8000)]
    answer = await client().get("/api/v1/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "failing")


async def test_beyond_loopback_health_keeps_the_lines_for_whoever_is_logged_in(
    client: Client, station: FakeStation
) -> None:
    station.settings.host = "192.168.1.5"
    assert (await client().get("/api/v1/health")).json()["lines"] == []
    assert (await client("admin").get("/api/v1/health")).json()["lines"] != []


def test_something_missing_is_degraded() -> None:
    health = Health(
        NOW,
        [TaskHealth("desk", 1, 8000)],
        SpoolHealth(0, None, 0, 1 << 30),
        1,
        "h",
        "i",
        [Text("断线", "a line is down")],
    )
    assert health.status is Status.DEGRADED


async def test_metrics_are_prometheus_text(client: Client, station: FakeStation) -> None:
    await client().get("/p/no-such-link")
    answer = await client().get("/metrics")
    lines = answer.text.splitlines()
    assert "# TYPE dutyroom_scans_total counter" in lines
    assert "dutyroom_scans_total 12" in lines
    assert 'dutyroom_line_up{line="mqtt"} 1' in lines
    assert answer.headers["content-type"].startswith("text/plain")


def test_a_family_is_declared_once() -> None:
    text = render({'line_up{line="a"}': 1, "scans_total": 2, 'line_up{line="b"}': 0})
    assert text.count("# TYPE dutyroom_line_up gauge") == 1


def test_every_id_has_words() -> None:
    assert set(labels.RECORD) == set(Kind)
    assert set(labels.REASON) == {labels.reason_id(r) for r in Reason}
    assert set(labels.USER_ROLE) == set(Role)
    assert labels.reason_id(200) == "200"
    assert all(t.zh and t.en for table in labels.TABLE.values() for t in table.values())


def test_a_row_is_written_anew_when_its_alarm_or_incident_is_another(station: FakeStation) -> None:
    alarm = station.board.open()[station.raise_alarm()]
    rows = rows_of(station)
    row = rows.of(alarm, None)
    assert rows.of(alarm, None) is row
    assert json.loads(rows.of(alarm, "261123-1"))["incident"] == "261123-1"
    assert json.loads(rows.of(replace(alarm, acknowledged=True), "261123-1"))["acknowledged"]
    rows.kept(open_=1)
    assert json.loads(rows.of(alarm, None)) == json.loads(row)


def test_five_thousand_alarms_are_listed_in_milliseconds(station: FakeStation) -> None:
    alarm = station.board.open()[station.raise_alarm()]
    rows = rows_of(station)
    rows.of(alarm, None)
    began = time.process_time()
    b",".join(rows.of(alarm, None) for _ in range(5000))
    assert time.process_time() - began < 0.1  # a generous bound for a busy machine; measured 2 ms


async def test_docs_list_every_endpoint_and_fetch_nothing_from_elsewhere(client: Client) -> None:
    page = (await client().get("/docs")).text
    described = (await client().get("/openapi.json")).json()
    assert all(path.replace("{", "&#123;") in page or path in page for path in described["paths"])
    assert "://" not in page.replace("http://www.w3.org", "")
    assert described["components"]["schemas"]["AlarmShape"]["properties"]["class"]


async def test_without_a_built_console_the_page_says_how_to_build_it(client: Client, tmp_path, monkeypatch) -> None:
    from fastapi import FastAPI
    from httpx import ASGITransport, AsyncClient

    from api.routes import console

    app = FastAPI()
    console.install(app, tmp_path / "static")
    async with AsyncClient(transport=ASGITransport(app), base_url="http://127.0.0.1") as one:
        answer = await one.get("/")
        assert "make setup" in answer.text
        (tmp_path / "static" / "assets").mkdir(parents=True)
        (tmp_path / "static" / "index.html").write_text("<title>console</title>")
        (tmp_path / "static" / "assets" / "index-1a2b.js").write_text("1")
        answer = await one.get("/")
        assert (answer.text, answer.headers["cache-control"]) == ("<title>console</title>", "no-cache")
        assert "immutable" in (await one.get("/assets/index-1a2b.js")).headers["cache-control"]
