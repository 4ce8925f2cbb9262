"""What a phone's browser keeps of ours: which device it is, and the links by which it acted.

The cookies open nothing by themselves. The device's says whether a link is used by more than one phone; the links' lets
a machine's label, read by the phone's own scanner, know whose arrival it is. Both are set by a press, never by a look.
"""

import hashlib
import re
import secrets
from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import Response

_DEVICE, _LINKS = "dutyroom-device", "dutyroom-links"
_KEPT = 4
_DAY_S = 86_400
_TOKEN = re.compile(r"[A-Za-z0-9_.-]{20,512}")
_SECRET = re.compile(r"[A-Za-z0-9_-]{22}")

_APPS = (
    ("wxwork", "wecom"),
    ("micromessenger", "wechat"),
    ("dingtalk", "dingtalk"),
    ("lark", "feishu"),
    ("feishu", "feishu"),
)


class Pocket:
    """Reads and writes the cookies of one request."""

    def __init__(self, request: Request, base_url: str) -> None:
        self._secure = base_url.startswith("https:")
        given = request.cookies.get(self._name(_DEVICE), "")
        self._device = given if _SECRET.fullmatch(given) else secrets.token_urlsafe(16)
        kept = request.cookies.get(self._name(_LINKS), "").split("~")
        self._links = [token for token in kept if _TOKEN.fullmatch(token)][:_KEPT]
        self.app = app_of(request.headers.get("user-agent", ""))

    @property
    def device(self) -> str:
        """The device by the hash of its cookie: what the book may know of it."""
        return hashlib.sha256(self._device.encode()).hexdigest()[:12]

    def links(self) -> Iterator[str]:
        """Yield the tokens by which this browser acted, the newest first."""
        yield from self._links

    def keep(self, token: str, answer: Response) -> None:
        """Let an answer carry the cookies, with this token as the newest."""
        links = [token, *(t for t in self._links if t != token)][:_KEPT]
        self._set(answer, _DEVICE, self._device, 400 * _DAY_S)
        self._set(answer, _LINKS, "~".join(links), 7 * _DAY_S)

    def _set(self, answer: Response, name: str, value: str, seconds: int) -> None:
        # Lax: the label's address is opened from the phone's scanner, and must bring the links along.
        answer.set_cookie(
            self._name(name), value, seconds, path="/", secure=self._secure, httponly=True, samesite="lax"
        )

    def _name(self, name: str) -> str:
        return f"__Host-{name}" if self._secure else name


def app_of(agent: str) -> str:
    """Return in which app a browser runs: wechat, wecom, dingtalk, feishu, or browser."""
    said = agent.lower()
    return next((app for word, app in _APPS if word in said), "browser")
