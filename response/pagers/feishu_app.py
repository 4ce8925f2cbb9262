"""Messages of a Feishu (飞书) app to one person: a card with the three answers as buttons, and a buzz for a life.

Sources: open.feishu.cn documents im-v1/message/create, im-v1/message/urgent_app and
auth/v3/tenant_access_token_internal, read as copies (apifox, larksuite's SDKs). A `uuid` is taken once within an hour:
a retry after a lost answer arrives once. Presses and read receipts come over the long connection (feishu_line.py).
"""

import json
from collections.abc import Mapping
from typing import Any

from facility.ports import Clock, Message, PageRefusedError
from facility.rule import Priority
from response.pagers.allowance import Allowance, Limit
from response.pagers.answer import ACCEPT, BUTTONS
from response.pagers.apps import App, Code, Question, Speaker, number, within, words
from response.pagers.exchange import WORDS_LIMIT, Exchange

KIND = "feishu-app"
URL = "https://open.feishu.cn"
LIMITS = (Limit(5, 1000),)
"""To one person (the manual of message/create); of the whole app 1,000 a minute, which no site comes near."""

_CODE = Code("code", "msg", frozenset({99991661, 99991663, 99991664, 99991668, 99991671, 99991677}))
_COLOURS = {1: "red", 2: "orange", 3: "yellow"}


class FeishuAppPager:
    """Pages as an app; a channel's address is the person's open_id (`ou_…`), or else user_id."""

    def __init__(self, app: App, clock: Clock, exchange: Exchange | None = None, url: str = URL) -> None:
        """Take the app: app id and secret."""
        self._url, self._clock = url, clock
        self._exchange = exchange or Exchange()
        self._allowance = Allowance(LIMITS)
        fetch = Question(
            f"{url}/open-apis/auth/v3/tenant_access_token/internal", {"app_id": app.id, "app_secret": app.secret}
        )
        self._speaker = Speaker(
            self._exchange,
            clock,
            _CODE,
            fetch,
            lambda said: (str(said.get("tenant_access_token") or ""), number(said.get("expire"))),
        )
        self.prepare, self.close = self._exchange.prepare, self._exchange.close

    def spent(self, address: str, at_ms: int) -> None:
        """Count a page that was handed over before this start."""
        self._allowance.spent(address, at_ms)

    async def page(self, message: Message) -> str:
        """Send the page, and buzz the person where a life is in danger; return the provider's words."""
        self._allowance.take(message.address, message, self._clock.now())
        return await within(self._page(message))

    async def _page(self, message: Message) -> str:
        by = "open_id" if message.address.startswith("ou_") else "user_id"
        body = {
            "receive_id": message.address,
            "msg_type": "interactive",
            "content": json.dumps(card(message), ensure_ascii=False),
            "uuid": message.key,
        }
        said = await self._asked("POST", f"/open-apis/im/v1/messages?receive_id_type={by}", body)
        data = said.get("data")
        id = str(data.get("message_id", "")) if isinstance(data, dict) else ""
        taken = f"code 0: {said.get('msg', '')} {id}".strip()
        if id and message.priority <= Priority.LIFE:
            taken = f"{taken}, {await self._buzzed(id, by, message.address)}"
        return taken[:WORDS_LIMIT]

    async def _buzzed(self, id: str, by: str, person: str) -> str:
        """Buzz the phone about a message that was taken; that this fails does not undo the message."""
        try:
            path = f"/open-apis/im/v1/messages/{id}/urgent_app?user_id_type={by}"
            said = await self._asked("PATCH", path, {"user_id_list": [person]})
        except PageRefusedError as error:
            return f"not buzzed: {error}"
        data = said.get("data")
        invalid = data.get("invalid_user_id_list") if isinstance(data, dict) else None
        return f"not buzzed: {invalid}" if invalid else "buzzed"

    async def _asked(self, method: str, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self._speaker.ask(
            lambda token: Question(f"{self._url}{path}", body, {"Authorization": f"Bearer {token}"}, method)
        )


def card(message: Message) -> Mapping[str, Any]:
    """Return a page as a card: its words with the link, the three answers, and the page behind the link."""
    buttons: list[Mapping[str, Any]] = [
        {
            "tag": "button",
            "text": {"tag": "plain_text", "content": f"{text.zh} {text.en}"},
            "type": "primary" if word == ACCEPT else "default",
            "value": {"answer": word, "incident": message.incident},
        }
        for word, text in BUTTONS.items()
    ]
    if message.link:
        text = {"tag": "plain_text", "content": "打开 Open"}
        buttons.append({"tag": "button", "text": text, "type": "default", "url": message.link})
    title = {"tag": "plain_text", "content": f"{message.title} {message.incident}"}
    return {
        "config": {"wide_screen_mode": True},
        "header": {"template": _COLOURS.get(message.priority, "grey"), "title": title},
        "elements": [
            {"tag": "div", "text": {"tag": "plain_text", "content": words(message)}},
            {"tag": "action", "actions": buttons},
        ],
    }
