"""Chat robots, text messages and voice calls against providers that say no under a 200, hang, or take the page."""

import json
from dataclasses import replace
from urllib.parse import parse_qs

import pytest

from facility.ports import Message, PageRefusedError
from response.pagers import aliyun
from response.pagers.allowance import Allowance, Limit
from response.pagers.exchange import Exchange
from response.pagers.robots import Robot, RobotPager
from tests.wire.test_pagers import Provider, answer, page, serving

NOON_MS = 1_795_320_000_000


class Noon:
    """A clock that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.at = NOON_MS

    def now(self) -> int:
        return self.at

    async def until(self, at_ms: int) -> None:
        raise NotImplementedError


async def told(kind: str, provider: Provider, address: str = "duty@13900000001", secret: str = "") -> str:
    async with serving(provider) as port:
        robot = Robot.of(f"http://127.0.0.1:{port}/robot?access_token=t {secret}")
        pager = RobotPager(kind, {"duty": robot}, Noon(), Exchange(2))
        try:
            return await pager.page(page(address))
        finally:
            await pager.close()


async def not_taken(kind: str, *answers: bytes, address: str = "duty") -> str:
    with pytest.raises(PageRefusedError) as refusal:
        await told(kind, Provider(*answers), address)
    return str(refusal.value)


def said(provider: Provider) -> dict:
    return json.loads(provider.heard[0][1])


# -- what is sent -------------------------------------------------------------------------------------------


async def test_dingtalk_is_told_whom_to_ring() -> None:
    provider = Provider(answer("200 OK", '{"errcode":0,"errmsg":"ok"}'))
    assert await told("dingtalk", provider) == "errcode 0: ok"
    assert said(provider)["at"] == {"atMobiles": ["13900000001"], "isAtAll": False}
    text = said(provider)["text"]["content"]
    assert text == "电梯困人 261122-1\n第一行\nsecond line\nhttp://h/p/t\n@13900000001"


async def test_dingtalk_gets_time_and_signature_where_the_robot_has_a_secret() -> None:
    provider = Provider(answer("200 OK", '{"errcode":0,"errmsg":"ok"}'))
    asked = {}
    heard = provider.__call__

    async def listen(reader, writer) -> None:
        line = await reader.readline()
        asked.update(parse_qs(line.decode().split()[1].partition("?")[2]))
        await heard(reader, writer)

    async with serving(listen) as port:
        robot = Robot.of(f"http://127.0.0.1:{port}/robot/send?access_token=t SEC000")
        pager = RobotPager("dingtalk", {"duty": robot}, Noon(), Exchange(2))
        await pager.page(page("duty"))
        await pager.close()
    assert asked["access_token"] == ["t"]
    assert asked["timestamp"] == [str(NOON_MS)]
    # HMAC-SHA256 of "1795320000000\nSEC000" under "SEC000", as openssl computes it.
    assert asked["sign"] == ["zhRMMofebgpbRJpCNfAVGb9UZ64u4iVbhp6La+Q0V24="]


async def test_wecom_is_told_whom_to_ring() -> None:
    provider = Provider(answer("200 OK", '{"errcode":0,"errmsg":"ok"}'))
    await told("wecom", provider)
    assert said(provider)["text"]["mentioned_mobile_list"] == ["13900000001"]


async def test_feishu_is_signed_in_its_body() -> None:
    provider = Provider(answer("200 OK", '{"code":0,"msg":"success","data":{}}'))
    assert await told("feishu", provider, secret="SEC000") == "code 0: success"
    assert said(provider)["timestamp"] == str(NOON_MS // 1000)
    assert said(provider)["sign"]
    assert said(provider)["content"]["text"].endswith("http://h/p/t")


async def test_an_old_feishu_robot_answers_with_another_name() -> None:
    assert "0" in await told("feishu", Provider(answer("200 OK", '{"StatusCode":0,"StatusMessage":"success"}')))


# -- a no under a 200 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        ("dingtalk", '{"errcode":310000,"errmsg":"sign not match"}', "errcode 310000: sign not match"),
        ("dingtalk", '{"errcode":130101,"errmsg":"send too fast"}', "errcode 130101: send too fast"),
        ("wecom", '{"errcode":93000,"errmsg":"invalid webhook url"}', "errcode 93000: invalid webhook url"),
        ("feishu", '{"code":9499,"msg":"Bad Request","data":{}}', "code 9499: Bad Request"),
        ("feishu", '{"code":19021,"msg":"sign match fail"}', "code 19021: sign match fail"),
        ("wecom", "<html>gateway</html>", "an answer without a code: <html>gateway</html>"),
        ("dingtalk", "{}", "an answer without a code: {}"),
    ],
)
async def test_only_the_code_says_that_it_was_taken(kind: str, body: str, words: str) -> None:
    assert await not_taken(kind, answer("200 OK", body)) == words


async def test_too_many_requests_is_a_refusal_in_the_providers_words() -> None:
    assert await not_taken("wecom", answer("429 Too Many Requests")) == "429 Too Many Requests"


async def test_a_robot_that_secrets_do_not_name_is_said() -> None:
    assert await not_taken("dingtalk", address="lobby@1") == "secrets.toml has no dingtalk_lobby"


async def test_a_robot_is_not_asked_beyond_its_limit_and_a_life_has_room() -> None:
    provider = Provider(*[answer("200 OK", '{"errcode":0,"errmsg":"ok"}')] * 21)
    async with serving(provider) as port:
        clock = Noon()
        pager = RobotPager("wecom", {"duty": Robot(f"http://127.0.0.1:{port}/")}, clock, Exchange(2))
        warm = replace(page("duty"), priority=3)
        for _ in range(15):
            await pager.page(warm)
        with pytest.raises(PageRefusedError, match="15 pages in 60 s are its limit; again in 60 s"):
            await pager.page(warm)
        for _ in range(5):
            await pager.page(page("duty"))
        with pytest.raises(PageRefusedError, match="20 pages in 60 s"):
            await pager.page(page("duty"))
        clock.at += 60_001
        await pager.page(warm)
        await pager.close()
    assert len(provider.heard) == 21


def test_every_limit_holds_and_numbers_do_not_share_them() -> None:
    allowed = Allowance((Limit(1, 60_000), Limit(5, 3_600_000)))
    life: Message = page()
    at = 0
    for _ in range(5):
        allowed.take("1", life, at)
        at += 60_001
    with pytest.raises(PageRefusedError, match="5 pages in 3600 s"):
        allowed.take("1", life, at)
    allowed.take("2", life, at)
    allowed.take("1", life, 3_600_000)


# -- text messages and calls --------------------------------------------------------------------------------

KEY = aliyun.Key("testid", "testsecret")


def test_the_signature_is_the_manuals() -> None:
    # The worked example of the provider's manual of its RPC style (DescribeRegions).
    form = {
        "Timestamp": "2016-02-23T12:46:24Z",
        "Format": "XML",
        "AccessKeyId": "testid",
        "Action": "DescribeRegions",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureNonce": "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf",
        "Version": "2014-05-26",
        "SignatureVersion": "1.0",
    }
    assert aliyun.signature("GET", form, "testsecret") == "OLeaidS1JvxuMvnyHOwuJ+uX5qY="


async def called(provider: Provider, *, voice: bool = False, times: int = 1) -> str:
    async with serving(provider) as port:
        url = f"http://127.0.0.1:{port}/"
        service = aliyun.voice("TTS_1", url=url) if voice else aliyun.sms("值班室", "SMS_1", url=url)
        pager = aliyun.AliyunPager(service, KEY, Noon(), Exchange(2))
        try:
            for _ in range(times - 1):
                await pager.page(page("13900000001"))
            return await pager.page(page("13900000001"))
        finally:
            await pager.close()


async def test_a_text_message_fills_the_template_without_a_link() -> None:
    provider = Provider(answer("200 OK", '{"Code":"OK","Message":"OK","BizId":"9^1"}'))
    assert await called(provider) == "OK: OK 9^1"
    form = {name: value[0] for name, value in parse_qs(provider.heard[0][1].decode()).items()}
    assert form["Action"] == "SendSms"
    assert form["PhoneNumbers"] == "13900000001"
    assert form["SignName"] == "值班室"
    assert json.loads(form["TemplateParam"]) == {"title": "电梯困人", "incident": "261122-1", "text": "第一行"}
    assert form["Signature"]


async def test_a_call_is_asked_for_with_its_template() -> None:
    provider = Provider(answer("200 OK", '{"Code":"OK","Message":"OK","CallId":"116^1"}'))
    assert await called(provider, voice=True) == "OK: OK 116^1"
    form = parse_qs(provider.heard[0][1].decode())
    assert form["TtsCode"] == ["TTS_1"]
    assert form["CalledNumber"] == ["13900000001"]
    assert form["PlayTimes"] == ["3"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            answer("200 OK", '{"Code":"isv.BUSINESS_LIMIT_CONTROL","Message":"触发流控"}'),
            "isv.BUSINESS_LIMIT_CONTROL: 触发流控",
        ),
        (
            answer("400 Bad Request", '{"Code":"SignatureDoesNotMatch","Message":"sign"}'),
            "SignatureDoesNotMatch: sign",
        ),
        (answer("503 Service Unavailable", "busy"), "503 Service Unavailable: busy"),
    ],
)
async def test_what_the_cloud_refuses_is_refused_in_its_words(given: bytes, words: str) -> None:
    with pytest.raises(PageRefusedError) as refusal:
        await called(Provider(given))
    assert str(refusal.value) == words


async def test_a_number_is_not_called_twice_in_a_minute() -> None:
    provider = Provider(answer("200 OK", '{"Code":"OK","Message":"OK","CallId":"1"}'))
    with pytest.raises(PageRefusedError, match="1 pages in 60 s are its limit"):
        await called(provider, voice=True, times=2)
    assert len(provider.heard) == 1


def test_what_a_template_does_not_take_is_left_out() -> None:
    message = replace(page(), text="【一级】1 号楼\t电梯 [A] " + "很" * 60 + "\nEnglish")
    assert aliyun.variables(message)["text"].startswith("一级 1 号楼 电梯 A 很")
    assert len(aliyun.variables(message)["text"]) == 35
