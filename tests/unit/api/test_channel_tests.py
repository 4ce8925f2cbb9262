"""Test pages over HTTP: the button, the report, and the link with its one button."""

from typing import Any

from test_phone_page import SECRET, Forms, press

from response.phone.token import phone_token

WHO = "zhaolei"


async def reported(client: Any) -> dict[str, Any]:
    (one,) = [t for t in (await client.get("/api/v1/people/tests")).json() if t["person"] == WHO]
    return one


async def test_what_nobody_tried_says_so_for_people_and_parties(client, station) -> None:
    rows = (await client("operator").get("/api/v1/people/tests")).json()
    assert {r["person"] for r in rows} == {
        s.id for s in (*station.site.people.values(), *station.site.parties.values()) if s.channels
    }
    assert {(r["state"], r["at_ms"], r["failed"]) for r in rows} == {("never", None, False)}


async def test_the_button_the_link_and_the_report(client, station) -> None:
    operator, phone = client("operator"), client()
    channel = station.site.people[WHO].channels[0].kind
    body = {"channel": channel, "request": "t1"}
    assert (await operator.post(f"/api/v1/people/{WHO}/test", json=body)).status_code == 200
    report = await reported(operator)
    assert (report["person"], report["channel"], report["state"], report["failed"]) == (
        WHO,
        channel,
        "requested",
        False,
    )
    key = next(iter(station.view().tryouts.values())).key
    link = "/p/" + phone_token(SECRET, f"page-test:{key}", WHO)
    page = await phone.get(link)
    assert "不是报警" in page.text
    assert (await reported(operator))["state"] == "requested", "GET changes nothing"
    assert "收到了" in Forms(page.text).forms
    done = await press(phone, page, "收到了")
    assert "已记录" in done.text
    assert (await reported(operator))["state"] == "answered"
    assert (await phone.get("/p/" + phone_token(SECRET, "page-test:old", WHO))).status_code == 410
