"""The one-page report: what stands on it, on one page, in both languages; and nothing rather than boxes."""

from typing import Any

import pytest
from fakestation import NOW, SITE, Client, FakeStation

from api.report import paper
from api.report.content import Shown, content
from facility.commands import Accept, Arrive, AttendDrill, StartDrill, TickStep
from facility.ports import Bucket
from response.incident import Incident

HISTORY = [Bucket(NOW + n, 3, 0, 1.0 + n, 2.0 + n, 3.0 + n) for n in range(20)]
HOLE = [Bucket(NOW + 20, 0, 0, None, None, None)]


async def drilled(station: FakeStation) -> Incident:
    await station.ask(StartDrill("user:operator", "r1", "lift-entrapment", "lift-1a", expected=("zhaolei", "sunwei")))
    (incident,) = station.view().incidents.values()
    await station.ask(Accept("person:zhaolei", "r2", incident.id, "zhaolei"))
    await station.ask(Arrive("person:zhaolei", "r3", incident.id, "zhaolei"))
    await station.ask(AttendDrill("user:operator", "r4", incident.id, "sunwei"))
    await station.ask(TickStep("user:operator", "r5", incident.id, "calm"))
    return station.view().incidents[incident.id]


async def said(station: FakeStation, language: str = "zh", **more: Any) -> dict[str, Any]:
    incident = await drilled(station)
    records = [w.record for w in station.book.lines if w.record.subject == f"incident:{incident.id}"]
    return {
        **content(SITE, incident, records, [Shown("lift-1a/occupied", HISTORY + HOLE)], language, NOW + 60_000),
        **more,
    }


async def test_it_says_who_came_what_was_done_and_that_it_was_a_drill(station: FakeStation) -> None:
    page = await said(station)
    assert page["title"].startswith("【演练】")
    assert page["drill"]
    assert page["attendance"] == "应到 2 人，实到 2 人"
    assert any("签到" in row for row in page["people"])
    assert any("步骤完成" in line[2] for line in page["lines"])
    assert page["telemetry"][0]["gaps"] == "有缺口"
    assert said_in_english(page) == []


def said_in_english(page: dict[str, Any]) -> list[str]:
    return [text for text in page["words"].values() if not any("一" <= letter <= "鿿" for letter in text)]


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_it_is_one_page_however_much_happened(station: FakeStation, language: str) -> None:
    page = await said(station, language)
    long = {**page, "lines": page["lines"] * 12, "people": page["people"] * 5}
    assert paper.pdf(page)[:5] == b"%PDF-"
    assert paper.picture(long)[:4] == b"\x89PNG"  # of several pages there would be a list


async def test_nothing_of_it_is_taken_for_markup(station: FakeStation) -> None:
    words = '1#空调机组 #panic() $x$ *a* _b_ @c <d> \\ "e"'
    page = await said(station, title=words, lines=[["02:13:20", "0:00", words]])
    assert paper.pdf(page)[:5] == b"%PDF-"


async def test_a_missing_font_is_never_passed_over(station: FakeStation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper, "FAMILY", "No Such Font")
    with pytest.raises(paper.SettingError, match="unknown font family"):
        paper.pdf(await said(station))


async def test_it_comes_over_http(client: Client, station: FakeStation) -> None:
    incident = await drilled(station)
    url = f"/api/v1/incidents/{incident.id}/report.pdf"
    answer = await client("manager").get(url, params={"lang": "en"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/pdf"
    assert f"drill-{incident.id}-en.pdf" in answer.headers["content-disposition"]
    assert answer.content[:5] == b"%PDF-"
    assert (await client("manager").get("/api/v1/incidents/nothing/report.pdf")).status_code == 404
    assert (await client("engineer").get(url)).status_code == 403
