"""Duty over HTTP: a week, its changes, what they leave open, and calendars that need no account."""

from dataclasses import replace
from datetime import date
from typing import Any

import icalendar
from fakestation import NOW, Client, FakeStation

from facility.duty import Calendar, Layer
from response.phone.token import calendar_token, phone_token

HOUR = 3_600_000
DAY = 24 * HOUR


def body(what: str, person: str, **more: Any) -> dict[str, Any]:
    said = {"what": what, "person": person, "from_ms": NOW, "to_ms": NOW + DAY, "reason": "培训", "request": "r1"}
    return {**said, **more}


def two_technicians(station: FakeStation) -> None:
    """sunwei is a lift technician too, and there when zhaolei is not: a day each."""
    people = dict(station.site.people)
    people["sunwei"] = replace(people["sunwei"], roles=("electrician", "lift-technician"))
    turns = Layer("lift-technician", date(2026, 1, 1), ("always", "off"), (("zhaolei",), ("sunwei",)), (0, 1))
    layers = (turns, *station.site.roster.layers[1:])
    station.site = replace(station.site, people=people, roster=replace(station.site.roster, layers=layers))


async def shifts_of(client: Client, user: str = "manager") -> Any:
    return (await client(user).get("/api/v1/shifts")).json()


async def test_a_leave_is_entered_seen_and_taken_back(client: Client, station: FakeStation) -> None:
    manager = client("manager")
    asked = body("leave", "zhaolei")
    preview = (await manager.post("/api/v1/shifts/changes/preview", json=asked)).json()
    assert preview["refused"]["zh"] == ""
    assert "应有 1 人，只有 0 人" in preview["opens"][0]["zh"]
    assert (await manager.post("/api/v1/shifts/changes", json=asked)).status_code == 200
    assert (await manager.post("/api/v1/shifts/changes", json=asked)).json()["repeated"]
    (change,) = (await manager.get("/api/v1/shifts/changes")).json()
    assert (change["name"], change["state"], change["what_name"]["zh"]) == ("赵磊", "running", "休假")
    assert change["opens"]
    shifts = await shifts_of(client)
    (lift,) = [d for d in shifts["duty"] if d["role"] == "lift-technician"]
    assert (lift["now"], lift["minimum"]) == ([], 1)
    assert "hole" in {a["what"] for a in shifts["ahead"]}
    answer = await manager.post(
        f"/api/v1/shifts/changes/{change['id']}/revoke", json={"reason": "不休了", "request": "r2"}
    )
    assert answer.status_code == 200
    assert [h for h in (await shifts_of(client))["holes"] if h["role"] == "lift-technician"] == []


async def test_a_refusal_says_why_in_both_languages(client: Client, station: FakeStation) -> None:
    answer = await client("manager").post(
        "/api/v1/shifts/changes", json=body("cover", "sunwei", role="lift-technician", other="zhaolei")
    )
    assert answer.status_code == 422
    assert "没有“电梯技工”这个岗位" in answer.text


async def test_two_technicians_exchange_a_shift_between_themselves(client: Client, station: FakeStation) -> None:
    two_technicians(station)
    spans = (await client("manager").get("/api/v1/shifts/grid?days=7")).json()["rows"][0]["spans"]
    mine, theirs = (next(s for s in spans[1:] if s["people"][0]["id"] == who) for who in ("zhaolei", "sunwei"))
    asked = body(
        "swap", "zhaolei", role="lift-technician", other="sunwei", from_ms=mine["from_ms"], to_ms=mine["to_ms"],
        other_from_ms=theirs["from_ms"], other_to_ms=theirs["to_ms"],
    )  # fmt: skip
    assert (await client("technician").post("/api/v1/shifts/changes", json=asked)).status_code == 200
    (change,) = (await client("technician").get("/api/v1/shifts/changes")).json()
    assert change["state"] == "proposed"
    agree = f"/api/v1/shifts/changes/{change['id']}/agree"
    assert (await client("technician").post(agree, json={"request": "r2"})).status_code == 403
    assert (await client("sunwei").post(agree, json={"request": "r3"})).status_code == 200
    after = (await client("manager").get("/api/v1/shifts/grid?days=7")).json()["rows"][0]["spans"]
    held = {s["from_ms"]: s["people"][0]["id"] for s in after}
    assert "sunwei" in {who for at, who in held.items() if mine["from_ms"] <= at < mine["to_ms"]} or any(
        s["from_ms"] <= mine["from_ms"] < s["to_ms"] and s["people"][0]["id"] == "sunwei" for s in after
    )


async def test_the_screen_says_how_far_the_calendar_knows(client: Client, station: FakeStation) -> None:
    known = Calendar(date(2026, 12, 31), rest=frozenset({date(2026, 11, 23)}))
    station.site = replace(station.site, roster=replace(station.site.roster, calendar=known))
    assert (await shifts_of(client))["calendar"]["known_until"] == "2026-12-31"
    days = (await client("operator").get("/api/v1/shifts/grid?days=35")).json()["days"]
    assert len(days) == 35
    assert {d["day"]: d["workday"] for d in days}.get("2026-11-23", False) is False


async def test_a_calendar_link_works_without_an_account_and_holds_no_number(
    client: Client, station: FakeStation
) -> None:
    (own, *roles) = (await client("technician").get("/api/v1/shifts/calendar")).json()
    assert own["whose"] == "person:zhaolei"
    assert {r["whose"].partition(":")[0] for r in roles} == {"role"}
    answer = await client().get(own["path"])
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/calendar")
    read = icalendar.Calendar.from_ical(answer.content)
    events = read.walk("VEVENT")
    assert events
    assert all(e["DTSTART"].dt < e["DTEND"].dt for e in events)
    assert "电梯技工" in str(events[0]["SUMMARY"])
    by_role = (await client().get(roles[0]["path"])).text
    assert "赵磊" in by_role.replace("\r\n ", "")
    for person in station.site.people.values():
        assert person.phone not in answer.text + by_role


async def test_a_revoked_link_is_gone_and_a_new_one_works(client: Client, station: FakeStation) -> None:
    old = (await client("technician").get("/api/v1/shifts/calendar")).json()[0]["path"]
    said = {"whose": "person:zhaolei", "request": "r1"}
    assert (await client("technician").post("/api/v1/shifts/calendar/revoke", json=said)).status_code == 200
    assert (await client().get(old)).status_code == 404
    new = (await client("technician").get("/api/v1/shifts/calendar")).json()[0]["path"]
    assert new != old
    assert (await client().get(new)).status_code == 200


async def test_no_other_token_opens_a_calendar(client: Client, station: FakeStation) -> None:
    secret = station.settings.secret
    for token in (
        "x",
        "a.b",
        phone_token(secret, "person:zhaolei", "zhaolei"),
        calendar_token(b"another secret of 32 bytes......", "person:zhaolei"),
        calendar_token(secret, "person:nobody"),
        calendar_token(secret, "person:zhaolei", 1),
        calendar_token(secret, "person:zhaolei") + "A",
        "é" * 400,
    ):
        assert (await client().get(f"/api/v1/shifts/calendar/{token}.ics")).status_code == 404
    assert (await client().get(f"/p/{calendar_token(secret, 'person:zhaolei')}")).status_code != 200
