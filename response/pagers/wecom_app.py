"""Messages of a WeCom (企业微信) app to one member.

Sources: developer.work.weixin.qq.com documents 90236 (message/send) and 91039 (gettoken), read as copies at
qiyeweixin.apifox.cn and in WxJava's notes. A member who is not known, not visible to the app or without a licence
stands in `invaliduser` or `unlicenseduser` under an errcode of 0. WeCom has no delivery and no read receipts for such
messages, and buttons on its cards need an inbound address: the text carries the link instead.
"""

from urllib.parse import quote

from facility.ports import Clock, Message, PageRefusedError
from response.pagers.allowance import Allowance, Limit
from response.pagers.apps import App, Code, Question, Speaker, number, within, words
from response.pagers.exchange import WORDS_LIMIT, Exchange

KIND = "wecom-app"
URL = "https://qyapi.weixin.qq.com"
LIMITS = (Limit(30, 60_000), Limit(1000, 3_600_000))
"""Of one app to one member; what goes beyond is dropped, and nobody is told (the manual of message/send)."""
TEXT_BYTES = 2048

_CODE = Code("errcode", "errmsg", frozenset({40001, 40014, 42001}))


class WecomAppPager:
    """Pages as an app; a channel's address is the member's userid."""

    def __init__(self, app: App, clock: Clock, exchange: Exchange | None = None, url: str = URL) -> None:
        """Take the app: company id, secret, agent id."""
        self._app, self._url, self._clock = app, url, clock
        self._exchange = exchange or Exchange()
        self._allowance = Allowance(LIMITS)
        fetch = Question(f"{url}/cgi-bin/gettoken?corpid={quote(app.id)}&corpsecret={quote(app.secret)}", method="GET")
        self._speaker = Speaker(
            self._exchange,
            clock,
            _CODE,
            fetch,
            lambda said: (str(said.get("access_token") or ""), number(said.get("expires_in"))),
        )
        self.prepare, self.close = self._exchange.prepare, self._exchange.close

    def spent(self, address: str, at_ms: int) -> None:
        """Count a page that was handed over before this start."""
        self._allowance.spent(address, at_ms)

    async def page(self, message: Message) -> str:
        """Send the page; return the provider's words and its number for the message.

        A retry has the same content, and WeCom drops what it had within 30 minutes (enable_duplicate_check).
        """
        self._allowance.take(message.address, message, self._clock.now())
        return await within(self._page(message))

    async def _page(self, message: Message) -> str:
        body = {
            "touser": message.address,
            "msgtype": "text",
            "agentid": number(self._app.agent),
            "text": {"content": _fitting(f"{message.title} {message.incident} #{message.key[:6]}", words(message))},
            "enable_duplicate_check": 1,
            "duplicate_check_interval": 1800,
        }
        said = await self._speaker.ask(
            lambda token: Question(f"{self._url}/cgi-bin/message/send?access_token={quote(token)}", body)
        )
        for name in ("invaliduser", "unlicenseduser"):
            if said.get(name):
                raise PageRefusedError(f"{name}: {said[name]} (errcode 0: {said.get('errmsg', '')})"[:WORDS_LIMIT])
        return f"errcode 0: {said.get('errmsg', '')} {said.get('msgid', '')}".strip()[:WORDS_LIMIT]


def _fitting(head: str, text: str) -> str:
    """Return head and text within what is taken; the link stands at the end of the text and is kept."""
    whole = f"{head}\n{text}"
    if len(whole.encode()) <= TEXT_BYTES:
        return whole
    body, _, last = text.rpartition("\n")
    room = TEXT_BYTES - len(f"{head}\n…\n{last}".encode())
    return f"{head}\n{body.encode()[: max(0, room)].decode(errors='ignore')}…\n{last}"
