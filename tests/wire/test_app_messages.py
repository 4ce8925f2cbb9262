"""Messages of apps to one person, against providers that say no under a 200, forget tokens, hang, or lose answers."""

import json
from dataclasses import replace

import pytest

from facility.ports import Message, PageRefusedError, Receipt
from response.pagers.apps import App
from response.pagers.dingtalk_app import DingtalkAppPager
from response.pagers.exchange import Exchange
from response.pagers.feishu_app import FeishuAppPager
from response.pagers.wecom_app import WecomAppPager
from tests.wire.scripted import HANG, LOST, Noon, Scripted, ok
from tests.wire.test_pagers import answer, page, serving

APP = App("id", "secret", "7")
D_TOKEN, D_SEND, D_FATE = (
    "/v1.0/oauth2/accessToken",
    "/topapi/message/corpconversation/asyncsend_v2",
    "/topapi/message/corpconversation/getsendresult",
)
CARD, DELIVER = "/v1.0/card/instances", "/v1.0/card/instances/deliver"
W_TOKEN, W_SEND = "/cgi-bin/gettoken", "/cgi-bin/message/send"
F_TOKEN, F_SEND = "/open-apis/auth/v3/tenant_access_token/internal", "/open-apis/im/v1/messages"
F_BUZZ = "/open-apis/im/v1/messages/om_1/urgent_app"
TOKENS = {
    D_TOKEN: [ok(accessToken="t1", expireIn=7200), ok(accessToken="t2", expireIn=7200)],
    W_TOKEN: [
        ok(errcode=0, errmsg="ok", access_token="t1", expires_in=7200),
        ok(errcode=0, errmsg="ok", access_token="t2", expires_in=7200),
    ],
    F_TOKEN: [
        ok(code=0, msg="ok", tenant_access_token="t1", expire=7200),
        ok(code=0, msg="ok", tenant_access_token="t2", expire=7200),
    ],
}
SEND = {"dingtalk": D_SEND, "wecom": W_SEND, "feishu": F_SEND}
TAKEN = {
    "dingtalk": ok(errcode=0, errmsg="ok", task_id=256271667526),
    "wecom": ok(errcode=0, errmsg="ok", msgid="m-1"),
    "feishu": ok(code=0, msg="success", data={"message_id": "om_1"}),
}
KINDS = list(SEND)


def pager(kind: str, port: int, clock: Noon | None = None, template: str = "", timeout_s: float = 2):
    url, clock, exchange = f"http://127.0.0.1:{port}", clock or Noon(), Exchange(timeout_s)
    if kind == "dingtalk":
        return DingtalkAppPager(APP, clock, template, exchange, url, url)
    return (WecomAppPager if kind == "wecom" else FeishuAppPager)(APP, clock, exchange, url)


def provider(kind: str, *answers: bytes, **more: list[bytes]) -> Scripted:
    scripts = {path: list(script) for path, script in TOKENS.items()}
    scripts |= {SEND[kind]: list(answers), F_BUZZ: [ok(code=0, msg="ok", data={"invalid_user_id_list": []})]}
    return Scripted(scripts | more)


async def told(kind: str, script: Scripted, *pages: Message, clock: Noon | None = None, timeout_s: float = 2) -> str:
    async with serving(script) as port:
        mine = pager(kind, port, clock, timeout_s=timeout_s)
        try:
            return [await mine.page(p) for p in pages or (page("zhao"),)][-1]
        finally:
            await mine.close()


async def refused(kind: str, script: Scripted, **how) -> str:
    with pytest.raises(PageRefusedError) as refusal:
        await told(kind, script, **how)
    return str(refusal.value)


# -- what is sent -------------------------------------------------------------------------------------------


async def test_dingtalk_notifies_one_employee_with_words_and_link() -> None:
    script = provider("dingtalk", TAKEN["dingtalk"])
    assert await told("dingtalk", script) == "errcode 0: ok task 256271667526"
    (asked,) = script.of(D_SEND)
    assert asked.query == "access_token=t1"
    assert (asked.body["agent_id"], asked.body["userid_list"]) == (7, "zhao")
    card = asked.body["msg"]["action_card"]
    assert card["single_url"] == "http://h/p/t"
    assert all(words in card["markdown"] for words in ("电梯困人 261122-1 #kkkkkk", "第一行", "http://h/p/t"))


async def test_what_dingtalk_sends_fits_into_its_bytes_and_keeps_the_link() -> None:
    script = provider("dingtalk", TAKEN["dingtalk"])
    await told("dingtalk", script, replace(page("zhao"), text="很长" * 2000))
    said = script.of(D_SEND)[0].body["msg"]
    assert len(json.dumps(said, ensure_ascii=False).encode()) <= 2048
    assert said["action_card"]["markdown"].endswith("http://h/p/t")


async def test_wecom_sends_words_with_the_link_and_drops_doubles_itself() -> None:
    script = provider("wecom", TAKEN["wecom"])
    assert await told("wecom", script) == "errcode 0: ok m-1"
    (asked,) = script.of(W_SEND)
    assert (asked.body["touser"], asked.body["agentid"], asked.body["enable_duplicate_check"]) == ("zhao", 7, 1)
    assert asked.body["text"]["content"] == "电梯困人 261122-1 #kkkkkk\n第一行\nsecond line\nhttp://h/p/t"


async def test_a_long_text_keeps_its_link_at_wecom() -> None:
    script = provider("wecom", TAKEN["wecom"])
    await told("wecom", script, replace(page("zhao"), text="很长" * 2000))
    content = script.of(W_SEND)[0].body["text"]["content"]
    assert len(content.encode()) <= 2048
    assert content.endswith("…\nhttp://h/p/t")


async def test_feishu_sends_a_card_with_three_answers_and_buzzes_for_a_life() -> None:
    script = provider("feishu", TAKEN["feishu"])
    assert await told("feishu", script, page("ou_1")) == "code 0: success om_1, buzzed"
    (asked,) = script.of(F_SEND)
    assert (asked.query, asked.headers["authorization"]) == ("receive_id_type=open_id", "Bearer t1")
    assert asked.body["uuid"] == "k" * 24
    card = json.loads(asked.body["content"])
    words, buttons = card["elements"][0]["text"]["content"], card["elements"][1]["actions"]
    assert words == "第一行\nsecond line\nhttp://h/p/t"
    assert [b["value"] for b in buttons[:3]] == [{"answer": n, "incident": "261122-1"} for n in "123"]
    assert buttons[3]["url"] == "http://h/p/t"
    (buzz,) = script.of(F_BUZZ)
    assert (buzz.method, buzz.body) == ("PATCH", {"user_id_list": ["ou_1"]})


async def test_a_buzz_that_fails_does_not_undo_the_message() -> None:
    no = answer("400 Bad Request", '{"code":230024,"msg":"Reach the upper limit of urgent message."}')
    script = provider("feishu", TAKEN["feishu"], **{F_BUZZ: [no]})
    said = await told("feishu", script)
    assert said.startswith("code 0: success om_1, not buzzed: code 230024")
    assert script.of(F_SEND)[0].query == "receive_id_type=user_id"


async def test_feishu_is_not_buzzed_for_less_than_a_life() -> None:
    script = provider("feishu", TAKEN["feishu"])
    assert await told("feishu", script, replace(page("ou_1"), priority=3)) == "code 0: success om_1"


async def test_a_card_with_buttons_goes_where_dingtalk_has_a_template() -> None:
    done = ok(success=True, result=[{"success": True, "spaceType": "IM_ROBOT"}])
    script = provider("dingtalk", b"", **{CARD: [ok(success=True)], DELIVER: [done]})
    async with serving(script) as port:
        mine = pager("dingtalk", port, template="x.schema")
        assert await mine.page(page("zhao")) == f"success: card {'k' * 24}-261122-1"
        await mine.close()
    (made,), (sent,) = script.of(CARD), script.of(DELIVER)
    assert (made.body["callbackType"], made.body["outTrackId"]) == ("STREAM", f"{'k' * 24}-261122-1")
    assert made.headers["x-acs-dingtalk-access-token"] == "t1"
    assert sent.body["openSpaceId"] == "dtv1.card//IM_ROBOT.zhao"


@pytest.mark.parametrize(
    ("delivered", "why"),
    [
        (ok(success=True, result=[{"success": False, "errorMsg": "no such user"}]), "not delivered: no such user"),
        (answer("400 Bad Request", '{"code":"param.error","message":"template"}'), "param.error: template"),
        (ok(success=False), "200 OK: no success"),
    ],
)
async def test_a_card_that_was_not_delivered_was_not_taken(delivered: bytes, why: str) -> None:
    script = provider("dingtalk", b"", **{CARD: [ok(success=True)], DELIVER: [delivered]})
    async with serving(script) as port:
        with pytest.raises(PageRefusedError, match=why):
            await pager("dingtalk", port, template="x.schema").page(page("zhao"))


# -- a no under a 200, and other ways of saying no ----------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "said", "words"),
    [
        ("wecom", ok(errcode=0, errmsg="ok", invaliduser="zhao"), "invaliduser: zhao (errcode 0: ok)"),
        ("wecom", ok(errcode=0, errmsg="ok", unlicenseduser="zhao"), "unlicenseduser: zhao (errcode 0: ok)"),
        ("wecom", ok(errcode=81013, errmsg="user all invalid"), "errcode 81013: user all invalid"),
        (
            "dingtalk",
            ok(errcode=88, errmsg="ding talk error", sub_code="90002", sub_msg="too fast"),
            "errcode 88: ding talk error (90002: too fast)",
        ),
        ("dingtalk", ok(errcode=False), "errcode False: no reason given"),
        (
            "feishu",
            ok(code=230013, msg="Bot has NO availability to this user."),
            "code 230013: Bot has NO availability",
        ),
        ("feishu", answer("400 Bad Request", '{"code":230001,"msg":"invalid"}'), "code 230001: invalid"),
        ("feishu", answer("500 Oops", '{"code":0,"msg":"ok"}'), "500 Oops"),
        ("feishu", ok(hello=1), "an answer without a code: 200 OK"),
    ],
)
async def test_only_the_code_says_that_a_message_was_taken(kind: str, said: bytes, words: str) -> None:
    assert (await refused(kind, provider(kind, said))).startswith(words)


@pytest.mark.parametrize("kind", KINDS)
async def test_too_many_requests_and_a_page_of_a_gateway_are_refusals_in_their_words(kind: str) -> None:
    assert await refused(kind, provider(kind, answer("429 Too Many Requests", "slow down"))) == (
        "429 Too Many Requests: slow down"
    )
    assert "<html>" in await refused(kind, provider(kind, answer("200 OK", "<html>gateway</html>")))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_provider_that_hangs_is_left_after_its_time(kind: str) -> None:
    assert await refused(kind, provider(kind, HANG), timeout_s=0.2) == "no answer within 0.2 s"


@pytest.mark.parametrize("kind", KINDS)
async def test_after_a_lost_answer_the_retry_is_the_same_message(kind: str) -> None:
    script = provider(kind, LOST, TAKEN[kind])
    async with serving(script) as port:
        mine = pager(kind, port)
        with pytest.raises(PageRefusedError):
            await mine.page(page("ou_1"))
        await mine.page(page("ou_1"))
        await mine.page(replace(page("ou_1"), key="j" * 24))
        await mine.close()
    first, again, other = script.of(SEND[kind])
    assert first.body == again.body
    assert other.body != first.body


# -- the token ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "gone"),
    [
        ("dingtalk", ok(errcode=88, errmsg="error", sub_code="40014", sub_msg="不合法的access_token")),
        ("wecom", ok(errcode=42001, errmsg="access_token expired")),
        ("wecom", ok(errcode=40014, errmsg="invalid access_token")),
        ("feishu", answer("400 Bad Request", '{"code":99991663,"msg":"Invalid access token"}')),
    ],
)
async def test_a_token_that_is_no_longer_good_is_renewed_within_the_page(kind: str, gone: bytes) -> None:
    script = provider(kind, gone, TAKEN[kind])
    await told(kind, script, replace(page("zhao"), priority=2))
    tokens = [a.query.rpartition("=")[2] + a.headers.get("authorization", "") for a in script.of(SEND[kind])]
    assert ["t1" in tokens[0], "t2" in tokens[1]] == [True, True]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_token_serves_until_shortly_before_its_end(kind: str) -> None:
    clock, script = Noon(), provider(kind, TAKEN[kind])
    path = next(p for p in (D_TOKEN, W_TOKEN, F_TOKEN) if kind[0] == {D_TOKEN: "d", W_TOKEN: "w", F_TOKEN: "f"}[p])
    async with serving(script) as port:
        mine = pager(kind, port, clock)
        for at_s, tokens in ((0, 1), (6800, 1), (6901, 2)):
            clock.at = Noon().at + at_s * 1000
            await mine.page(page("zhao"))
            assert len(script.of(path)) == tokens
        await mine.close()


@pytest.mark.parametrize(
    ("kind", "path", "said"),
    [
        (
            "dingtalk",
            D_TOKEN,
            answer("400 Bad Request", '{"code":"invalidClientIdOrSecret","message":"无效的clientId"}'),
        ),
        ("wecom", W_TOKEN, ok(errcode=40001, errmsg="invalid credential")),
        ("feishu", F_TOKEN, ok(code=10014, msg="app secret invalid")),
    ],
)
async def test_without_a_token_the_page_is_refused_in_the_providers_words(kind: str, path: str, said: bytes) -> None:
    why = await refused(kind, provider(kind, TAKEN[kind], **{path: [said]}))
    assert why.startswith("no token: ")
    assert "invalid" in why
    assert "secret=" not in why


async def test_one_person_is_not_sent_more_than_wecom_lets_through() -> None:
    script = provider("wecom", TAKEN["wecom"])
    with pytest.raises(PageRefusedError, match="30 pages in 60 s"):
        await told("wecom", script, *[replace(page("zhao"), key=f"{n:024}") for n in range(31)])
    assert len(script.of(W_SEND)) == 30


# -- what became of it --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "receipt"),
    [
        ({"unread_user_id_list": ["zhao"]}, Receipt("delivered", number="task 9", said="sent, not read yet")),
        ({"read_user_id_list": ["zhao"]}, Receipt("opened", number="task 9", said="read")),
        (
            {"invalid_user_id_list": ["zhao"]},
            Receipt("failed", number="task 9", said="no such user: invalid_user_id_list zhao"),
        ),
        (
            {"forbidden_user_id_list": ["zhao"]},
            Receipt("failed", number="task 9", said="held back by the provider's limits: forbidden_user_id_list zhao"),
        ),
        ({}, None),
    ],
)
async def test_dingtalk_says_later_who_was_not_sent_it_and_who_read_it(result: dict, receipt: Receipt | None) -> None:
    script = provider("dingtalk", TAKEN["dingtalk"], **{D_FATE: [ok(errcode=0, errmsg="ok", send_result=result)]})
    async with serving(script) as port:
        mine = pager("dingtalk", port)
        assert await mine.follow("zhao", "errcode 0: ok task 9 · more", 0) == receipt
        assert await mine.follow("zhao", "success: card x", 0) is None
        await mine.close()
    assert script.of(D_FATE)[0].body == {"agent_id": 7, "task_id": 9}
