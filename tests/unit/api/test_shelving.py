"""What is put away: by whom, for how long, what it hides, and that it is apart from the alarm list."""

from fakestation import Client, FakeStation

HOT = "alarm:t1/transformer-hot"
TRAPPED = "alarm:lift-1a/lift-trapped"


def shelving(request: str = "r1", **more: object) -> dict[str, object]:
    return {"alarm": HOT, "reason": "检修风机", "request": request, **more}


async def test_a_shelved_alarm_leaves_the_list_and_stands_among_the_hidden(
    client: Client, station: FakeStation
) -> None:
    station.raise_alarm("t1", "transformer-hot", 120.0)
    operator = client("operator")
    (before,) = (await operator.get("/api/v1/alarms")).json()
    assert (before["state"], before["latched"], before["chattering"]) == ("unacknowledged", False, 0)
    said = (await operator.post("/api/v1/alarms/shelve", json=shelving())).json()
    assert [r["kind"] for r in said["records"]] == ["alarm.shelved"]
    assert (await operator.get("/api/v1/alarms")).json() == []
    (hidden,) = (await operator.get("/api/v1/alarms/hiding")).json()
    assert (hidden["how"], hidden["by"], hidden["reason"], hidden["active"]) == (
        "shelved", "user:operator", "检修风机", True,
    )  # fmt: skip
    assert hidden["until_ms"] == station.clock.now() + 15 * 60_000
    said = (await operator.post("/api/v1/alarms/unshelve", json={"alarm": HOT, "request": "r2"})).json()
    assert [r["kind"] for r in said["records"]] == ["alarm.unshelved"]
    (after,) = (await operator.get("/api/v1/alarms")).json()
    assert (after["state"], after["acknowledged_by"]) == ("acknowledged", "user:operator")


async def test_a_preview_says_what_it_would_hide_and_changes_nothing(client: Client, station: FakeStation) -> None:
    station.raise_alarm("t1", "transformer-hot", 120.0)
    (would,) = (await client("operator").post("/api/v1/alarms/shelve/preview", json=shelving(minutes=60))).json()
    assert (would["subject"], would["how"], would["active"], would["priority"]) == (HOT, "shelved", True, 2)
    assert would["until_ms"] - would["since_ms"] == 3_600_000
    assert station.asked == []
    assert (await client("operator").get("/api/v1/alarms/hiding")).json() == []


async def test_a_life_is_not_put_away_and_nothing_is_without_a_reason_or_for_a_day(
    client: Client, station: FakeStation
) -> None:
    station.raise_alarm()
    operator = client("operator")
    for path in ("shelve", "shelve/preview"):
        answer = await operator.post(f"/api/v1/alarms/{path}", json=shelving(alarm=TRAPPED))
        assert answer.status_code == 403
        assert "任何人都不能搁置" in answer.json()["detail"]["zh"]
        assert (await operator.post(f"/api/v1/alarms/{path}", json=shelving(reason=""))).status_code == 422
        assert (
            await operator.post(f"/api/v1/alarms/{path}", json=shelving(reason=" ", request="r2"))
        ).status_code == 422
        assert (await operator.post(f"/api/v1/alarms/{path}", json=shelving(minutes=481))).status_code == 422
        nothing = shelving(alarm="alarm:t1/no-such-rule", request="r3")
        assert (await operator.post(f"/api/v1/alarms/{path}", json=nothing)).status_code == 404
        unclear = shelving(until_clear=True, request="r4")
        assert (await operator.post(f"/api/v1/alarms/{path}", json=unclear)).status_code == 409
    assert len((await operator.get("/api/v1/alarms")).json()) == 1


async def test_what_is_out_of_sight_wants_no_acknowledgement(client: Client, station: FakeStation) -> None:
    station.raise_alarm("t1", "transformer-hot", 120.0)
    operator = client("operator")
    await operator.post("/api/v1/alarms/shelve", json=shelving())
    answer = await operator.post("/api/v1/alarms/acknowledge", json={"alarm": HOT, "request": "r9"})
    assert answer.status_code == 409


async def test_a_rule_says_whom_its_plan_calls_first(client: Client) -> None:
    rules = (await client("operator").get("/api/v1/site")).json()["rules"]
    assert rules["lift-trapped"]["role"] == "lift-technician"
    assert {"cause", "consequence", "first_action", "respond_ms", "plan"} <= rules["lift-trapped"].keys()
