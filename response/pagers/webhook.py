"""Pages by HTTP POST of JSON to an address of the site's own choice; see docs/engineers/webhook-pager.md."""

import hashlib
import hmac
import json

from facility.ports import Message, PageRefusedError
from response.pagers.exchange import WORDS_LIMIT, Exchange

KEY_HEADER = "Idempotency-Key"
SIGNATURE_HEADER = "Dutyroom-Signature"


class WebhookPager:
    """POSTs a page; taken is a 2xx answer whose body, if it is JSON, does not say `"ok": false`."""

    def __init__(self, secret: str = "", exchange: Exchange | None = None) -> None:
        """Take the secret that signs the body; none: unsigned."""
        self._secret, self._exchange = secret.encode(), exchange or Exchange()
        self.prepare, self.close = self._exchange.prepare, self._exchange.close

    async def page(self, message: Message) -> str:
        """Hand the page over; return the status and the provider's words."""
        body = payload(message)
        headers = {"Content-Type": "application/json", KEY_HEADER: message.key}
        if self._secret:
            headers[SIGNATURE_HEADER] = signature(self._secret, body)
        answer = await self._exchange.post(message.address, body, headers)
        if not answer.success:
            raise PageRefusedError(answer.words)
        refusal = _refusal(answer.body)
        if refusal is not None:
            raise PageRefusedError(f"{answer.status}, but not ok: {refusal}"[:WORDS_LIMIT])
        return answer.words


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


def _refusal(answer: bytes) -> str | None:
    """Return the provider's reason when a 2xx answer says in its body that it is none."""
    try:
        said = json.loads(answer)
    except ValueError:
        return None  # words, or nothing: the status has said it
    if isinstance(said, dict) and said.get("ok") is False:
        return str(said.get("error") or "no reason given")
    return None
