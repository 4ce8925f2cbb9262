"""The gate every request passes: whose name it calls us by, where it comes from, how big it is, and what leaves."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from api.problems import MEDIA_TYPE, document
from facility.text import Text

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_LIMIT = 1024 * 1024
"""Bytes of a request body; nothing a person sends to this API is bigger."""
UPLOADS = "/photo"
"""How a phone link's address for photos ends: it reads its body itself, and only after its link was found good."""
BODY_SECONDS = 20.0
"""How long a body may take to arrive; a client that drips bytes holds nothing longer."""

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})

_TOO_BIG = Text("请求内容超过 1 MiB，未作任何更改。", "The request is bigger than 1 MiB; nothing was changed.")
_TOO_SLOW = Text(
    "请求内容迟迟未到，未作任何更改。请重试。", "The request did not arrive in time; nothing was changed. Try again."
)
_FOREIGN = Text(
    "请求来自别的网站，已拒绝，未作任何更改。请从本系统页面操作。",
    "The request comes from another site and was refused; nothing was changed. Use this system's own pages.",
)
_NAME = Text(
    "服务只在本机监听，却被用别的名字访问，已拒绝。若前面有反向代理，请在 site.toml 设置 base_url。",
    "The service listens on this machine only but was called by another name, and refused. "
    "Behind a reverse proxy, set base_url in site.toml.",
)


class Gate:
    """Wraps the whole app.

    On loopback only loopback names and the site's own are answered (a page elsewhere cannot rebind its name onto us);
    a change, and a WebSocket, is refused when its `Origin` is foreign; a body over 1 MiB is refused before anything
    reads it; every answer carries the security headers.
    """

    def __init__(self, app: App, *, base_url: str, host: str, demo: bool) -> None:
        self._app = app
        own = urlsplit(base_url)
        self._origin = f"{own.scheme}://{own.netloc}" if own.netloc else ""
        self._names = LOOPBACK | {own.hostname or "localhost"} if host in LOOPBACK else None
        self._headers = _headers(secure=own.scheme == "https", demo=demo)
        self._phone_headers = _headers(secure=own.scheme == "https", demo=demo, phone=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, refuse or pass on."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        said = headers.get("host", "")
        if self._names is not None and urlsplit(f"//{said}").hostname not in self._names:
            await self._refuse(scope, send, 421, "wrong-name", _NAME)
        elif scope["type"] == "websocket":
            if self._foreign(headers, said):
                await self._refuse(scope, send, 403, "foreign-origin", _FOREIGN)
            else:
                await self._app(scope, receive, send)
        elif scope["method"] in _CHANGING:
            await self._change(scope, receive, send, headers)
        else:
            await self._app(scope, receive, self._dressed(scope, send))

    async def _change(self, scope: Scope, receive: Receive, send: Send, headers: dict[str, str]) -> None:
        # A phone link is its own authority and no cookie opens it; and some in-app browsers say "null" there.
        opaque = scope["path"].startswith("/p/") and headers.get("origin") == "null"
        if not opaque and self._foreign(headers, headers.get("host", "")):
            await self._refuse(scope, send, 403, "foreign-origin", _FOREIGN)
            return
        if scope["path"].startswith("/p/") and scope["path"].endswith(UPLOADS):
            await self._app(scope, receive, self._dressed(scope, send))
            return
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > BODY_LIMIT:
            await self._refuse(scope, send, 413, "too-big", _TOO_BIG)
            return
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _read(receive)
        except TimeoutError:
            await self._refuse(scope, send, 408, "too-slow", _TOO_SLOW)
            return
        if body is None:
            await self._refuse(scope, send, 413, "too-big", _TOO_BIG)
            return
        await self._app(scope, _replay(body, receive), self._dressed(scope, send))

    def _foreign(self, headers: dict[str, str], said: str) -> bool:
        origin = headers.get("origin")
        if origin is None:
            return headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}
        return origin != self._origin and (origin == "null" or urlsplit(origin).netloc != said)

    def _dressed(self, scope: Scope, send: Send) -> Send:
        phone = scope["path"].startswith(("/p/", "/e/"))
        private = phone or scope["path"].startswith("/api/")

        async def dressed(event: Event) -> None:
            if event["type"] == "http.response.start":
                headers = list(event.get("headers", ()))
                headers += self._phone_headers if phone else self._headers
                if private and not any(name == b"cache-control" for name, _ in headers):
                    headers.append((b"cache-control", b"no-store"))
                event = {**event, "headers": headers}
            await send(event)

        return dressed

    async def _refuse(self, scope: Scope, send: Send, status: int, code: str, words: Text) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": words.en[:100]})
            return
        body = document(status, code, words)
        headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode()), *self._headers]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _read(receive: Receive) -> bytes | None:
    """Return the body, or None as soon as it is too big."""
    body = bytearray()
    while True:
        event = await receive()
        if event["type"] != "http.request":
            return bytes(body)
        body += event.get("body", b"")
        if len(body) > BODY_LIMIT:
            return None
        if not event.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a receive that gives the body that was read, then whatever comes (the disconnect)."""
    given = False

    async def replay() -> Event:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return replay


def _headers(*, secure: bool, demo: bool, phone: bool = False) -> list[tuple[bytes, bytes]]:
    # The demo page frames the console and the phone page, both of this origin; nothing else is ever framed.
    frames = "'self'" if demo else "'none'"
    policy = (
        "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; object-src 'none'; "
        f"base-uri 'none'; form-action 'self'; frame-ancestors {frames}"
    )
    if phone:  # it needs no more than its own style, its own script, and the photo that was just taken
        policy = (
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
            f"base-uri 'none'; form-action 'self'; frame-ancestors {frames}"
        )
    headers = {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "x-frame-options": "SAMEORIGIN" if demo else "DENY",
        # Not no-referrer: that makes browsers send "Origin: null" with the phone page's own forms.
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "geolocation=(), microphone=(), payment=(), usb=()",
    }
    if secure:
        headers["strict-transport-security"] = "max-age=31536000"
    return [(k.encode(), v.encode()) for k, v in headers.items()]
