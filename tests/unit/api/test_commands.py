"""What people press: once is once, everybody is named, and a no says why."""

import asyncio

from fakestation import Client, FakeStation

from facility.commands import Accept, AcknowledgeAlarm, StartPlan


def opened(station: FakeStation) -> str:
    station.raise_alarm()
    return next(iter(station.view().incidents))


async def test_an_acknowledgement_carries_the_user_and_the_press(client: Client, station: FakeStation) -> None:
    subject = station.raise_alarm()
    answer = await client("operator").post(
        "/api/v1/alarms/acknowledge", json={"alarm": subject, "comment": "已通话", "request": "press-1"}
    )
    assert answer.status_code == 200
    assert station.asked == [AcknowledgeAlarm("user:operator", "user:operator/press-1", subject, "已通话")]
    (alarm,) = (await client("manager").get("/api/v1/alarms")).json()
    assert alarm["acknowledged"] is True
    assert alarm["acknowledged_by"] == "user:operator"
    assert alarm["state"] == "acknowledged"
    assert alarm["class"] == "life-safety"
    assert alarm["incident"] == next(iter(station.view().incidents))


async def test_the_same_press_twice_changes_nothing_twice(client: Client, station: FakeStation) -> None:
    operator, incident = client("operator"), opened(station)
    url, body = f"/api/v1/incidents/{incident}/note", {"note": "已联系家属", "request": "press-1"}
    first = (await operator.post(url, json=body)).json()
    again = (await operator.post(url, json=body)).json()
    assert (len(first["records"]), first["repeated"], first["incident"]) == (1, False, incident)
    assert (again["records"], again["repeated"]) == ([], True)
    assert sum(w.record.kind == "incident.noted" for w in station.book.lines) == 1


async def test_a_double_click_is_one_command_with_one_answer(client: Client, station: FakeStation) -> None:
    operator, incident = client("operator"), opened(station)
    url, body = f"/api/v1/incidents/{incident}/accept", {"person": "zhaolei", "request": "press-1"}
    one, two = await asyncio.gather(operator.post(url, json=body), operator.post(url, json=body))
    # Whether the second press meets the first one still under way or just done is the machine's mood.
    answers = [one.json(), two.json()]
    assert [a for a in answers if not a["repeated"]]
    assert all(len(a["records"]) == (0 if a["repeated"] else 1) for a in answers)
    assert set(station.asked) == {Accept("user:operator", "user:operator/press-1", incident, "zhaolei", "operator")}
    assert sum(w.record.kind == "page.acknowledged" for w in station.book.lines) == 1


async def test_two_users_can_not_take_each_others_request_id(client: Client, station: FakeStation) -> None:
    incident = opened(station)
    for user in ("operator", "manager"):
        answer = await client(user).post(
            f"/api/v1/incidents/{incident}/note", json={"note": user, "request": "press-1"}
        )
        assert answer.json()["repeated"] is False


async def test_the_request_id_may_come_as_a_header_and_must_come(client: Client, station: FakeStation) -> None:
    operator, incident = client("operator"), opened(station)
    url = f"/api/v1/incidents/{incident}/note"
    answer = await operator.post(url, json={"note": "x"}, headers={"Idempotency-Key": "press-9"})
    assert answer.status_code == 200
    assert station.asked[-1].request == "user:operator/press-9"
    answer = await operator.post(url, json={"note": "x"})
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:dutyroom:problem:no-request-id"


async def test_the_desks_no_keeps_its_words_and_its_kind(client: Client, station: FakeStation) -> None:
    operator, manager, incident = client("operator"), client("manager"), opened(station)
    answer = await operator.post("/api/v1/incidents/261122-99/note", json={"note": "x", "request": "r1"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    answer = await manager.post(f"/api/v1/incidents/{incident}/close", json={"cause": "门机", "request": "r2"})
    assert answer.status_code == 409
    assert "还不能关闭" in answer.json()["detail"]["zh"]
    assert "cannot be closed" in answer.json()["detail"]["en"]
    answer = await operator.post("/api/v1/incidents", json={"plan": "lift-entrapment", "request": "r3"})
    assert answer.status_code == 422


async def test_a_plan_is_started_by_hand(client: Client, station: FakeStation) -> None:
    body = {
        "plan": "lift-entrapment",
        "equipment": "lift-1a",
        "caller": "业主",
        "place": "",
        "note": "",
        "request": "r1",
    }
    answer = (await client("operator").post("/api/v1/incidents", json=body)).json()
    assert answer["incident"] in station.view().incidents
    assert isinstance(station.asked[0], StartPlan)


async def test_an_operator_closes_once_a_responder_gave_a_result(client: Client, station: FakeStation) -> None:
    operator, incident = client("operator"), opened(station)
    url, n = f"/api/v1/incidents/{incident}", iter(range(100))

    async def press(verb: str, **body: object) -> int:
        return (await operator.post(f"{url}/{verb}", json={**body, "request": f"r{next(n)}"})).status_code

    assert await press("close", cause="门机") == 403
    assert await press("accept", person="zhaolei") == 200
    assert await press("arrive", person="zhaolei") == 200
    assert await press("tick", step="calm") == 200
    assert await press("tick", step="free", person="zhaolei") == 200
    assert await press("finish", person="zhaolei", result="更换门机皮带") == 200
    station.clear_alarm()
    assert await press("close", cause="门机", result="恢复") == 200
    over = (await operator.get(url)).json()
    assert (over["stage"], over["closed_ms"]) == ("closed", station.clock.now())
    assert [p["finished_ms"] for p in over["people"]] == [station.clock.now()]
    assert (await operator.get("/api/v1/incidents?open=1")).json() == []
    assert [i["id"] for i in (await operator.get("/api/v1/incidents")).json()] == [incident]


async def test_reading_changes_nothing(client: Client, station: FakeStation) -> None:
    incident = opened(station)
    before = list(station.book.lines)
    for path in ("alarms", "incidents", f"incidents/{incident}", "points", "records", "shifts", "people", "site", "me"):
        assert (await client("manager").get(f"/api/v1/{path}")).status_code == 200
    assert station.asked == []
    assert station.book.lines == before
