"""Messages of a DingTalk (钉钉) app to one employee: a work notification, or an interactive card with buttons.

Sources: open-doc.dingtalk.com/microapp/serverapi2/pgoxpy (asyncsend_v2) and developer.alibaba.com api 37692, 37024
(getsendresult: whom it was not sent to, who read it); the card as open-dingtalk/dingtalk-stream-sdk-python creates and
delivers it (card_replier.py), its answer as in aliyun/dingtalk-sdk (DeliverCardResponseBody). The same text to the same
person on one day is said to be sent and is not shown: so every page carries the beginning of its key, and a retry,
which has the same, arrives once. Whether a card's `outTrackId` drops doubles in the same way is not documented.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from facility.ports import Clock, Message, Receipt
from response.pagers.allowance import Allowance, Limit
from response.pagers.apps import App, Code, Question, Speaker, number, within, words
from response.pagers.exchange import WORDS_LIMIT, Answer, Exchange

KIND = "dingtalk-app"
OLD_URL = "https://oapi.dingtalk.com"
URL = "https://api.dingtalk.com"
LIMITS = (Limit(500, 86_400_000),)
"""Work notifications of a company's own app to one person (developer.alibaba.com api 37024)."""
TEXT_BYTES = 1500
"""Of 2,048 that a whole message may have (pgoxpy)."""

_TASK = "task "
_OLD = Code("errcode", "errmsg", frozenset({40001, 40014, 42001}))
_UNSENT = {
    "invalid_user_id_list": "no such user",
    "forbidden_user_id_list": "held back by the provider's limits",
    "failed_user_id_list": "not sent",
}


class _New:
    """How the new interface says no: an HTTP status with a code in words, or a `success` that is not true."""

    def refusal(self, said: Mapping[str, Any], answer: Answer) -> str:
        if not answer.success or said.get("success") is not True:
            return f"{said.get('code', answer.status)}: {said.get('message') or 'no success'}"[:WORDS_LIMIT]
        results = said.get("result")
        whys = [
            f"not delivered: {one.get('errorMsg') or 'no reason given'}"
            for one in (results if isinstance(results, list) else ())
            if one.get("success") is False
        ]
        return "; ".join(whys)[:WORDS_LIMIT]

    def is_expired(self, said: Mapping[str, Any]) -> bool:
        return str(said.get("code", "")) in {"InvalidAuthentication", "Forbidden.AccessDenied.AccessTokenExpired"}


_NEW = _New()


class DingtalkAppPager:
    """Pages as an app; a channel's address is the employee's userid."""

    def __init__(
        self,
        app: App,
        clock: Clock,
        template: str = "",
        exchange: Exchange | None = None,
        url: str = URL,
        old_url: str = OLD_URL,
    ) -> None:
        """Take the app (client id, secret, agent id) and the template of an interactive card, if the site has one."""
        self._app, self._template, self._url, self._old_url, self._clock = app, template, url, old_url, clock
        self._exchange = exchange or Exchange()
        self._allowance = Allowance(LIMITS)
        # The new interface's token serves the old one as well (the SDK's upload_to_dingtalk uses it so).
        fetch = Question(f"{url}/v1.0/oauth2/accessToken", {"appKey": app.id, "appSecret": app.secret})
        self._speaker = Speaker(
            self._exchange,
            clock,
            _OLD,
            fetch,
            lambda said: (str(said.get("accessToken") or ""), number(said.get("expireIn"))),
        )
        self.prepare, self.close = self._exchange.prepare, self._exchange.close

    def spent(self, address: str, at_ms: int) -> None:
        """Count a page that was handed over before this start."""
        self._allowance.spent(address, at_ms)

    async def page(self, message: Message) -> str:
        """Send the page; return the provider's words and its number for the matter."""
        self._allowance.take(message.address, message, self._clock.now())
        return await within(self._card(message) if self._template else self._notice(message))

    async def follow(self, address: str, said: str, _sent_ms: int) -> Receipt | None:
        """Return what became of a page by now; None while that is not known, or when nobody can tell."""
        if _TASK not in said:
            return None
        task = said.rpartition(_TASK)[2].partition(" ")[0]
        answer = await self._asked("getsendresult", {"agent_id": number(self._app.agent), "task_id": number(task)})
        result = answer.get("send_result")
        return None if not isinstance(result, dict) else _receipt(result, address, f"{_TASK}{task}")

    async def _notice(self, message: Message) -> str:
        body = {
            "agent_id": number(self._app.agent),
            "userid_list": message.address,
            "msg": {"msgtype": "action_card", "action_card": _action_card(message)}
            if message.link
            else {"msgtype": "text", "text": {"content": _text(message)}},
        }
        said = await self._asked("asyncsend_v2", body)
        return f"errcode 0: {said.get('errmsg', '')} {_TASK}{said.get('task_id', '')}".strip()[:WORDS_LIMIT]

    async def _asked(self, what: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        path = f"{self._old_url}/topapi/message/corpconversation/{what}?access_token="
        return await self._speaker.ask(lambda token: Question(f"{path}{quote(token)}", body))

    async def _card(self, message: Message) -> str:
        """Create a card and deliver it into the person's chat with the app's robot."""
        track = f"{message.key}-{message.incident}"
        shown = {
            "title": f"{message.title} {message.incident}",
            "text": words(message),
            "incident": message.incident,
            "link": message.link,
        }
        create = {
            "cardTemplateId": self._template,
            "outTrackId": track,
            "callbackType": "STREAM",
            "cardData": {"cardParamMap": shown},
            "imRobotOpenSpaceModel": {"supportForward": False},
        }
        deliver = {
            "outTrackId": track,
            "userIdType": 1,
            "openSpaceId": f"dtv1.card//IM_ROBOT.{message.address}",
            "imRobotOpenDeliverModel": {"spaceType": "IM_ROBOT"},
        }
        for path, body in (("/v1.0/card/instances", create), ("/v1.0/card/instances/deliver", deliver)):
            await self._speaker.ask(_new(f"{self._url}{path}", body), _NEW)
        return f"success: card {track}"[:WORDS_LIMIT]


def _text(message: Message) -> str:
    head = f"{message.title} {message.incident} #{message.key[:6]}"
    return f"{head}\n{words(message)}".encode()[:TEXT_BYTES].decode(errors="ignore")


def _action_card(message: Message) -> Mapping[str, Any]:
    """Return the card of a work notification: its words, and the link as words and as a button."""
    head = f"{message.title} {message.incident} #{message.key[:6]}"
    room = TEXT_BYTES - len(f"{head}{message.link}".encode())
    text = message.text.encode()[: max(0, room)].decode(errors="ignore").replace("\n", "\n\n")
    return {
        "title": head,
        "markdown": f"### {head}\n\n{text}\n\n{message.link}",
        "single_title": "打开并回答 Open and answer",
        "single_url": message.link,
    }


def _receipt(result: Mapping[str, Any], address: str, task: str) -> Receipt | None:
    for name, meaning in _UNSENT.items():
        if address in (result.get(name) or ()):
            return Receipt("failed", number=task, said=f"{meaning}: {name} {address}")
    if address in (result.get("read_user_id_list") or ()):
        return Receipt("opened", number=task, said="read")
    if address in (result.get("unread_user_id_list") or ()):
        return Receipt("delivered", number=task, said="sent, not read yet")
    return None


def _new(url: str, body: Mapping[str, Any]) -> Callable[[str], Question]:
    return lambda token: Question(url, body, {"x-acs-dingtalk-access-token": token})
