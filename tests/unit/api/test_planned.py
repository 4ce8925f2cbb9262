"""Permits and tickets over HTTP: what they show, whose they are, and what the live stream counts."""

from typing import Any

from fakestation import NOW, Client, FakeStation

HOUR = 3_600_000


async def issued(client: Client, **more: Any) -> str:
    body = {
        "work": "permit", "equipment": ["lift-1a"], "holder": "zhaolei", "task": "换门机皮带", "from_ms": NOW,
        "until_ms": NOW + HOUR, "request": "r1", **more,
    }  # fmt: skip
    answer = await client("operator").post("/api/v1/permits", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["records"][0]["subject"].removeprefix("permit:"))


async def test_a_permit_from_issue_to_check(client: Client, station: FakeStation) -> None:
    id = await issued(client)
    desk = client("operator")
    shown = (await desk.get(f"/api/v1/permits/{id}")).json()
    assert (shown["state"], shown["holder"]["name"], shown["work_name"]["zh"]) == ("running", "赵磊", "工作票")
    later = {"until_ms": NOW + 2 * HOUR, "reason": "配件晚到", "request": "r2"}
    assert (await desk.post(f"/api/v1/permits/{id}/extend", json=later)).status_code == 200
    assert (await desk.post(f"/api/v1/permits/{id}/end", json={"request": "r3"})).status_code == 200
    (row,) = (await desk.get("/api/v1/permits?open=1")).json()
    assert (row["state"], row["equipment"][0]["check"], row["extensions"]) == ("checking", None, ["配件晚到"])
    check = {"equipment": "lift-1a", "works": True, "request": "r4"}
    own = client("technician")
    assert (await own.post(f"/api/v1/permits/{id}/check", json={**check, "person": "sunwei"})).status_code == 403
    assert (await own.post(f"/api/v1/permits/{id}/check", json=check)).status_code == 200
    assert (await desk.get("/api/v1/permits?open=1")).json() == []
    (over,) = (await desk.get("/api/v1/permits")).json()
    assert (over["state"], over["equipment"][0]["check"]["name"]) == ("closed", "赵磊")


async def test_who_works_on_other_machines_sees_nothing_of_it(client: Client, station: FakeStation) -> None:
    id = await issued(client)
    other = client("sunwei")
    assert (await other.get("/api/v1/permits")).json() == []
    assert (await other.get(f"/api/v1/permits/{id}")).status_code == 404
    answer = await other.post(
        f"/api/v1/permits/{id}/check", json={"equipment": "lift-1a", "works": True, "request": "r2"}
    )
    assert answer.status_code == 404


async def test_what_a_permit_would_do_is_said_before_it_is_issued(client: Client, station: FakeStation) -> None:
    body = {
        "work": "permit", "equipment": ["t1"], "holder": "sunwei", "task": "紧固", "from_ms": NOW, "until_ms": NOW + HOUR,
    }  # fmt: skip
    said = (await client("operator").post("/api/v1/permits/preview", json=body)).json()
    assert said == {"expected": [], "lifts": [], "hides": 1}
    assert station.asked == []


async def test_too_long_a_window_is_refused_in_both_languages(client: Client, station: FakeStation) -> None:
    body = {
        "work": "permit", "equipment": ["lift-1a"], "holder": "zhaolei", "task": "t", "from_ms": NOW,
        "until_ms": NOW + 13 * HOUR, "request": "r1",
    }  # fmt: skip
    answer = await client("operator").post("/api/v1/permits", json=body)
    assert answer.status_code == 422
    assert "12" in answer.json()["detail"]["zh"]
    assert "12" in answer.json()["detail"]["en"]
