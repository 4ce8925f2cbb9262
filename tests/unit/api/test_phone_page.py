"""The phone link, as a technician's thumb and a chat tool's previewer meet it. No JavaScript runs here."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import urlencode

import httpx
import pytest
from fakestation import NOW, SECRET, SITE, Client, FakeStation

from api.phone.page import build, state_of
from api.phone.saying import span
from api.phone.sentences import SENTENCES
from facility.commands import Accept, Arrive, Decline, Finish, OpenPage, TickStep, UseLink
from facility.plan import LifeClock
from facility.rule import Compare, Condition
from response.context import Context
from response.phone.token import phone_token

HOUR = 3_600_000


class Forms(HTMLParser):
    """Reads the forms of a page: action, hidden fields, and the words on the button."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: dict[str, tuple[str, dict[str, str]]] = {}
        self._action, self._fields, self._words, self._in = "", {}, "", False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        got = {k: v or "" for k, v in attrs}
        if tag == "form":
            assert got["method"] == "post"
            self._action, self._fields = got["action"], {}
        elif tag == "input":
            self._fields[got["name"]] = got["value"]
            assert got.get("type") != "file" or got["capture"] == "environment"
        elif tag == "button":
            self._in, self._words = True, ""

    def handle_data(self, data: str) -> None:
        if self._in:
            self._words += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "button":
            self._in = False
            self.forms[self._words.strip()] = (self._action, self._fields)


async def press(phone: httpx.AsyncClient, page: httpx.Response, button: str, **more: str) -> httpx.Response:
    action, fields = Forms(page.text).forms[button]
    answer = await phone.post(
        action,
        content=urlencode({**fields, **more}),
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    if answer.status_code == 303:
        return await phone.get(answer.headers["location"])
    return answer


def pressed(station: FakeStation) -> list:
    """What was asked by a button; that the page was opened, and by which device, is noted beside it."""
    return [c for c in station.asked if not isinstance(c, OpenPage | UseLink)]


@pytest.fixture
def link(station: FakeStation) -> str:
    station.raise_alarm()
    return "/p/" + phone_token(SECRET, next(iter(station.view().incidents)), "zhaolei")


async def test_opening_the_link_shows_what_is_needed_and_changes_nothing(
    client: Client, station: FakeStation, link: str
) -> None:
    before = list(station.book.lines)
    phone = client()
    page = await phone.get(link)
    assert page.status_code == 200
    for words in (
        "电梯困人",
        "12F",
        "到场剩",
        "15:00",
        "31104403",
        "A-0931",
        "K-31",
        "安达电梯",
        "不要强行扒门",
        "未登记",
    ):
        assert words in page.text
    assert {"tel:8001", "tel:8012", "tel:4008000001"} <= set(re.findall(r'href="(tel:[^"]*)"', page.text))
    assert set(Forms(page.text).forms) == {"确认接警 · 我去", "我去不了，转下一位", "上传照片"}
    assert page.text.index("不要强行扒门") < page.text.index("确认接警")
    assert "非认证安全功能" in page.text
    for _ in range(3):
        await phone.head(link)
        await phone.get(link, headers={"user-agent": "WeCom-LinkPreview/1.0"})
    assert station.asked == []
    assert station.book.lines == before
    # Only a browser's script says that somebody looks at it.
    assert (await phone.post(f"{link}/opened")).status_code == 204
    assert (await phone.post(f"{link}/opened", headers={"user-agent": "SafeLinks bot"})).status_code == 204
    assert [type(c) for c in station.asked] == [OpenPage]
    assert {w.record.kind for w in station.book.lines[len(before) :]} == {"page.opened"}
    metrics = (await phone.get("/metrics")).text
    assert "dutyroom_phone_opened_total 1" in metrics
    assert "dutyroom_phone_previews_total 6" in metrics


async def test_the_whole_way_without_javascript(client: Client, station: FakeStation, link: str) -> None:
    phone, incident = client(), next(iter(station.view().incidents))
    page = await press(phone, await phone.get(link), "确认接警 · 我去")
    assert "您已接警" in page.text
    assert "已记录" in page.text
    assert set(Forms(page.text).forms) == {"确认：我就在设备旁", "我去不了，转下一位", "上传照片", "请对方接手"}
    station.clock.at += 60_000
    page = await press(phone, page, "确认：我就在设备旁")
    assert set(Forms(page.text).forms) == {"处理完毕", "上传照片", "请对方接手"}
    await client("operator").post(f"/api/v1/incidents/{incident}/tick", json={"step": "calm", "request": "r"})
    page = await press(phone, await phone.get(link), "完成")
    assert set(Forms(page.text).forms) == {"处理完毕", "上传照片", "请对方接手"}
    page = await press(phone, page, "处理完毕", result="更换门机皮带")
    assert "您的处理已完毕" in page.text
    assert Forms(page.text).forms == {}
    asked = [c for c in pressed(station) if c.actor == "person:zhaolei"]
    assert [type(c) for c in asked] == [Accept, Arrive, TickStep, Finish]
    assert asked[3].result == "更换门机皮带"
    assert {w.record.actor for w in station.book.lines if w.record.kind == "responder.arrived"} == {"person:zhaolei"}


async def test_who_cannot_come_passes_it_on_and_may_change_his_mind(
    client: Client, station: FakeStation, link: str
) -> None:
    phone = client()
    page = await press(phone, await phone.get(link), "我去不了，转下一位")
    assert isinstance(pressed(station)[-1], Decline)
    assert "已转呼下一位" in page.text
    page = await press(phone, page, "我又能去了 · 确认接警")
    assert "您已接警" in page.text


async def test_the_same_press_twice_is_once(client: Client, station: FakeStation, link: str) -> None:
    phone = client()
    page = await phone.get(link)
    await press(phone, page, "确认接警 · 我去")
    again = await press(phone, page, "确认接警 · 我去")
    assert "您已接警" in again.text
    assert sum(w.record.kind == "page.acknowledged" for w in station.book.lines) == 1
    assert pressed(station)[0].request == pressed(station)[1].request


async def test_two_buttons_of_one_page_are_two_presses(client: Client, station: FakeStation, link: str) -> None:
    phone = client()
    page = await phone.get(link)
    await press(phone, page, "确认接警 · 我去")
    await press(phone, page, "我去不了，转下一位")
    assert pressed(station)[0].request != pressed(station)[1].request
    assert state_of(next(iter(station.view().incidents.values())), "zhaolei") == "declined"


async def test_who_left_with_the_people_still_inside_may_come_again(
    client: Client, station: FakeStation, link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = LifeClock(Condition("running", Compare.IS, 1), 7_200_000, "free", ())
    plan = replace(station.site.plans["lift-entrapment"], life_clock=clock)
    monkeypatch.setitem(station.site.plans, plan.id, plan)
    phone, incident = client(), next(iter(station.view().incidents))
    for what in (Accept, Arrive, Finish):
        await station.ask(what("person:zhaolei", what.__name__, incident, "zhaolei"))
    page = await press(phone, await phone.get(link), "确认接警 · 我去")
    assert "您已接警" in page.text
    assert state_of(next(iter(station.view().incidents.values())), "zhaolei") == "accepted"


async def test_who_is_only_told_is_asked_for_no_more_than_that(client: Client, station: FakeStation, link: str) -> None:
    phone, incident = client(), next(iter(station.view().incidents))
    page = await phone.get("/p/" + phone_token(SECRET, incident, "wangjing"))
    page = await press(phone, page, "已知悉")
    assert "您已知悉" in page.text
    # Escalation goes on: a manager who knows is not a technician who comes.
    assert next(iter(station.view().incidents.values())).accepted == {}


async def test_the_page_says_who_else_is_coming_without_their_numbers(
    client: Client, station: FakeStation, link: str
) -> None:
    phone, incident = client(), next(iter(station.view().incidents))
    await press(phone, await phone.get(link), "确认接警 · 我去")
    page = await phone.get("/p/" + phone_token(SECRET, incident, "wangjing"))
    assert "赵磊 电梯技工 在途 15:03" in page.text
    assert "13800000001" not in page.text


@pytest.mark.parametrize(
    ("headers", "query", "words"),
    [
        ({"accept-language": "en-GB,en;q=0.9"}, "", "I am going"),
        ({"accept-language": "zh-CN,zh;q=0.9,en;q=0.8"}, "", "确认接警"),
        ({"accept-language": "de"}, "", "确认接警"),
        ({}, "?lang=en", "I am going"),
        ({"accept-language": "en"}, "?lang=zh", "确认接警"),
    ],
)
async def test_it_speaks_the_readers_language(
    headers: dict[str, str], query: str, words: str, client: Client, link: str
) -> None:
    assert words in (await client().get(link + query, headers=headers)).text


async def test_four_hours_after_closing_the_link_is_over(client: Client, station: FakeStation, link: str) -> None:
    phone, incident = client(), next(iter(station.view().incidents))
    page = await phone.get(link)
    manager, n = client("manager"), iter(range(100))

    async def say(verb: str, **body: str) -> None:
        answer = await manager.post(f"/api/v1/incidents/{incident}/{verb}", json={**body, "request": f"r{next(n)}"})
        assert answer.status_code == 200

    await say("arrive", person="zhaolei")
    await say("tick", step="calm")
    await say("tick", step="free", person="zhaolei")
    station.clear_alarm()
    await say("close", cause="门机")
    assert station.view().incidents == {}
    open_still = await phone.get(link)
    assert open_still.status_code == 200
    assert "事件已关闭" in open_still.text
    assert Forms(open_still.text).forms == {}
    late = await press(phone, page, "确认接警 · 我去")
    assert late.status_code in {404, 409}
    assert "未能记录" in late.text
    station.clock.at = NOW + 4 * HOUR + 1
    assert (await phone.get(link)).status_code == 410
    assert "链接已失效" in (await phone.get(link)).text
    assert (await press(phone, page, "确认接警 · 我去")).status_code == 410


@pytest.mark.parametrize(
    "token",
    [
        "nothing",
        "a.b",
        "a" * 2000,
        "%00",
        phone_token(b"another secret", "261122-1", "zhaolei"),
        phone_token(SECRET, "261122-77", "zhaolei"),
    ],
)
async def test_a_link_that_is_not_ours_is_nothing_in_words(
    token: str, client: Client, station: FakeStation, link: str
) -> None:
    for answer in (await client().get(f"/p/{token}"), await client().post(f"/p/{token}/accept")):
        assert answer.status_code == 404
        assert "链接无效" in answer.text
    assert pressed(station) == []


async def test_one_persons_link_acts_for_nobody_else(client: Client, station: FakeStation, link: str) -> None:
    phone = client()
    page = await phone.get(link)
    await press(phone, page, "确认接警 · 我去", person="wangjing", actor="person:wangjing")
    assert pressed(station)[0].actor == "person:zhaolei"
    assert pressed(station)[0].person == "zhaolei"
    other = phone_token(SECRET, next(iter(station.view().incidents)), "chenjing")
    refused = await press(phone, await phone.get(f"/p/{other}"), "确认接警 · 我去")
    assert refused.status_code == 403
    assert "未能记录" in refused.text


async def test_guessing_at_links_and_hammering_one_are_slowed(client: Client, station: FakeStation, link: str) -> None:
    phone = client()
    assert [(await phone.get(f"/p/guess-{n}")).status_code for n in range(11)] == [404] * 10 + [429]
    assert (await phone.get(link)).status_code == 200  # whoever has a good link is not shut out with the guesser
    answers = [(await phone.get(link)).status_code for _ in range(45)]
    assert answers[0] == 200
    assert answers[-1] == 429
    station.clock.at += 10_000
    assert (await phone.get(link)).status_code == 200


@pytest.mark.parametrize(
    "body", ["", "request=", "request=%ff", "request=" + "r" * 81, "x" * 3000, "request=a&" + "b=1&" * 30]
)
async def test_a_broken_form_is_refused_in_words(body: str, client: Client, station: FakeStation, link: str) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await client().post(f"{link}/accept", content=body, headers=headers)
    assert answer.status_code == 422
    assert (await client().post(f"{link}/explode", content="request=1", headers=headers)).status_code == 404
    assert (await client().post(f"{link}/step", content="request=1", headers=headers)).status_code == 404
    assert pressed(station) == []


@pytest.mark.parametrize(
    ("origin", "status"), [("null", 303), ("http://127.0.0.1:8080", 303), ("http://evil.example", 403)]
)
async def test_in_app_browsers_may_press_and_foreign_pages_may_not(
    origin: str, status: int, client: Client, link: str
) -> None:
    phone = client()
    action, fields = Forms((await phone.get(link)).text).forms["确认接警 · 我去"]
    headers = {"content-type": "application/x-www-form-urlencoded", "origin": origin}
    assert (await phone.post(action, content=urlencode(fields), headers=headers)).status_code == status


async def test_names_from_the_site_are_words_and_never_markup(client: Client, link: str) -> None:
    page = (await client().get(link)).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


async def test_all_of_it_fits_into_fifty_kilobytes_and_stays_on_this_origin(client: Client, link: str) -> None:
    phone = client()
    page = await phone.get(link)
    parts = [page, *[await phone.get(url) for url in re.findall(r'(?:href|src)="(/phone/[^"]+)"', page.text)]]
    assert len(parts) == 3
    assert all(p.status_code == 200 for p in parts)
    assert sum(len(p.content) for p in parts) <= 50_000
    assert "immutable" in parts[1].headers["cache-control"]
    assert all("://" not in p.text for p in parts)
    assert 'style="' not in page.text
    assert re.search(r"min-height: 56px", parts[1].text)


async def test_the_demo_phone_lists_what_came_newest_first(client: Client, station: FakeStation, link: str) -> None:
    incident = next(iter(station.view().incidents))
    station.deliver("zhaolei", incident, link)
    station.deliver("wangjing", incident, link)
    phones = (await client().get("/api/v1/demo/phone")).json()
    assert [(m["name"], m["link"]) for m in phones] == [("王经理", link), ("赵磊", link)]
    assert len((await client().get("/api/v1/demo/phone?person=zhaolei")).json()) == 1
    assert "赵磊" in (await client().get("/demo")).text


async def test_overdue_is_said_and_counts_up(station: FakeStation, link: str) -> None:
    incident = next(iter(station.view().incidents.values()))
    page = build(Context(SITE, NOW + 900_000 + 131_000), incident, "zhaolei", "zh")
    assert page.clock is not None
    assert (page.clock.label, page.clock.now, page.clock.late) == ("到场已超时", "02:11", True)


def test_every_sentence_has_both_languages() -> None:
    assert all(text.zh and text.en for text in SENTENCES.values())


def test_spans_read_like_a_clock() -> None:
    assert [span(ms) for ms in (0, 792_999, 3_600_000, -61_000)] == ["00:00", "13:12", "1:00:00", "01:01"]
