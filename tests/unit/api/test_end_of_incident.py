"""The end of an incident over HTTP: false alarm, close gate, pages from a backup, drills and test pages."""

from dataclasses import replace
from typing import Any

import pytest
from fakestation import NOW, PLAN, SITE, Client, FakeStation

from facility.plan import CloseCheck, FalseAlarm, Proof
from facility.records import Kind, Record, ServiceRestored, restore_subject
from facility.rule import Compare
from facility.text import Text

GATED = replace(
    PLAN,
    close=(CloseCheck(Text("门区", "door zone"), (Proof("door_zone", Compare.IS, 1),)),),
    false_alarm=FalseAlarm(2, ("voice", "camera", "on-site"), ()),
)
ROLES = ("", "operator", "technician", "engineer", "manager", "admin")


@pytest.fixture
def incident(station: FakeStation) -> str:
    """Somebody is trapped, by a plan with a close gate and rules for false alarms."""
    station.site = replace(SITE, plans={GATED.id: GATED})
    station.raise_alarm()
    return next(iter(station.view().incidents))


POST: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "incidents/{id}/false-alarm": ({"how": "voice"}, (401, 200, 200, 403, 200, 403)),
    "incidents/{id}/confirm-close": ({"check": 0, "person": "zhaolei"}, (401, 200, 200, 403, 200, 403)),
    "incidents/{id}/override-close": ({"reason": "触点坏了"}, (401, 403, 403, 403, 409, 403)),
    "incidents/{id}/release": ({"send": True}, (401, 200, 403, 403, 200, 403)),
    "drills": ({"plan": "lift-entrapment", "place": "地库"}, (401, 200, 403, 403, 200, 403)),
    "people/zhaolei/test": ({"channel": "demo"}, (401, 200, 403, 403, 200, 403)),
}
BAD: list[tuple[str, dict[str, Any], str]] = [
    ("incidents/{id}/false-alarm", {"how": "dream"}, "how"),
    ("incidents/{id}/false-alarm", {}, "how"),
    ("incidents/{id}/confirm-close", {"check": -1, "person": "zhaolei"}, "check"),
    ("incidents/{id}/confirm-close", {"check": "0", "person": "zhaolei"}, "check"),
    ("incidents/{id}/override-close", {"reason": ""}, "reason"),
    ("incidents/{id}/override-close", {"reason": "x", "force": True}, "force"),
    ("incidents/{id}/release", {"send": "yes"}, "send"),
    ("incidents/{id}/release", {}, "send"),
    ("drills", {"plan": "lift-entrapment", "expected": "zhaolei"}, "expected"),
    ("drills/{id}/attend", {"person": "zhaolei", "present": 1}, "present"),
    ("people/zhaolei/test", {"channel": ""}, "channel"),
]
UNKNOWN: list[tuple[str, dict[str, Any]]] = [
    ("incidents/261122-99/false-alarm", {"how": "voice"}),
    ("incidents/261122-99/confirm-close", {"check": 0, "person": "zhaolei"}),
    ("incidents/{id}/confirm-close", {"check": 7, "person": "zhaolei"}),
    ("incidents/{id}/confirm-close", {"check": 0, "person": "nobody"}),
    ("incidents/261122-99/override-close", {"reason": "x"}),
    ("drills/261122-99/attend", {"person": "zhaolei"}),
    ("people/nobody/test", {"channel": "demo"}),
    ("people/zhaolei/test", {"channel": "pigeon"}),
]


async def post(client: Client, user: str, url: str, request: str = "r1", **body: Any) -> Any:
    return await client(user).post(f"/api/v1/{url}", json={**body, "request": request})


def backed_up(station: FakeStation, incident: str) -> None:
    """The incident came out of a backup: its pages wait for a person."""
    said = ServiceRestored(NOW, 1, "h", (incident,))
    station.write([Record(NOW, Kind.SERVICE_RESTORED, restore_subject("b"), said)])


@pytest.mark.parametrize("user", ROLES)
@pytest.mark.parametrize("path", POST)
async def test_each_role_gets_what_the_table_says(path, user, client, station, incident) -> None:
    backed_up(station, incident)
    body, expected = POST[path]
    answer = await post(client, user, path.format(id=incident), **body)
    assert answer.status_code == expected[ROLES.index(user)], answer.text
    if answer.status_code in {401, 403}:
        assert station.asked == []


@pytest.mark.parametrize(("path", "body", "place"), BAD)
async def test_a_bad_body_is_refused_with_its_place(path, body, place, client, station, incident) -> None:
    answer = await post(client, "manager", path.format(id=incident), **body)
    assert answer.status_code == 422, answer.text
    assert any(one["place"][1] == place for one in answer.json()["errors"])
    assert station.asked == []


@pytest.mark.parametrize(("path", "body"), UNKNOWN)
async def test_what_is_not_there_is_said_to_be_not_there(path, body, client, incident) -> None:
    answer = await post(client, "manager", path.format(id=incident), **body)
    assert answer.status_code == 404, answer.text
    assert answer.json()["detail"]["zh"]
    assert answer.json()["detail"]["en"]


@pytest.mark.parametrize(
    ("path", "body"),
    [(path, body) for path, (body, _) in POST.items() if "override" not in path],
)
async def test_the_same_press_twice_is_one(path, body, client, station, incident) -> None:
    backed_up(station, incident)
    url = path.format(id=incident)
    first = (await post(client, "manager", url, **body)).json()
    lines = len(station.book.lines)
    again = await post(client, "manager", url, **body)
    assert again.status_code == 200
    assert (first["repeated"], again.json()["repeated"], again.json()["records"]) == (False, True, [])
    assert len(station.book.lines) == lines


async def test_two_independent_words_make_a_false_alarm_and_one_does_not(client, station, incident) -> None:
    url = f"incidents/{incident}"
    station.clear_alarm()
    close = {"cause": "误触", "false_alarm": True}
    await post(client, "operator", f"{url}/false-alarm", "f1", how="voice")
    await post(client, "manager", f"{url}/false-alarm", "f2", how="camera")
    assert (await post(client, "manager", f"{url}/close", "c1", **close)).status_code == 409, "both are the desk's"
    assert (await post(client, "manager", f"{url}/false-alarm", "f3", how="on-site")).status_code == 409
    await post(client, "technician", f"{url}/arrive", "a1")
    assert (await post(client, "technician", f"{url}/false-alarm", "f4", how="on-site")).status_code == 200
    shown = (await client("manager").get(f"/api/v1/{url}")).json()["false_alarm"]
    assert ([one["how"] for one in shown["said"]], shown["lacking"]) == (["voice", "camera", "on-site"], None)
    assert (await post(client, "manager", f"{url}/close", "c2", **close)).status_code == 200


async def done(client: Client, station: FakeStation, incident: str) -> None:
    """All mandatory steps are done and the alarm is over."""
    url = f"incidents/{incident}"
    await post(client, "operator", f"{url}/tick", "t1", step="calm")
    await post(client, "technician", f"{url}/arrive", "t2")
    await post(client, "technician", f"{url}/tick", "t3", step="free")
    station.clear_alarm()


async def test_where_telemetry_is_dead_two_named_people_open_the_gate(client, station, incident) -> None:
    await done(client, station, incident)
    url = f"incidents/{incident}"
    assert (await post(client, "technician", f"{url}/confirm-close", "s1", check=0)).status_code == 200
    assert (await post(client, "technician", f"{url}/confirm-close", "s2", check=0)).status_code == 409, (
        "twice the same"
    )
    assert (
        await post(client, "technician", f"{url}/confirm-close", "s3", check=0, person="wangjing")
    ).status_code == 403
    assert (await post(client, "manager", f"{url}/close", "c1", cause="门机")).status_code == 409
    assert (await post(client, "manager", f"{url}/confirm-close", "s4", check=0)).status_code == 200
    assert (await post(client, "manager", f"{url}/close", "c2", cause="门机")).status_code == 200


async def test_a_manager_sets_the_gate_aside_once_the_steps_are_done_and_it_stands_with_its_reason(
    client, station, incident
) -> None:
    url = f"incidents/{incident}"
    early = await post(client, "manager", f"{url}/override-close", "o1", reason="触点坏了")
    assert (early.status_code, "mandatory steps" in early.json()["detail"]["en"]) == (409, True)
    await done(client, station, incident)
    first = await post(client, "manager", f"{url}/override-close", "o2", reason="触点坏了")
    again = await post(client, "manager", f"{url}/override-close", "o2", reason="触点坏了")
    assert (first.json()["repeated"], again.json()["repeated"]) == (False, True)
    (said,) = [w.record for w in station.book.lines if w.record.kind is Kind.CLOSE_OVERRIDDEN]
    assert (said.actor, said.data.reason) == ("user:manager", "触点坏了")
    assert (await client("manager").get(f"/api/v1/{url}")).json()["overridden"] == "触点坏了"


async def test_pages_that_nobody_holds_cannot_be_released(client, incident) -> None:
    answer = await post(client, "manager", f"incidents/{incident}/release", send=False)
    assert answer.status_code == 409


async def test_a_drill_is_begun_attended_and_marked(client, station) -> None:
    body = {"plan": "lift-entrapment", "equipment": "lift-1a", "expected": ["zhaolei", "zhaolei"]}
    which = (await post(client, "operator", "drills", "d1", **body)).json()["incident"]
    assert (await post(client, "operator", f"drills/{which}/attend", "d2", person="zhaolei")).status_code == 200
    shown = (await client("operator").get(f"/api/v1/incidents/{which}")).json()
    assert shown["drill"] == "paper"
    assert [one["id"] for one in shown["attendance"] if one["since_ms"]] == ["zhaolei"]
    assert (await post(client, "operator", f"drills/{which}/attend", "d3", person="ghost")).status_code in {404, 422}
    unknown = await post(client, "operator", "drills", "d4", plan="no-such-plan", place="x")
    assert unknown.status_code == 404
