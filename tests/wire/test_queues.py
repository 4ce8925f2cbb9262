"""Keys and replies through Alibaba Cloud's queues: each is carried out, and only then taken out of the queue."""

import base64
import json

from response.pagers.aliyun import Key
from response.pagers.aliyun_queue import AliyunQueue, answers, signature
from response.pagers.answer import Answer
from response.pagers.exchange import Exchange
from response.pagers.longline import LongLine
from tests.wire.scripted import Scripted, ok
from tests.wire.test_long_lines import Ears, Few, until_ended
from tests.wire.test_pagers import answer, serving

TOKEN = ok(Code="OK", MessageTokenDTO={"AccessKeyId": "tid", "AccessKeySecret": "ts", "SecurityToken": "st"})
EMPTY = answer("404 Not Found", "<Error><Code>MessageNotExist</Code><Message>none</Message></Error>")
FORBIDDEN = answer("403 Forbidden", "<Error><Code>AccessDenied</Code></Error>")
QUEUE = "Alicom-Queue-1-SmsUp"
PATH = f"/queues/{QUEUE}/messages"
UP = {"phone_number": "13900000001", "content": "1", "sequence_id": 77, "send_time": "2026-11-23 11:00:00"}


def message(said: object, id: str = "M1") -> bytes:
    body = base64.b64encode(json.dumps(said).encode()).decode()
    xml = f"<Message><MessageId>{id}</MessageId><MessageBody>{body}</MessageBody><ReceiptHandle>h-1</ReceiptHandle></Message>"
    return answer("200 OK", xml)


class Queue(Scripted):
    """Tells the body of a form from that of JSON."""

    async def __call__(self, reader, writer) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.split("\r\n")[0].split()
        length = next((line for line in head.lower().split("\r\n") if line.startswith("content-length: ")), "x: 0")
        await reader.readexactly(int(length.split(": ")[1]))
        path = target.partition("?")[0]
        self.asked.append((method, target, head))
        script = self.scripts[path if method != "DELETE" else "delete"]
        writer.write(script.pop(0) if len(script) > 1 else script[0])
        await writer.drain()


async def run(*script: bytes, token: bytes = TOKEN) -> tuple[Ears, Queue, LongLine]:
    queue, ears = Queue({"/": [token], PATH: list(script), "delete": [answer("204 No Content")]}), Ears()
    async with serving(queue) as port:
        url, clock = f"http://127.0.0.1:{port}", Few(1)
        line = LongLine(AliyunQueue(QUEUE, Key("i", "s"), clock, Exchange(2), f"{url}/", url), clock)
        return ears, queue, await until_ended(line, ears)


async def test_a_reply_is_heard_and_then_taken_out() -> None:
    ears, queue, line = await run(EMPTY, message(UP), FORBIDDEN)
    assert ears.heard == [Answer("sms", ("13900000001",), "1", "77")]
    assert [(m, t.partition("?")[2]) for m, t, _ in queue.asked] == [
        ("POST", ""),
        ("GET", "waitseconds=10"),
        ("GET", "waitseconds=10"),
        ("DELETE", "ReceiptHandle=h-1"),
        ("GET", "waitseconds=10"),
    ]
    head = queue.asked[1][2]
    date = next(line for line in head.split("\r\n") if line.startswith("Date: "))[6:]
    assert f"Authorization: MNS tid:{signature('GET', date, f'{PATH}?waitseconds=10', 'ts')}" in head
    assert "security-token: st" in head
    assert line.why == "the provider asked for a new connection"


async def test_what_was_not_carried_out_stays_in_the_queue() -> None:
    async def deaf(_said: object) -> None:
        raise OSError("the desk is gone")

    queue = Queue({"/": [TOKEN], PATH: [message(UP)], "delete": [answer("204 No Content")]})
    async with serving(queue) as port:
        url, clock = f"http://127.0.0.1:{port}", Few(1)
        line = LongLine(AliyunQueue(QUEUE, Key("i", "s"), clock, Exchange(2), f"{url}/", url), clock)
        await until_ended(line, deaf)
    assert [m for m, _, _ in queue.asked] == ["POST", "GET"]
    assert "the desk is gone" in line.why


async def test_without_a_token_or_with_a_wrong_queue_the_reason_is_said() -> None:
    no = answer("400 Bad Request", '{"Code":"InvalidAccessKeyId.NotFound","Message":"no such key"}')
    assert "InvalidAccessKeyId" in (await run(EMPTY, token=no))[2].why
    gone = answer("404 Not Found", "<Error><Code>QueueNotExist</Code></Error>")
    assert "QueueNotExist" in (await run(gone))[2].why


def test_a_key_pressed_in_a_call_names_the_call() -> None:
    report = [{"status_code": "300000", "dtmf": "2", "call_id": "116^1"}, {"status_code": "200100", "call_id": "116^1"}]
    assert list(answers("VoiceCallReport", "M1", json.dumps(report))) == [
        Answer("voice", (), "2", "116^1/2", number="116^1")
    ]
    assert list(answers("VoiceCallReport", "M1", "no json")) == []
