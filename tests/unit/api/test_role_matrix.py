"""Five roles and nobody, against every endpoint: what is not granted is refused."""

from typing import Any

import pytest
from fakestation import NOW, Client, FakeStation

from api.app import create
from api.rights import TABLE, Reach, Right, rights_of
from stores.accounts import Role

ROLES = ("", "operator", "technician", "engineer", "manager", "admin")

HOT = "alarm:t1/transformer-hot"

# endpoint: what nobody, operator, technician (of the incident), engineer, manager and admin get
GET: dict[str, tuple[int, ...]] = {
    "health": (200, 200, 200, 200, 200, 200),
    "site": (200, 200, 200, 200, 200, 200),
    "demo/phone": (200, 200, 200, 200, 200, 200),
    "me": (401, 200, 200, 200, 200, 200),
    "alarms": (401, 200, 200, 200, 200, 403),
    "alarms/hiding": (401, 200, 200, 200, 200, 403),
    "incidents": (401, 200, 200, 403, 200, 403),
    "incidents/{id}": (401, 200, 200, 403, 200, 403),
    "incidents/{id}/photos/none": (401, 404, 404, 403, 404, 403),
    "labels": (401, 200, 403, 403, 200, 403),
    "points?equipment=lift-1a": (401, 200, 200, 200, 200, 403),
    "points?equipment=t1": (401, 200, 404, 200, 200, 403),
    f"history?point=lift-1a/occupied&from={NOW - 1000}&to={NOW}": (401, 200, 200, 200, 200, 403),
    f"history?point=t1/temp_a&from={NOW - 1000}&to={NOW}": (401, 200, 404, 200, 200, 403),
    "records": (401, 200, 200, 200, 200, 200),
    "shifts": (401, 200, 200, 403, 200, 403),
    "shifts/grid?days=28": (401, 200, 200, 403, 200, 403),
    "shifts/changes": (401, 200, 200, 403, 200, 403),
    "shifts/calendar": (401, 200, 200, 403, 200, 403),
    "people": (401, 200, 200, 403, 200, 403),
    "people/tests": (401, 200, 200, 403, 200, 403),
    "performance?days=30&console=lift": (401, 200, 403, 200, 200, 403),
    "drills/matrix": (401, 200, 200, 403, 200, 403),
    "drills/matrix.csv": (401, 200, 200, 403, 200, 403),
    "permits": (401, 200, 200, 200, 200, 403),
    "tickets": (401, 200, 200, 200, 200, 403),
}
PERMIT = {
    "work": "permit",
    "equipment": ["lift-1a"],
    "holder": "zhaolei",
    "task": "换皮带",
    "from_ms": NOW,
    "until_ms": NOW + 3_600_000,
}
LEAVE = {"what": "leave", "person": "zhaolei", "from_ms": NOW, "to_ms": NOW + 3_600_000, "reason": "调休"}
POST: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "reload": ({"dry": True}, (401, 403, 403, 200, 403, 200)),
    "people/nobody/test": ({"channel": "demo"}, (401, 404, 403, 403, 404, 403)),
    "alarms/acknowledge": ({"alarm": "alarm:lift-1a/lift-trapped"}, (401, 200, 200, 403, 200, 403)),
    "alarms/shelve": ({"alarm": HOT, "reason": "检修风机"}, (401, 200, 403, 403, 200, 403)),
    "alarms/shelve/preview": ({"alarm": HOT, "reason": "检修风机"}, (401, 200, 403, 403, 200, 403)),
    "alarms/unshelve": ({"alarm": HOT}, (401, 409, 403, 403, 409, 403)),
    "alarms/reset": ({"alarm": "alarm:lift-1a/lift-trapped"}, (401, 409, 409, 403, 409, 403)),
    "incidents": ({"plan": "lift-entrapment", "place": "地库"}, (401, 200, 403, 403, 200, 403)),
    "drills": ({"plan": "lift-entrapment", "place": "地库"}, (401, 200, 403, 403, 200, 403)),
    "drills/{id}/attend": ({"person": "zhaolei"}, (401, 409, 403, 403, 409, 403)),
    "permits": (PERMIT, (401, 200, 403, 403, 200, 403)),
    "permits/preview": (PERMIT, (401, 200, 403, 403, 200, 403)),
    "permits/none/end": ({}, (401, 404, 403, 403, 404, 403)),
    "permits/none/extend": ({"until_ms": NOW + 1, "reason": "配件"}, (401, 404, 403, 403, 404, 403)),
    "permits/none/check": (
        {"equipment": "lift-1a", "works": True, "person": "zhaolei"},
        (401, 404, 404, 403, 404, 403),
    ),
    "tickets": (
        {"task": "停电", "steps": [], "operator": "sunwei", "supervisor": "zhaolei"},
        (401, 422, 403, 403, 422, 403),
    ),
    "tickets/rehearse": ({"steps": []}, (401, 200, 403, 403, 200, 403)),
    "tickets/none/sign": ({"step": 0, "person": "zhaolei"}, (401, 404, 404, 403, 404, 403)),
    "shifts/changes": (LEAVE, (401, 403, 403, 403, 200, 403)),
    "shifts/changes/preview": (LEAVE, (401, 200, 200, 403, 200, 403)),
    "shifts/changes/none/agree": ({}, (401, 404, 404, 403, 404, 403)),
    "shifts/changes/none/revoke": ({"reason": "不换了"}, (401, 404, 404, 403, 404, 403)),
    "shifts/calendar/revoke": ({"whose": "person:zhaolei"}, (401, 403, 200, 403, 200, 403)),
    "tickets/none/stop": ({"note": "不做"}, (401, 404, 403, 403, 404, 403)),
    "incidents/{id}/revoke-links": ({"person": "zhaolei"}, (401, 200, 403, 403, 200, 403)),
    "incidents/{id}/photos/none/erase": ({"reason": "误拍"}, (401, 403, 403, 403, 404, 403)),
    "incidents/{id}/answer": ({"trapped": True}, (401, 409, 403, 403, 409, 403)),
    "incidents/{id}/accept": ({"person": "zhaolei"}, (401, 200, 200, 403, 200, 403)),
    "incidents/{id}/decline": ({"person": "zhaolei"}, (401, 200, 200, 403, 200, 403)),
    "incidents/{id}/arrive": ({"person": "zhaolei"}, (401, 200, 200, 403, 200, 403)),
    "incidents/{id}/tick": ({"step": "calm"}, (401, 200, 200, 403, 200, 403)),
    "incidents/{id}/skip": ({"step": "report", "reason": "无需"}, (401, 200, 403, 403, 200, 403)),
    "incidents/{id}/finish": ({"person": "zhaolei"}, (401, 409, 409, 403, 409, 403)),
    "incidents/{id}/note": ({"note": "已联系家属"}, (401, 200, 200, 403, 200, 403)),
    "incidents/{id}/close": ({"cause": "门机"}, (401, 403, 403, 403, 409, 403)),
}
PUBLIC = {
    "/api/v1/health",
    "/api/v1/site",
    "/api/v1/login",
    "/api/v1/logout",
    "/api/v1/demo/phone",
    "/api/v1/shifts/calendar/{token}.ics",  # its link is its own authority
}


@pytest.mark.parametrize("path", GET)
async def test_reading(path: str, client: Client, station: FakeStation) -> None:
    station.raise_alarm()
    url = "/api/v1/" + path.format(id=next(iter(station.view().incidents)))
    assert tuple([(await client(user).get(url)).status_code for user in ROLES]) == GET[path]


@pytest.mark.parametrize("user", ROLES)
@pytest.mark.parametrize("path", POST)
async def test_changing(path: str, user: str, client: Client, station: FakeStation) -> None:
    station.raise_alarm()
    body, expected = POST[path]
    url = path.format(id=next(iter(station.view().incidents)))
    answer = await client(user).post(f"/api/v1/{url}", json={**body, "request": "r1"})
    assert answer.status_code == expected[ROLES.index(user)], answer.text
    if answer.status_code in {401, 403}:
        assert station.asked == []


async def test_a_technician_of_another_trade_sees_and_does_nothing_here(client: Client, station: FakeStation) -> None:
    station.raise_alarm()
    incident = next(iter(station.view().incidents))
    other = client("sunwei")
    assert (await other.get("/api/v1/alarms")).json() == []
    assert (await other.get("/api/v1/incidents")).json() == []
    assert (await other.get(f"/api/v1/incidents/{incident}")).status_code == 404
    assert (await other.get("/api/v1/points?equipment=lift-1a")).status_code == 404
    assert (await other.get("/api/v1/records")).json() == []
    for verb, body in (("accept", {}), ("note", {"note": "x"}), ("tick", {"step": "calm"})):
        answer = await other.post(f"/api/v1/incidents/{incident}/{verb}", json={**body, "request": "r1"})
        assert answer.status_code == 404
    alarm = {"alarm": "alarm:lift-1a/lift-trapped", "request": "r1"}
    assert (await other.post("/api/v1/alarms/acknowledge", json=alarm)).status_code == 403
    assert station.asked == []


async def test_a_technician_speaks_for_nobody_else(client: Client, station: FakeStation) -> None:
    station.raise_alarm()
    incident = next(iter(station.view().incidents))
    answer = await client("technician").post(
        f"/api/v1/incidents/{incident}/accept", json={"person": "wangjing", "request": "r1"}
    )
    assert answer.status_code == 403
    assert station.asked == []


async def test_numbers_are_shown_to_those_who_call(client: Client, station: FakeStation) -> None:
    def phones(answer: Any) -> dict[str, str]:
        return {p["id"]: p["phone"] for p in answer.json()["people"]}

    assert phones(await client("operator").get("/api/v1/people"))["sunwei"] == "13800000002"
    own = phones(await client("technician").get("/api/v1/people"))
    assert own["zhaolei"] == "13800000001"
    assert own["sunwei"] == ""


async def test_nobody_gets_a_name_and_demo_users_of_the_site_and_nothing_else(
    client: Client, station: FakeStation
) -> None:
    station.settings.demo_users = ("operator", "technician", "nobody")
    site = (await client().get("/api/v1/site")).json()
    assert site["name"]["zh"] == "演示小区"
    assert [u["id"] for u in site["demo_users"]] == ["operator", "technician"]
    assert not any(site[k] for k in ("equipment", "people", "parties", "plans", "rules", "contract", "hash"))


@pytest.mark.parametrize(("demo", "host"), [(False, "127.0.0.1"), (True, "192.168.1.5")])
async def test_demo_users_are_offered_in_the_demo_on_loopback_only(
    demo: bool, host: str, client: Client, station: FakeStation
) -> None:
    station.settings.demo, station.settings.host = demo, host
    assert (await client().get("/api/v1/site")).json()["demo_users"] == []
    assert (await client().get("/api/v1/demo/phone")).status_code == 404
    assert (await client().get("/demo")).status_code == (200 if demo else 404)


async def test_audit_lines_are_for_managers_and_administrators(client: Client, station: FakeStation) -> None:
    from facility.records import ConfigAdopted, Kind, Record

    station.write([Record(NOW, Kind.CONFIG_ADOPTED, "site:demo", ConfigAdopted("h"), actor="user:admin")])
    station.raise_alarm()

    async def kinds(user: str) -> set[str]:
        return {r["kind"] for r in (await client(user).get("/api/v1/records")).json()}

    assert {"config.adopted", "alarm.raised", "incident.opened"} <= await kinds("manager")
    assert "config.adopted" in await kinds("admin")
    assert "config.adopted" not in await kinds("operator")
    assert {"alarm.raised", "incident.opened"} <= await kinds("operator")
    assert await kinds("engineer") == {"alarm.raised"}
    assert await kinds("technician") == {"alarm.raised", "page.requested"}


async def test_every_endpoint_refuses_nobody_unless_it_is_known_to_be_public(
    client: Client, station: FakeStation
) -> None:
    described = create(station).openapi()["paths"]
    open_to_all = set()
    for path, operations in described.items():
        for method in operations:
            url = path.replace("{id}", "261122-1")
            if path.startswith("/api/") and (await client().request(method, url)).status_code != 401:
                open_to_all.add(path)
    assert open_to_all == PUBLIC


def test_the_table_grants_nothing_by_default() -> None:
    assert rights_of("stranger") == {}
    assert all(
        Role.ADMIN not in TABLE[r]
        for r in Right
        if r not in {Right.SEE_SITE, Right.SEE_HEALTH, Right.SEE_AUDIT, Right.RELOAD}
    )
    assert TABLE[Right.CLOSE] == {Role.OPERATOR: Reach.RESULT, Role.MANAGER: Reach.SITE}
