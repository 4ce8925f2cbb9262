"""Feishu's long connection: buttons pressed, messages to the app, and read receipts, without an address of our own.

Source: larksuite/oapi-sdk-python, lark_oapi/ws/client.py (the endpoint, frames, pings, messages in parts, the answer
to a press in base64) and event/callback/model/p2_card_action_trigger.py; the events im.message.receive_v1 and
im.message.message_read_v1 as its models have them. The app must subscribe to these three "by long connection".
"""

import asyncio
import base64
import json
import ssl
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import structlog

from facility.ports import Beat, Clock, PageRefusedError, Receipt
from facility.text import Text
from response.pagers import longline
from response.pagers.answer import Answer, Heard
from response.pagers.apps import App, number
from response.pagers.exchange import Exchange
from response.pagers.feishu_app import KIND, URL
from response.pagers.feishu_frame import CONTROL, DATA, Frame, decoded, encoded

log = structlog.get_logger(__name__)

PING_S = 120
"""Until the provider says otherwise, as in the SDK."""
PARTS_MS = 5_000
PARTS = 64
WAITING = 32
"""Messages in parts that may wait at the same time; more are somebody's mistake."""


class FeishuLine:
    """The long connection of one app."""

    name = KIND

    def __init__(
        self,
        app: App,
        clock: Clock,
        exchange: Exchange | None = None,
        url: str = URL,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        """Take the app: app id and secret."""
        self._app, self._clock, self._url, self._trust = app, clock, url, trust
        self._exchange = exchange or Exchange()
        self._ping_ms = PING_S * 1000

    async def talk(self, heard: Heard, up: Callable[[], None], beat: Beat) -> None:
        """Connect and hand over what comes, until the connection ends."""
        url = await self._endpoint()
        service = number(parse_qs(urlsplit(url).query).get("service_id", ["0"])[0])
        ping = encoded(Frame(service=service, method=CONTROL, headers=(("type", "ping"),)))
        async with longline.opened(url, self._url, self._trust) as line:
            up()
            parts = Parts(self._clock)
            ping_at = self._clock.now()
            while True:
                beat()
                if self._clock.now() >= ping_at:
                    await line.send(ping)
                    ping_at = self._clock.now() + self._ping_ms
                try:
                    async with asyncio.timeout(min(longline.WAIT_S, self._ping_ms / 1000)):
                        raw = await line.recv()
                except TimeoutError:
                    continue
                if answer := await self._answer(raw, parts, heard):
                    await line.send(answer)

    async def _endpoint(self) -> str:
        body = json.dumps({"AppID": self._app.id, "AppSecret": self._app.secret}).encode()
        headers = {"Content-Type": "application/json; charset=utf-8", "locale": "zh"}
        answer = await self._exchange.post(f"{self._url}/callback/ws/endpoint", body, headers)
        try:
            said = json.loads(answer.body)
            if not answer.success or said["code"] != 0:
                raise PageRefusedError(f"code {said['code']}: {said.get('msg', '')}")
            url = str(said["data"]["URL"])
        except (ValueError, KeyError, TypeError) as error:
            raise PageRefusedError(answer.words) from error
        self._configure(said["data"].get("ClientConfig"))
        return url

    def _configure(self, said: object) -> None:
        interval = number(said.get("PingInterval")) if isinstance(said, dict) else 0
        if interval:
            self._ping_ms = interval * 1000

    async def _answer(self, raw: bytes | str, parts: "Parts", heard: Heard) -> bytes:
        """Take one frame; return what is to be said to it, if anything."""
        began = self._clock.now()
        try:
            frame = decoded(raw if isinstance(raw, bytes) else raw.encode())
            if frame.method == CONTROL:
                if frame.header("type") == "pong" and frame.payload:
                    self._configure(json.loads(frame.payload))
                return b""
            whole = parts.take(frame) if frame.method == DATA else None
            said = None if whole is None else json.loads(whole)
        except ValueError as error:
            log.warning("a frame that cannot be read", line=self.name, why=str(error))
            return b""
        if whole is None:
            return b""  # its other parts are under way
        shown = await _taken(said if isinstance(said, dict) else {}, heard)
        reply: dict[str, Any] = {"code": 200}
        if shown is not None:
            toast = {"toast": {"type": "info", "content": shown.zh, "i18n": {"zh_cn": shown.zh, "en_us": shown.en}}}
            reply["data"] = base64.b64encode(json.dumps(toast, ensure_ascii=False).encode()).decode()
        return encoded(frame.answered(json.dumps(reply).encode(), self._clock.now() - began))


class Parts:
    """Puts messages together that come in parts; what does not come whole within 5 s is let go."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[str, tuple[int, dict[int, bytes]]] = {}

    def take(self, frame: Frame) -> bytes | None:
        """Return the whole message with its last part; None before. Raise ValueError for parts that make no sense."""
        of, n = number(frame.header("sum", "1")), number(frame.header("seq", "0"))
        if of <= 1:
            return frame.payload
        if of > PARTS or n >= of:
            raise ValueError(f"part {n} of {of}")
        now = self._clock.now()
        self._waiting = {id: held for id, held in self._waiting.items() if now - held[0] <= PARTS_MS}
        id = frame.header("message_id")
        if id not in self._waiting and len(self._waiting) >= WAITING:
            raise ValueError("too many messages in parts")
        _, held = self._waiting.setdefault(id, (now, {}))
        held[n] = frame.payload
        if len(held) < of:
            return None
        del self._waiting[id]
        return b"".join(held[i] for i in range(of))


async def _taken(said: Mapping[str, Any], heard: Heard) -> Text | None:
    """Hand over an event; return what the person is told at once."""
    head, event = _table(said, "header"), _table(said, "event")
    id = str(head.get("event_id", ""))
    match head.get("event_type"):
        case "card.action.trigger":
            value = _table(_table(event, "action"), "value")
            who = _accounts(_table(event, "operator"))
            return await heard(Answer(KIND, who, str(value.get("answer", "")), id, str(value.get("incident", ""))))
        case "im.message.receive_v1":
            message = _table(event, "message")
            if message.get("chat_type") == "p2p" and message.get("message_type") == "text":
                who = _accounts(_table(_table(event, "sender"), "sender_id"))
                await heard(Answer(KIND, who, _text(message.get("content")), str(message.get("message_id") or id)))
        case "im.message.message_read_v1":
            read = event.get("message_id_list")
            for one in read if isinstance(read, list) else ():
                await heard(Receipt("opened", number=str(one), said="read"))
        case _:
            log.info("an event that means nothing here", line=KIND, kind=str(head.get("event_type"))[:60])
    return None


def _accounts(who: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(who[name]) for name in ("open_id", "user_id") if who.get(name))


def _text(content: object) -> str:
    try:
        said = json.loads(str(content))
    except ValueError:
        return ""
    return str(said.get("text", "")) if isinstance(said, dict) else ""


def _table(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = said.get(name)
    return found if isinstance(found, dict) else {}
