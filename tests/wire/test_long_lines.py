"""Long connections to Feishu and DingTalk, against servers that speak as theirs do: answers come back, each once."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve

from facility.ports import PageRefusedError, Receipt
from facility.text import Text
from response.pagers.answer import Answer
from response.pagers.apps import App
from response.pagers.dingtalk_line import DingtalkLine
from response.pagers.exchange import Exchange
from response.pagers.feishu_frame import CONTROL, DATA, Frame, decoded, encoded
from response.pagers.feishu_line import FeishuLine, Parts
from response.pagers.longline import LongLine, opened
from tests.wire.scripted import HANG, Noon, Scripted, ok
from tests.wire.test_pagers import answer, serving

APP = App("id", "secret")
ENDPOINT, REGISTER = "/callback/ws/endpoint", "/v1.0/gateway/connections/open"
SHOWN = Text("已记录", "Written down")


class Ears:
    """Hears what comes back."""

    def __init__(self) -> None:
        self.heard: list[Answer | Receipt] = []

    async def __call__(self, said: Answer | Receipt) -> Text | None:
        self.heard.append(said)
        return SHOWN if isinstance(said, Answer) else None


@asynccontextmanager
async def speaking(script: Callable[[ServerConnection], object]) -> AsyncIterator[int]:
    async with serve(script, "127.0.0.1", 0) as server:
        yield next(iter(server.sockets)).getsockname()[1]


def frame(said: dict | bytes, *, of: int = 1, n: int = 0, id: str = "m", kind: str = "event") -> bytes:
    payload = said if isinstance(said, bytes) else json.dumps(said).encode()
    headers = (("type", kind), ("message_id", id), ("sum", str(of)), ("seq", str(n)), ("trace_id", "t"))
    return encoded(Frame(7, 8, 33, DATA, headers, payload=payload))


def press(id: str = "e-1", word: str = "1") -> dict:
    return {
        "schema": "2.0",
        "header": {"event_id": id, "event_type": "card.action.trigger"},
        "event": {
            "operator": {"open_id": "ou_1", "user_id": "zhao"},
            "action": {"value": {"answer": word, "incident": "261122-1"}, "tag": "button"},
            "context": {"open_message_id": "om_1"},
        },
    }


async def feishu(script: Callable[[ServerConnection], object], ears: Ears, *, turns: int = 1) -> LongLine:
    """Run a line against a server until it has said its script so many times."""
    async with speaking(script) as ws:
        url = f"ws://127.0.0.1:{ws}/ws?device_id=1&service_id=33"
        said = ok(code=0, msg="ok", data={"URL": url, "ClientConfig": {"PingInterval": 120}})
        async with serving(Scripted({ENDPOINT: [said]})) as port:
            clock = Few(turns)
            line = LongLine(FeishuLine(APP, clock, Exchange(2), f"http://127.0.0.1:{port}"), clock)
            return await until_ended(line, ears)


class Few(Noon):
    """A clock that ends whoever waits for the nth time."""

    def __init__(self, turns: int) -> None:
        super().__init__()
        self.turns = turns
        self.waits: list[int] = []

    async def until(self, at_ms: int) -> None:
        self.waits.append(at_ms - self.at)
        if len(self.waits) >= self.turns:
            raise asyncio.CancelledError
        await super().until(at_ms)


async def until_ended(line: LongLine, ears: Ears) -> LongLine:
    async with asyncio.timeout(10):
        with pytest.raises(asyncio.CancelledError):
            await line.run(ears, lambda: None)
    return line


# -- Feishu -------------------------------------------------------------------------------------------------


async def test_a_button_is_an_answer_and_whoever_pressed_it_sees_that_it_was_written_down() -> None:
    ears, said = Ears(), []

    async def script(line: ServerConnection) -> None:
        said.append(decoded(await line.recv()))  # the first ping
        await line.send(frame(press()))
        said.append(decoded(await line.recv()))

    line = await feishu(script, ears)
    assert ears.heard == [Answer("feishu-app", ("ou_1", "zhao"), "1", "e-1", "261122-1")]
    ping, ack = said
    assert (ping.method, ping.service, ping.header("type")) == (CONTROL, 33, "ping")
    assert (ack.sequence, ack.log, ack.service, ack.method, ack.header("message_id")) == (7, 8, 33, DATA, "m")
    body = json.loads(ack.payload)
    assert body["code"] == 200
    assert json.loads(base64.b64decode(body["data"]))["toast"]["content"] == "已记录"
    assert not line.connected
    assert "ConnectionClosed" in line.why


async def test_words_and_read_receipts_come_over_the_same_line_and_all_is_acknowledged() -> None:
    ears, acks = Ears(), []
    written = {
        "header": {"event_id": "e-2", "event_type": "im.message.receive_v1"},
        "event": {
            "sender": {"sender_id": {"open_id": "ou_1"}},
            "message": {
                "message_id": "om_9", "chat_type": "p2p", "message_type": "text", "content": '{"text":"2 在外地"}',
            },
        },
    }  # fmt: skip
    read = {
        "header": {"event_id": "e-3", "event_type": "im.message.message_read_v1"},
        "event": {"reader": {"reader_id": {"open_id": "ou_1"}}, "message_id_list": ["om_1", "om_2"]},
    }
    unknown = {"header": {"event_id": "e-4", "event_type": "contact.user.updated_v3"}, "event": {}}

    async def script(line: ServerConnection) -> None:
        await line.recv()
        for said in (written, read, unknown):
            await line.send(frame(said))
            acks.append(json.loads(decoded(await line.recv()).payload))

    await feishu(script, ears)
    assert ears.heard == [
        Answer("feishu-app", ("ou_1",), "2 在外地", "om_9"),
        Receipt("opened", number="om_1", said="read"),
        Receipt("opened", number="om_2", said="read"),
    ]
    assert [ack["code"] for ack in acks] == [200, 200, 200]


async def test_a_message_in_parts_is_put_together_and_rubbish_is_passed_over() -> None:
    ears = Ears()
    whole = json.dumps(press()).encode()

    async def script(line: ServerConnection) -> None:
        await line.recv()
        await line.send(frame(whole[50:], of=2, n=1))
        await line.send(b"\xff\xff\xff")
        await line.send(frame(b"no json"))
        await line.send(frame(press("e-9"), of=3, n=3, id="other"))
        await line.send("text")
        await line.send(frame(whole[:50], of=2, n=0))
        await line.recv()

    await feishu(script, ears)
    assert [a.id for a in ears.heard] == ["e-1"]


async def test_it_connects_anew_with_longer_and_longer_waits_and_says_why() -> None:
    async def script(line: ServerConnection) -> None:
        await line.close(1011, "going down")

    ears = Ears()
    line = await feishu(script, ears, turns=8)
    assert line.clock.waits == [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]
    assert "going down" in line.why


async def test_after_a_connection_that_held_the_first_wait_is_short_again() -> None:
    clock = Few(4)

    class Held:
        name = "x"
        turns = 0

        async def talk(self, heard, up, beat) -> None:
            up()
            self.turns += 1
            clock.at += 40_000 if self.turns == 3 else 10
            raise PageRefusedError(f"no {self.turns}")

    line = await until_ended(LongLine(Held(), clock), Ears())
    assert clock.waits == [1000, 2000, 1000, 2000]
    assert line.why == "no 4"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (ok(code=1000040345, msg="app secret invalid"), "code 1000040345: app secret invalid"),
        (answer("200 OK", "<html>"), "200 OK: <html>"),
        (answer("429 Too Many Requests"), "429 Too Many Requests"),
        (HANG, "no answer within 0.3 s"),
        (ok(code=0, data={"URL": "ftp://x"}), "ValueError: not an encrypted address: ftp://x"),
    ],
)
async def test_why_feishu_gives_no_connection_is_said(said: bytes, why: str) -> None:
    async with serving(Scripted({ENDPOINT: [said]})) as port:
        clock = Few(1)
        line = LongLine(FeishuLine(APP, clock, Exchange(0.3), f"http://127.0.0.1:{port}"), clock)
        assert (await until_ended(line, Ears())).why == why


def test_where_the_provider_is_encrypted_its_line_must_be_too() -> None:
    with pytest.raises(ValueError, match=r"not an encrypted address: ws://evil\.example/x"):
        opened("ws://evil.example/x?ticket=secret", "https://api.dingtalk.com")


def test_parts_that_do_not_come_whole_are_let_go() -> None:
    clock = Noon()
    parts = Parts(clock)
    head = (("sum", "2"), ("message_id", "m"))
    assert parts.take(Frame(headers=(*head, ("seq", "0")), payload=b"old")) is None
    clock.at += 5_001
    assert parts.take(Frame(headers=(*head, ("seq", "1")), payload=b"new")) is None
    assert parts.take(Frame(headers=(*head, ("seq", "0")), payload=b"a ")) == b"a new"
    for n in range(32):
        parts.take(Frame(headers=(("sum", "2"), ("seq", "0"), ("message_id", str(n)))))
    with pytest.raises(ValueError, match="too many"):
        parts.take(Frame(headers=(("sum", "2"), ("seq", "0"), ("message_id", "more"))))


# -- DingTalk -----------------------------------------------------------------------------------------------


def message(topic: str, data: dict, kind: str = "CALLBACK", id: str = "m-1") -> str:
    headers = {"topic": topic, "messageId": id, "contentType": "application/json", "time": "1"}
    return json.dumps({"specVersion": "1.0", "type": kind, "headers": headers, "data": json.dumps(data)})


async def dingtalk(script: Callable[[ServerConnection], object], ears: Ears) -> tuple[LongLine, Scripted]:
    async with speaking(script) as ws:
        registered = Scripted({REGISTER: [ok(endpoint=f"ws://127.0.0.1:{ws}/connect", ticket="a b+c")]})
        async with serving(registered) as port:
            line = LongLine(DingtalkLine(APP, Exchange(2), f"http://127.0.0.1:{port}"), Few(1))
            return await until_ended(line, ears), registered


async def test_dingtalk_brings_buttons_and_words_and_is_answered_for_each() -> None:
    ears, acks, paths = Ears(), [], []
    pressed = {"cardPrivateData": {"actionIds": ["arrived"], "params": {}}}
    by_parameter = {"cardPrivateData": {"actionIds": ["button_1"], "params": {"answer": "2"}}}

    async def script(line: ServerConnection) -> None:
        paths.append(line.request.path)
        for said in (
            message("ping", {"opaque": "o-1"}, "SYSTEM", "p-1"),
            message(
                "/v1.0/im/bot/messages/get", {"msgId": "msg-1", "senderStaffId": "zhao", "text": {"content": " 1 "}}
            ),
            *(
                message(
                    "/v1.0/card/instances/callback",
                    {"userId": "zhao", "outTrackId": f"{'k' * 24}-261122-1", "value": json.dumps(value)},
                    id=f"c-{n}",
                )
                for n, value in enumerate((pressed, by_parameter))
            ),
            message("x", {}, "EVENT", "e-1"),
        ):
            await line.send(said)
            acks.append(json.loads(await line.recv()))
        await line.send("no json")
        await line.send(message("disconnect", {}, "SYSTEM"))
        await line.wait_closed()

    line, registered = await dingtalk(script, ears)
    assert paths == ["/connect?ticket=a+b%2Bc"]
    (asked,) = registered.asked[:1]
    assert [s["topic"] for s in asked.body["subscriptions"]] == [
        "/v1.0/im/bot/messages/get",
        "/v1.0/card/instances/callback",
    ]
    assert ears.heard == [
        Answer("dingtalk-app", ("zhao",), " 1 ", "msg-1"),
        Answer("dingtalk-app", ("zhao",), "3", "c-0", "261122-1"),
        Answer("dingtalk-app", ("zhao",), "2", "c-1", "261122-1"),
    ]
    assert [(a["code"], a["headers"]["messageId"]) for a in acks] == [
        (200, "p-1"), (200, "m-1"), (200, "c-0"), (200, "c-1"), (200, "e-1"),
    ]  # fmt: skip
    assert json.loads(acks[0]["data"]) == {"opaque": "o-1"}
    assert line.why == "the provider asked for a new connection"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (answer("401 Unauthorized", '{"code":"authFailed","message":"鉴权失败"}'), "401 Unauthorized: "),
        (ok(code="x"), "200 OK: "),
        (answer("503 Service Unavailable"), "503 Service Unavailable"),
    ],
)
async def test_why_dingtalk_gives_no_connection_is_said(said: bytes, why: str) -> None:
    async with serving(Scripted({REGISTER: [said]})) as port:
        line = LongLine(DingtalkLine(APP, Exchange(2), f"http://127.0.0.1:{port}"), Few(1))
        assert (await until_ended(line, Ears())).why.startswith(why)
