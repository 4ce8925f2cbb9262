"""Test pages over HTTP: the button, the report, and the link with its one button."""

from test_phone_page import SECRET, Forms, press

from response.phone.token import phone_token

WHO = "zhaolei"


async def test_the_button_the_link_and_the_report(client, station) -> None:
    operator, phone = client("operator"), client()
    channel = station.site.people[WHO].channels[0].kind
    body = {"channel": channel, "request": "t1"}
    assert (await operator.post(f"/api/v1/people/{WHO}/test", json=body)).status_code == 200
    (report,) = (await operator.get("/api/v1/people/tests")).json()
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
    assert (await operator.get("/api/v1/people/tests")).json()[0]["state"] == "requested", "GET changes nothing"
    assert "收到了" in Forms(page.text).forms
    done = await press(phone, page, "收到了")
    assert "已记录" in done.text
    assert (await operator.get("/api/v1/people/tests")).json()[0]["state"] == "answered"
    assert (await phone.get("/p/" + phone_token(SECRET, "page-test:old", WHO))).status_code == 410
