"""Pages by HTTP POST of JSON to an address of the site's own choice; see docs/engineers/webhook-pager.md."""

import asyncio
import hashlib
import hmac
import json
from typing import TYPE_CHECKING

from facility.ports import Message, PageRefusedError

if TYPE_CHECKING:
    import httpx

TIMEOUT_S = 5.0
"""For the whole exchange: a provider that drips its answer hangs too."""

READ_LIMIT = 65_536
WORDS_LIMIT = 300

KEY_HEADER = "Idempotency-Key"
SIGNATURE_HEADER = "Dutyroom-Signature"


class WebhookPager:
    """POSTs a page; taken is a 2xx answer whose body, if it is JSON, does not say `"ok": false`."""

    def __init__(self, secret: str = "", timeout_s: float = TIMEOUT_S, proxy: str = "") -> None:
        """Take the secret that signs the body (none: unsigned) and the HTTP proxy, if the site needs one."""
        self._secret, self._timeout_s, self._proxy = secret.encode(), timeout_s, proxy
        self._client: httpx.AsyncClient | None = None

    def prepare(self) -> None:
        """Load what a page needs (0.2 s), so that the first one does not wait for it. For a thread."""
        if self._client is None:
            self._open()

    async def page(self, message: Message) -> str:
        """Hand the page over; return the status and the provider's words."""
        import httpx

        client = self._client or self._open()
        body = payload(message)
        headers = {"Content-Type": "application/json", KEY_HEADER: message.key}
        if self._secret:
            headers[SIGNATURE_HEADER] = signature(self._secret, body)
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                client.stream("POST", message.address, content=body, headers=headers) as response,
            ):
                answer = await _read(response)
        except TimeoutError as error:
            raise PageRefusedError(f"no answer within {self._timeout_s:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PageRefusedError(f"{type(error).__name__}: {error}"[:WORDS_LIMIT]) from error
        said = f"{response.status_code} {response.reason_phrase}".strip()
        words = answer.decode("utf-8", "replace").strip()[:WORDS_LIMIT]
        if not response.is_success:
            raise PageRefusedError(f"{said}: {words}" if words else said)
        refusal = _refusal(answer)
        if refusal is not None:
            raise PageRefusedError(f"{said}, but not ok: {refusal}"[:WORDS_LIMIT])
        return f"{said}: {words}" if words else said

    async def close(self) -> None:
        """Let go of the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _open(self) -> "httpx.AsyncClient":
        import httpx

        # A fresh connection per page: one that idled since the last alarm may be dead, and a page must not find out.
        # Redirects are not followed: a page goes where the site's files say. Nor does the environment choose a proxy.
        self._client = httpx.AsyncClient(
            follow_redirects=False,
            trust_env=False,
            proxy=self._proxy or None,
            timeout=self._timeout_s,
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        return self._client


def payload(message: Message) -> bytes:
    """Return the documented JSON body of a page."""
    said = {
        "key": message.key,
        "incident": message.incident,
        "person": message.person,
        "priority": message.priority,
        "title": message.title,
        "text": message.text,
        "link": message.link,
    }
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()


def signature(secret: bytes, body: bytes) -> str:
    """Return what the signature header says of a body."""
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


async def _read(response: "httpx.Response") -> bytes:
    """Return the answer's body, as far as it is worth reading."""
    answer = b""
    async for piece in response.aiter_bytes():
        answer += piece
        if len(answer) >= READ_LIMIT:
            break
    return answer[:READ_LIMIT]


def _refusal(answer: bytes) -> str | None:
    """Return the provider's reason when a 2xx answer says in its body that it is none."""
    try:
        said = json.loads(answer)
    except ValueError:
        return None  # words, or nothing: the status has said it
    if isinstance(said, dict) and said.get("ok") is False:
        return str(said.get("error") or "no reason given")
    return None
