"""What Alibaba Cloud says later of text messages and calls: arrived, answered, or not after all."""

import json
from urllib.parse import parse_qs

import pytest

from facility.ports import PageRefusedError, Receipt
from response.pagers import aliyun
from response.pagers.exchange import Exchange
from tests.wire.scripted import NOON_MS, Noon, ok
from tests.wire.test_pagers import Provider, answer, page, serving

SMS, CALL = "OK: OK 900619746936498440^0", "OK: OK 116012354148^102281416"


async def fate(provider: Provider, said: str, *, voice: bool = False) -> Receipt | None:
    async with serving(provider) as port:
        url = f"http://127.0.0.1:{port}/"
        service = aliyun.voice("TTS_1", url=url) if voice else aliyun.sms("值班室", "SMS_1", url=url)
        pager = aliyun.AliyunPager(service, aliyun.Key("i", "s"), Noon(), Exchange(2))
        try:
            return await pager.follow("13900000001", said, NOON_MS)
        finally:
            await pager.close()


def detail(status: int, code: str) -> bytes:
    one = {"PhoneNum": "13900000001", "SendStatus": status, "ErrCode": code, "ReceiveDate": "2026-11-23 11:00:05"}
    return ok(Code="OK", Message="OK", TotalCount=1, SmsSendDetailDTOs={"SmsSendDetailDTO": [one]})


@pytest.mark.parametrize(
    ("said", "receipt"),
    [
        (
            detail(3, "DELIVERED"),
            Receipt("delivered", number="900619746936498440^0", said="DELIVERED 2026-11-23 11:00:05"),
        ),
        (detail(2, "MK:0008"), Receipt("failed", number="900619746936498440^0", said="MK:0008 2026-11-23 11:00:05")),
        (detail(1, ""), None),
        (ok(Code="OK", Message="OK", TotalCount=0, SmsSendDetailDTOs={}), None),
        (ok(Code="OK", Message="OK"), None),
    ],
)
async def test_a_text_message_arrives_or_fails_in_the_networks_words(said: bytes, receipt: Receipt | None) -> None:
    provider = Provider(said)
    assert await fate(provider, SMS) == receipt
    form = {name: value[0] for name, value in parse_qs(provider.heard[0][1].decode()).items()}
    assert (form["Action"], form["BizId"], form["SendDate"]) == ("QuerySendDetails", "900619746936498440^0", "20261122")


@pytest.mark.parametrize(
    ("data", "state", "said"),
    [
        (
            {"state": "200000", "stateDesc": "用户接听", "duration": 12},
            "delivered",
            "answered, 12 s; state 200000 用户接听",
        ),
        ({"state": "200002", "stateDesc": "用户占线", "duration": 0}, "failed", "not answered; state 200002 用户占线"),
        ({"state": "502", "stateDesc": "502", "duration": 0}, "failed", "not answered; state 502 502"),
    ],
)
async def test_a_call_was_answered_or_not(data: dict, state: str, said: str) -> None:
    provider = Provider(ok(Code="OK", Message="OK", Data=json.dumps(data)))
    assert await fate(provider, CALL, voice=True) == Receipt(state, number="116012354148^102281416", said=said)
    form = {name: value[0] for name, value in parse_qs(provider.heard[0][1].decode()).items()}
    assert (form["Action"], form["ProdId"]) == ("QueryCallDetailByCallId", "11000000300006")
    assert form["CallId"] == "116012354148^102281416"


@pytest.mark.parametrize("data", ["", None, "null", "{}", "no json", '{"state": "", "duration": 0}'])
async def test_while_a_call_goes_on_nobody_knows(data: str | None) -> None:
    assert await fate(Provider(ok(Code="OK", Message="OK", Data=data)), CALL, voice=True) is None


async def test_a_call_with_a_menu_asks_for_three_keys() -> None:
    provider = Provider(ok(Code="OK", Message="OK", CallId="116^1"))
    async with serving(provider) as port:
        service = aliyun.menu("TTS_1", "05710000", "TTS_2", url=f"http://127.0.0.1:{port}/")
        pager = aliyun.AliyunPager(service, aliyun.Key("i", "s"), Noon(), Exchange(2))
        assert await pager.page(page("13900000001")) == "OK: OK 116^1"
        await pager.close()
    form = {name: value[0] for name, value in parse_qs(provider.heard[0][1].decode()).items()}
    assert (form["Action"], form["StartCode"], form["CalledShowNumber"]) == ("IvrCall", "TTS_1", "05710000")
    assert [form[f"MenuKeyMap.{n}.Key"] for n in (1, 2, 3)] == ["1", "2", "3"]
    assert json.loads(form["StartTtsParams"])["incident"] == "261122-1"


async def test_a_page_without_a_number_of_the_providers_is_not_asked_for() -> None:
    provider = Provider()
    assert await fate(provider, "OK: OK") is None
    assert provider.heard == []


async def test_that_the_provider_does_not_say_is_a_sentence() -> None:
    no = answer(
        "400 Bad Request", '{"Code":"Throttling.User","Message":"Request was denied due to user flow control."}'
    )
    with pytest.raises(PageRefusedError, match=r"Throttling\.User"):
        await fate(Provider(no), SMS)
