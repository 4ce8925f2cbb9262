"""Pages into a group chat by its robot: DingTalk, WeCom, Feishu; see docs/engineers/channels.md.

All three answer HTTP 200 to what they refuse: only the code in the answer says that a message was taken. That it was
taken is no word from the person; they are named in the message (by their mobile number) so that their phone rings.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from facility.ports import Clock, Message, PageRefusedError
from response.pagers.allowance import Allowance, Limit
from response.pagers.exchange import WORDS_LIMIT, Exchange

MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Robot:
    """One group's robot: its webhook address, and the secret that signs, where it has one."""

    url: str
    secret: str = ""

    @classmethod
    def of(cls, words: str) -> "Robot":
        """Read it as secrets.toml has it: the address, then, after a space, the secret."""
        url, _, secret = words.strip().partition(" ")
        return cls(url, secret.strip())


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one provider's robots are spoken to.

    `ask(robot, text, mobile, now_ms)` gives address and body; `codes` are the names under which its answer says how it
    went: 0 is taken, everything else is not.
    """

    ask: Callable[[Robot, str, str, int], tuple[str, Mapping[str, Any]]]
    codes: Sequence[str]
    words: Sequence[str]
    limits: Sequence[Limit]


def _dingtalk(robot: Robot, text: str, mobile: str, now_ms: int) -> tuple[str, Mapping[str, Any]]:
    url = robot.url
    if robot.secret:
        signed = _hmac(robot.secret.encode(), f"{now_ms}\n{robot.secret}".encode())
        url += f"{'&' if '?' in url else '?'}timestamp={now_ms}&sign={quote(signed, safe='')}"
    return url, {
        "msgtype": "text",
        "text": {"content": f"{text}\n@{mobile}" if mobile else text},
        "at": {"atMobiles": [mobile] if mobile else [], "isAtAll": False},
    }


def _wecom(robot: Robot, text: str, mobile: str, _now_ms: int) -> tuple[str, Mapping[str, Any]]:
    return robot.url, {
        "msgtype": "text",
        "text": {"content": text, "mentioned_mobile_list": [mobile] if mobile else []},
    }


def _feishu(robot: Robot, text: str, _mobile: str, now_ms: int) -> tuple[str, Mapping[str, Any]]:
    body: dict[str, Any] = {"msg_type": "text", "content": {"text": text}}
    if robot.secret:
        stamp = str(now_ms // 1000)
        body = {"timestamp": stamp, "sign": _hmac(f"{stamp}\n{robot.secret}".encode(), b""), **body}
    return robot.url, body


def _hmac(key: bytes, said: bytes) -> str:
    return base64.b64encode(hmac.new(key, said, hashlib.sha256).digest()).decode()


DIALECTS: Mapping[str, Dialect] = {
    # 20 a minute, beyond it ten minutes of silence (DingTalk's and WeCom's manuals of their group robots).
    "dingtalk": Dialect(_dingtalk, ("errcode",), ("errmsg",), (Limit(20, MINUTE_MS),)),
    "wecom": Dialect(_wecom, ("errcode",), ("errmsg",), (Limit(20, MINUTE_MS),)),
    # 100 a minute and 5 a second (Feishu's manual of custom bots). Old bots answer StatusCode.
    "feishu": Dialect(
        _feishu, ("code", "StatusCode"), ("msg", "StatusMessage"), (Limit(100, MINUTE_MS), Limit(5, 1000))
    ),
}
"""By the kind of the channel in people.toml."""


class RobotPager:
    """Pages through the robots of one provider.

    A channel's address is `<robot>` or `<robot>@<mobile number>`; `robots` has their addresses by name.
    """

    def __init__(self, kind: str, robots: Mapping[str, Robot], clock: Clock, exchange: Exchange | None = None) -> None:
        """Take the provider (a name of DIALECTS) and the site's robots there."""
        self._kind, self._dialect, self._robots, self._clock = kind, DIALECTS[kind], robots, clock
        self._exchange, self._allowance = exchange or Exchange(), Allowance(DIALECTS[kind].limits)
        self.prepare, self.close = self._exchange.prepare, self._exchange.close

    def spent(self, address: str, at_ms: int) -> None:
        """Count a page that was handed over before this start."""
        self._allowance.spent(address.partition("@")[0], at_ms)

    async def page(self, message: Message) -> str:
        """Put the page into the chat; return the provider's words."""
        name, _, mobile = message.address.partition("@")
        robot = self._robots.get(name)
        if robot is None:
            raise PageRefusedError(f"secrets.toml has no {self._kind}_{name}")
        now_ms = self._clock.now()
        self._allowance.take(name, message, now_ms)
        url, said = self._dialect.ask(robot, words(message), mobile, now_ms)
        body = json.dumps(said, ensure_ascii=False).encode()
        answer = await self._exchange.post(url, body, {"Content-Type": "application/json; charset=utf-8"})
        if not answer.success:
            raise PageRefusedError(answer.words)
        return self._taken(answer.body)

    def _taken(self, answer: bytes) -> str:
        """Return the provider's words for a message that it took."""
        try:
            said = json.loads(answer)
        except ValueError:
            said = None
        found = [said[name] for name in self._dialect.codes if name in said] if isinstance(said, dict) else []
        if not found:
            raise PageRefusedError(f"an answer without a code: {answer[:WORDS_LIMIT].decode('utf-8', 'replace')}")
        why = next((str(said[name]) for name in self._dialect.words if said.get(name)), "no reason given")
        no = next((code for code in found if isinstance(code, bool) or code != 0), None)
        if no is not None:
            raise PageRefusedError(f"{self._dialect.codes[0]} {no}: {why}"[:WORDS_LIMIT])
        return f"{self._dialect.codes[0]} 0: {why}"[:WORDS_LIMIT]


def words(message: Message) -> str:
    """Return a page as the text of a chat message: what happened, and the person's own link."""
    text = f"{message.title} {message.incident}\n{message.text}"
    return f"{text}\n{message.link}" if message.link else text
