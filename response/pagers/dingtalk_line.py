"""DingTalk's long connection (Stream): buttons of cards and messages to the app's robot, without an address of our own.

Sources: open-dingtalk/dingtalk-stream-sdk-python (stream.py, frames.py, chatbot.py, card_callback_message.py) and
open-dingtalk.github.io/developerpedia/docs/learn/stream/protocol. Both subscriptions are callbacks; the app needs a
robot whose messages are received "by Stream". DingTalk has no read events for it: dingtalk_app.py asks for them.
"""

import asyncio
import json
import ssl
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus

import structlog

from facility.ports import Beat, PageRefusedError
from facility.text import Text
from response.pagers import longline
from response.pagers.answer import ACCEPT, ARRIVED, CANNOT, Answer, Heard
from response.pagers.apps import App
from response.pagers.dingtalk_app import KIND, URL
from response.pagers.exchange import Exchange

log = structlog.get_logger(__name__)

MESSAGES = "/v1.0/im/bot/messages/get"
PRESSES = "/v1.0/card/instances/callback"
ACTIONS = {"accept": ACCEPT, "cannot": CANNOT, "arrived": ARRIVED}
"""Ids of the three buttons in the site's card template."""


class DingtalkLine:
    """The long connection of one app."""

    name = KIND

    def __init__(
        self, app: App, exchange: Exchange | None = None, url: str = URL, trust: ssl.SSLContext | None = None
    ) -> None:
        """Take the app: client id and secret."""
        self._app, self._url, self._trust = app, url, trust
        self._exchange = exchange or Exchange()

    async def talk(self, heard: Heard, up: Callable[[], None], beat: Beat) -> None:
        """Connect and hand over what comes, until the provider asks for another connection."""
        endpoint, ticket = await self._registered()
        async with longline.opened(f"{endpoint}?ticket={quote_plus(ticket)}", self._url, self._trust) as line:
            up()
            while True:
                beat()
                try:
                    async with asyncio.timeout(longline.WAIT_S):
                        raw = await line.recv()
                except TimeoutError:
                    continue
                said, more = await _answered(raw, heard)
                if said:
                    await line.send(said)
                if not more:
                    return

    async def _registered(self) -> tuple[str, str]:
        asked = {
            "clientId": self._app.id,
            "clientSecret": self._app.secret,
            "subscriptions": [{"type": "CALLBACK", "topic": topic} for topic in (MESSAGES, PRESSES)],
            "ua": "dutyroom",
        }
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        url = f"{self._url}/v1.0/gateway/connections/open"
        answer = await self._exchange.post(url, json.dumps(asked).encode(), headers)
        try:
            said = json.loads(answer.body)
            endpoint, ticket = str(said["endpoint"]), str(said["ticket"])
        except (ValueError, KeyError, TypeError) as error:
            raise PageRefusedError(answer.words) from error
        if not answer.success:
            raise PageRefusedError(answer.words)
        return endpoint, ticket


async def _answered(raw: bytes | str, heard: Heard) -> tuple[str, bool]:
    """Take one message; return what is to be said to it, if anything, and whether more will come."""
    said = _read(raw)
    headers, data = _table(said.get("headers")), said.get("data")
    topic, id = str(headers.get("topic", "")), str(headers.get("messageId", ""))
    back: object = data if isinstance(data, str) else "{}"
    match said.get("type"):
        case "SYSTEM":
            if topic == "disconnect":
                return "", False
        case "CALLBACK":
            shown = await _taken(topic, _read(data), id, heard)
            back = json.dumps({"response": {} if shown is None else {"message": shown.zh}}, ensure_ascii=False)
        case "EVENT":  # not subscribed to; what is not acknowledged comes again for ever
            back = json.dumps({"status": "SUCCESS", "message": "not needed"})
        case _:
            log.warning("a message that cannot be read", line=KIND)
            return "", True
    ack = {"code": 200, "headers": {"contentType": "application/json", "messageId": id}, "message": "OK", "data": back}
    return json.dumps(ack, ensure_ascii=False), True


async def _taken(topic: str, data: Mapping[str, Any], id: str, heard: Heard) -> Text | None:
    """Hand over what somebody pressed or wrote; return what is said back."""
    if topic == MESSAGES:
        who = (str(data["senderStaffId"]),) if data.get("senderStaffId") else ()
        word = str(_table(data.get("text")).get("content", ""))
        return await heard(Answer(KIND, who, word, str(data.get("msgId") or id)))
    if topic == PRESSES:
        who = (str(data["userId"]),) if data.get("userId") else ()
        pressed = _table(_read(data.get("value")).get("cardPrivateData"))
        incident = str(data.get("outTrackId", "")).partition("-")[2]
        return await heard(Answer(KIND, who, _word(pressed), id, incident))
    return None


def _word(pressed: Mapping[str, Any]) -> str:
    """Return which of the three was pressed: by the button's parameter `answer`, or by its id."""
    if word := _table(pressed.get("params")).get("answer"):
        return str(word)
    actions = pressed.get("actionIds")
    return next((ACTIONS[a] for a in actions if a in ACTIONS), "") if isinstance(actions, list) else ""


def _read(said: object) -> Mapping[str, Any]:
    """Return what JSON says; nothing where it is none."""
    try:
        return _table(json.loads(said) if isinstance(said, str | bytes) else said)
    except ValueError:
        return {}


def _table(said: object) -> Mapping[str, Any]:
    return said if isinstance(said, dict) else {}
