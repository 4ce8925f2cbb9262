"""The phone link beyond its presses: whose it is, labels on machines, photos, and work that passes on."""

import io
import json
import re
import struct
import zlib
from dataclasses import replace
from hashlib import sha256
from urllib.parse import urlencode

import httpx
import pytest
from fakestation import NOW, SECRET, Client, FakeStation
from test_phone_page import Forms, press

from api.phone.pocket import app_of
from facility.plan import Answer, Branch, Step
from facility.text import Text
from response.phone import label
from response.phone.token import phone_token
from stores.files import FileRefusedError
from stores.photo import cleaned

FORM = {"content-type": "application/x-www-form-urlencoded"}
PLACE = b"N 39 54 20, E 116 23 29"


@pytest.fixture
def incident(station: FakeStation) -> str:
    station.raise_alarm()
    return next(iter(station.view().incidents))


@pytest.fixture
def link(incident: str) -> str:
    return "/p/" + phone_token(SECRET, incident, "zhaolei")


def told(station: FakeStation, kind: str) -> list:
    return [w.record.data for w in station.book.lines if w.record.kind == kind]


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def picture(turned: int = 6) -> bytes:
    """A JPEG by its markers: a place and a phone in Exif, a comment, a second picture behind the first."""
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, turned, 0, 0) + PLACE
    scan = segment(0xDA, b"\x01\x01\0\0\x3f\0") + b"\x12\xff\0\x34\xff\xd0\x56"
    tables = segment(0xDB, bytes(65)) + segment(0xC0, b"\x08\0\x01\0\x01\x01\x01\x11\0") + segment(0xC4, bytes(20))
    said = segment(0xE1, b"Exif\0\0" + tiff) + segment(0xFE, PLACE) + segment(0xE2, b"MPF\0" + PLACE)
    return b"\xff\xd8" + segment(0xE0, b"JFIF\0" + bytes(9)) + said + tables + scan + b"\xff\xd9" + PLACE


def drawn() -> bytes:
    """A PNG of one point, with a text beside it."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)) + chunk(b"tEXt", b"Location\0" + PLACE)
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


async def send_photo(phone: httpx.AsyncClient, link: str, data: bytes, request: str = "p1") -> httpx.Response:
    files = {"photo": ("IMG_1.jpg", io.BytesIO(data), "image/jpeg")}
    return await phone.post(f"{link}/photo", data={"request": request}, files=files)


# -- the label on the machine --------------------------------------------------------------------------------


async def test_a_link_alone_is_never_an_arrival(client: Client, station: FakeStation, link: str) -> None:
    phone = client()
    await phone.post(f"{link}/accept", content="request=1", headers=FORM)
    answer = await phone.post(f"{link}/arrived", content="request=2", headers=FORM)
    assert answer.status_code == 422
    assert told(station, "responder.arrived") == []
    page = await press(phone, await phone.get(link), "确认：我就在设备旁")
    assert "您已到场" in page.text
    assert told(station, "responder.arrived")[0].via == "hand"


async def test_who_reads_the_machines_label_has_arrived_by_it(client: Client, station: FakeStation, link: str) -> None:
    phone = client()
    page = await phone.get(f"/e/lift-1a/{label.signature(SECRET, 'lift-1a')}")
    assert "A-0931" in page.text
    assert Forms(page.text).forms == {}  # this browser has not acted by any link
    await press(phone, await phone.get(link), "确认接警 · 我去")
    before = list(station.book.lines)
    page = await phone.get(f"/e/lift-1a/{label.signature(SECRET, 'lift-1a')}")
    assert station.book.lines == before  # reading it records nothing
    page = await press(phone, page, "已到场")
    assert "您已到场" in page.text
    assert told(station, "responder.arrived")[0].via == "qr"


async def test_the_letters_of_a_label_do_the_same_in_another_browser(
    client: Client, station: FakeStation, link: str
) -> None:
    phone = client()
    page = await press(phone, await phone.get(link), "确认接警 · 我去")
    wrong = await press(phone, page, "确认：我就在设备旁", code=label.code(SECRET, "t1"))
    assert wrong.status_code == 422
    assert "不是此事件设备的标签码" in wrong.text
    assert told(station, "responder.arrived") == []
    letters = label.code(SECRET, "lift-1a").lower()
    await press(phone, page, "确认：我就在设备旁", code=f" {letters[:3]}-{letters[3:]} ")
    assert told(station, "responder.arrived")[0].via == "qr"


async def test_a_passer_by_reads_no_more_than_whom_to_call(client: Client, station: FakeStation, link: str) -> None:
    page = await client().get(f"/e/lift-1a/{label.signature(SECRET, 'lift-1a')}")
    assert page.status_code == 200
    assert "tel:4008000001" in page.text
    assert not any(word in page.text for word in ("K-31", "8012", "8001", "13800000001", "摄像机"))
    for bad in (f"/e/t1/{label.signature(SECRET, 'lift-1a')}", "/e/nothing/x", "/e/lift-1a/%00"):
        assert (await client().get(bad)).status_code == 404


async def test_another_machines_label_is_no_arrival(client: Client, station: FakeStation, link: str) -> None:
    phone = client()
    await press(phone, await phone.get(link), "确认接警 · 我去")
    page = await phone.get(f"/e/t1/{label.signature(SECRET, 't1')}")
    assert page.status_code == 200
    assert Forms(page.text).forms == {}


async def test_the_sheet_has_a_label_for_every_machine(client: Client, station: FakeStation) -> None:
    page = await client("operator").get("/api/v1/labels")
    assert page.text.count("<svg") == len(station.site.equipment)
    assert label.code(SECRET, "lift-1a") in page.text
    assert "手机打不开" in page.text  # its address is this machine's own
    assert 'style="' not in page.text


# -- whose link it is ----------------------------------------------------------------------------------------


async def test_a_link_that_was_passed_on_still_works_and_is_shown(
    client: Client, station: FakeStation, incident: str, link: str
) -> None:
    mine, theirs = client(), client(headers={"user-agent": "Mozilla/5.0 MicroMessenger/8.0"})
    page = await mine.get(link)
    await press(mine, page, "确认接警 · 我去")
    await press(mine, await mine.get(link), "确认：我就在设备旁")
    assert [(d.nth, d.app) for d in told(station, "link.used")] == [(1, "browser")]
    await press(theirs, await theirs.get(link), "处理完毕", result="好了")
    assert [(d.nth, d.app) for d in told(station, "link.used")] == [(1, "browser"), (2, "wechat")]
    assert told(station, "responder.finished")
    shown = (await client("operator").get(f"/api/v1/incidents/{incident}")).json()
    assert [p["devices"] for p in shown["people"] if p["id"] == "zhaolei"] == [2]


async def test_a_browser_without_cookies_fills_no_book(client: Client, station: FakeStation, link: str) -> None:
    for n in range(12):
        phone = client()
        await phone.post(f"{link}/accept", content=f"request={n}", headers=FORM)
    assert len(told(station, "link.used")) == 8


async def test_a_revoked_link_says_so_and_its_owner_gets_a_new_one(
    client: Client, station: FakeStation, incident: str, link: str
) -> None:
    phone = client()
    page = await phone.get(link)
    before = len(told(station, "page.requested"))
    answer = await client("operator").post(
        f"/api/v1/incidents/{incident}/revoke-links", json={"person": "zhaolei", "request": "r1"}
    )
    assert answer.status_code == 200
    assert told(station, "link.revoked")[0].generation == 1
    sent = told(station, "page.requested")[before:]
    assert [p.person for p in sent] == ["zhaolei"]
    assert "新链接" in sent[0].text
    assert (await phone.get(link)).status_code == 410
    assert "链接已作废" in (await press(phone, page, "确认接警 · 我去")).text
    assert told(station, "page.acknowledged") == []
    new = "/p/" + phone_token(SECRET, incident, "zhaolei", 1)
    assert "您已接警" in (await press(phone, await phone.get(new), "确认接警 · 我去")).text


async def test_the_phones_cookies_are_kept_from_scripts_and_other_sites(client: Client, link: str) -> None:
    phone = client()
    assert "set-cookie" not in (await phone.get(link)).headers
    answer = await phone.post(f"{link}/accept", content="request=1", headers=FORM)
    cookies = answer.headers.get_list("set-cookie")
    assert len(cookies) == 2
    assert all("HttpOnly" in c and "SameSite=lax" in c for c in cookies)


@pytest.mark.parametrize(
    ("agent", "named"),
    [
        ("Mozilla/5.0 (Linux; Android 13) AppleWebKit/537.36 Chrome/116 MMWEBID/1 MicroMessenger/8.0.47", "wechat"),
        ("Mozilla/5.0 (iPhone) AppleWebKit/605 Mobile wxwork/4.1.16 MicroMessenger/7.0.1", "wecom"),
        ("Mozilla/5.0 (iPhone) AppleWebKit/605 Mobile AliApp(DingTalk/7.5.5) com.laiwang.DingTalk", "dingtalk"),
        ("Mozilla/5.0 (Linux; Android 12) Chrome/114 Lark/7.1 LarkLocale/zh_CN", "feishu"),
        ("Mozilla/5.0 (iPhone) Version/17.0 Mobile Safari/604.1", "browser"),
    ],
)
async def test_in_app_browsers_are_people_and_never_previews(agent: str, named: str, client: Client, link: str) -> None:
    phone = client(headers={"user-agent": agent})
    assert app_of(agent) == named
    page = await phone.get(link)
    assert "serviceWorker" not in (await phone.get(re.findall(r'src="(/phone/[^"]+js[^"]*)"', page.text)[0])).text
    assert (await phone.post(f"{link}/opened")).status_code == 204
    assert "phone_opened_total 1" in (await phone.get("/metrics")).text


# -- photos --------------------------------------------------------------------------------------------------


async def test_a_photo_is_kept_without_its_place_and_shown_at_the_desk(
    client: Client, station: FakeStation, incident: str, link: str
) -> None:
    answer = await send_photo(client(), link, picture())
    assert answer.status_code == 303
    (added,) = told(station, "photo.added")
    kept = station.files.get(added.photo)
    assert PLACE not in kept
    assert b"Exif\0\0MM" in kept  # which way up, and no more
    desk = client("operator")
    shown = (await desk.get(f"/api/v1/incidents/{incident}")).json()["photos"]
    assert [(p["photo"], p["name"], p["erased"]) for p in shown] == [(added.photo, "赵磊", False)]
    given = await desk.get(f"/api/v1/incidents/{incident}/photos/{added.photo}")
    assert (given.headers["content-type"], given.content) == ("image/jpeg", kept)
    assert PLACE.decode() not in json.dumps([str(w.record) for w in station.book.lines])
    again = await send_photo(client(), link, picture())
    assert again.status_code == 303
    assert len(told(station, "photo.added")) == 1


async def test_a_photo_is_erased_for_good_and_the_book_says_why(
    client: Client, station: FakeStation, incident: str, link: str
) -> None:
    await send_photo(client(), link, drawn())
    (added,) = told(station, "photo.added")
    manager = client("manager")
    address = f"/api/v1/incidents/{incident}/photos/{added.photo}"
    answer = await manager.post(f"{address}/erase", json={"reason": "拍到住户", "request": "e1"})
    assert answer.status_code == 200
    assert not station.files.has(added.photo)
    assert told(station, "photo.erased")[0].reason == "拍到住户"
    assert (await manager.get(address)).status_code == 404
    assert (await manager.get(f"/api/v1/incidents/{incident}")).json()["photos"][0]["erased"]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"%PDF-1.7 no photo", 415),
        (b"<script>alert(1)</script>", 415),
        (b"\xff\xd8\xff\xe0\0\x10broken", 415),
        (b"", 422),
        (b"\xff\xd8\xff" + bytes(10 * 1024 * 1024), 413),
    ],
)
async def test_what_is_no_photo_is_refused_in_words(
    data: bytes, status: int, client: Client, station: FakeStation, link: str
) -> None:
    answer = await send_photo(client(), link, data)
    assert answer.status_code == status
    assert "未能记录" in answer.text
    assert told(station, "photo.added") == []


async def test_nothing_is_read_for_a_link_that_is_not_good(client: Client, station: FakeStation, link: str) -> None:
    read: list[int] = []

    async def body():
        read.append(1)
        yield b"x" * 1000

    answer = await client().post("/p/nothing/photo", content=body(), headers={"content-type": "multipart/form-data"})
    assert answer.status_code == 404
    assert (await client().post("/api/v1/login", content=b"x" * (1 << 21))).status_code == 413


async def test_somebody_who_was_not_called_leaves_no_photo_behind(
    client: Client, station: FakeStation, incident: str
) -> None:
    other = "/p/" + phone_token(SECRET, incident, "sunwei")
    assert (await send_photo(client(), other, picture(3))).status_code == 403
    assert told(station, "photo.added") == []
    assert not station.files.has(sha256(cleaned(picture(3))).hexdigest())


def test_only_the_picture_stays() -> None:
    for data in (picture(), picture(1), drawn()):
        assert PLACE in data
        assert PLACE not in cleaned(data)
        assert cleaned(cleaned(data)) == cleaned(data)
    assert cleaned(picture(1)).count(b"Exif") == 0
    for end in range(1, len(picture()) - len(PLACE) - 1, 7):
        with pytest.raises(FileRefusedError):
            cleaned(picture()[:end])


# -- work passes on ------------------------------------------------------------------------------------------


async def test_work_is_handed_to_somebody_by_name_and_stays_mine_until_they_accept(
    client: Client, station: FakeStation, incident: str, link: str
) -> None:
    phone, other = client(), client()
    page = await press(phone, await phone.get(link), "确认接警 · 我去")
    page = await press(phone, page, "请对方接手", to="lift-co")
    assert "仍由您负责" in page.text
    assert "安达电梯" in page.text
    assert told(station, "page.requested")[-1].person == "lift-co"
    assert set(station.view().incidents[incident].accepted) == {"zhaolei"}
    theirs = await other.get("/p/" + phone_token(SECRET, incident, "lift-co"))
    assert "赵磊" in theirs.text
    assert "请您接手" in theirs.text
    await press(other, theirs, "确认接警 · 我去")
    assert told(station, "work.taken")[0].of == "zhaolei"
    assert set(station.view().incidents[incident].accepted) == {"lift-co"}
    assert "已有人接手" in (await phone.get(link)).text


async def test_who_is_asked_may_say_no_and_who_asks_may_take_it_back(
    client: Client, station: FakeStation, incident: str, link: str
) -> None:
    phone, other = client(), client()
    page = await press(phone, await phone.get(link), "确认接警 · 我去")
    page = await press(phone, page, "请对方接手", to="lift-co")
    page = await press(phone, page, "不移交了")
    assert "请对方接手" in page.text
    page = await press(phone, page, "请对方接手", to="lift-co")
    token = phone_token(SECRET, incident, "lift-co")
    await press(other, await other.get(f"/p/{token}"), "我去不了，转下一位")
    assert set(station.view().incidents[incident].accepted) == {"zhaolei"}
    assert "请对方接手" in (await phone.get(link)).text
    refused = await press(phone, page, "不移交了")
    assert refused.status_code == 200  # nothing was left to take back
    strangers = await phone.post(f"{link}/over", content="request=9&to=wangjing", headers=FORM)
    assert strangers.status_code == 403


async def test_who_accepts_may_say_when_they_will_be_there(client: Client, station: FakeStation, link: str) -> None:
    phone, incident = client(), next(iter(station.view().incidents))
    await press(phone, await phone.get(link), "确认接警 · 我去", eta="15")
    page = await phone.get("/p/" + phone_token(SECRET, incident, "wangjing"))
    assert "赵磊 电梯技工 在途 15:03（约 15:18）" in page.text


async def test_who_was_only_told_reads_what_they_may_do(client: Client, station: FakeStation, incident: str) -> None:
    page = await client().get("/p/" + phone_token(SECRET, incident, "wangjing"))
    assert "不要动设备" in page.text
    assert "步骤" in page.text
    assert "完成" in Forms(page.text).forms  # the report upward is the manager's own step


# -- a phone without signal ----------------------------------------------------------------------------------


async def test_a_press_that_was_kept_on_the_phone_brings_its_own_time(
    client: Client, station: FakeStation, link: str
) -> None:
    phone = client()
    station.clock.at = NOW + 600_000
    body = urlencode({"request": "1", "pressed": NOW + 60_000})
    assert (await phone.post(f"{link}/accept", content=body, headers=FORM)).status_code == 303
    assert [(d.what, d.pressed_ms) for d in told(station, "press.late")] == [("Accept", NOW + 60_000)]
    for wrong in (NOW - 1, NOW + 600_000, "never"):  # before the incident, just now, nonsense
        await phone.post(f"{link}/cannot", content=f"request={wrong}&pressed={wrong}", headers=FORM)
    assert len(told(station, "press.late")) == 1


# -- steps that ask, and steps that are locked ---------------------------------------------------------------


async def test_a_question_is_answered_by_pressing_an_answer(
    client: Client, station: FakeStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks = Step(
        "seen", "lift-technician", Text("看平层", "look"), asks=Text("平层了吗？", "Level?"),
        answers=(Answer("yes", Text("平了", "yes")), Answer("no", Text("没平", "no"))),
    )  # fmt: skip
    hauls = Step("haul", "lift-technician", Text("盘车", "haul"), when=(Branch("seen", ("no",)),))
    locked = Step("cut", "lift-technician", Text("断电", "cut"), certificates=("lift-technician",), crew=2)
    plan = replace(station.site.plans["lift-entrapment"], version="v2", steps=(asks, hauls, locked))
    monkeypatch.setattr(station, "site", replace(station.site, plans={plan.id: plan}))
    station.raise_alarm()
    phone, incident = client(), next(iter(station.view().incidents))
    link = "/p/" + phone_token(SECRET, incident, "zhaolei")
    page = await press(phone, await phone.get(link), "确认接警 · 我去")
    page = await press(phone, page, "确认：我就在设备旁")
    assert "平层了吗？" in page.text
    assert {"平了", "没平"} <= set(Forms(page.text).forms)
    assert "完成" not in Forms(page.text).forms  # two certified people must be there, and the page says so
    assert "须有 2 名持有效证件" in page.text
    assert "盘车" in page.text
    page = await press(phone, page, "平了")
    assert told(station, "step.done")[0].answer == "yes"
    assert "盘车" not in page.text
    assert "平了" in page.text


async def test_a_link_that_lay_for_a_day_opens_nothing_and_says_what_to_do(
    client: Client, station: FakeStation, link: str
) -> None:
    phone = client()
    station.clock.at += 24 * 3_600_000 + 60_000
    before = len(station.book.lines)
    for language, words in (("zh", "最新一条消息"), ("en", "newest message")):
        answer = await phone.get(f"{link}?lang={language}")
        assert (answer.status_code, words in answer.text) == (410, True)
    assert (await phone.post(f"{link}/accept", data={"request": "late"})).status_code == 410
    assert len(station.book.lines) == before


async def test_who_answers_keeps_the_link_for_another_day(client: Client, station: FakeStation, link: str) -> None:
    phone = client()
    station.clock.at += 20 * 3_600_000
    await press(phone, await phone.get(link), "确认接警 · 我去")
    station.clock.at += 20 * 3_600_000
    assert (await phone.get(link)).status_code == 200
