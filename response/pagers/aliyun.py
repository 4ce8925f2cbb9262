"""Pages by Alibaba Cloud's text messages and voice calls; see docs/engineers/channels.md.

Both speak a template that the provider approved beforehand; a page fills in its variables `title`, `incident` and
`text`. An HTTP 200 may carry a refusal: only `"Code": "OK"` says that it was taken, and not yet that it arrived.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from facility.ports import Clock, Message, PageRefusedError
from response.pagers.allowance import Allowance, Limit
from response.pagers.exchange import TIMEOUT_S, WORDS_LIMIT, Exchange

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
VARIABLE = 35
"""Characters that a template's variable may have (Alibaba Cloud's manual of message templates)."""

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_NOT_SPOKEN = re.compile(r"[【】\[\]{}<>\s]+")


@dataclass(frozen=True, slots=True)
class Key:
    """An access key of the cloud."""

    id: str
    secret: str


@dataclass(frozen=True, slots=True)
class Service:
    """One of the provider's services: where it is asked, what for, and what it takes.

    `number` and `variables` are its names for the number called and the template's variables; `fixed` are the site's
    own words (template, signature, number shown); `receipt` names what it calls the matter in its answer.
    """

    url: str
    action: str
    version: str
    number: str
    variables: str
    fixed: Mapping[str, str]
    receipt: str
    limits: Sequence[Limit]


def sms(sign: str, template: str, url: str = "https://dysmsapi.aliyuncs.com/") -> Service:
    """Return the service of text messages: 50 notices a day to one number (users' reports; undated)."""
    fixed = {"SignName": sign, "TemplateCode": template}
    limits = (Limit(50, DAY_MS),)
    return Service(url, "SendSms", "2017-05-25", "PhoneNumbers", "TemplateParam", fixed, "BizId", limits)


def voice(template: str, shown: str = "", url: str = "https://dyvmsapi.aliyuncs.com/") -> Service:
    """Return the service of voice calls; `shown` is the number shown, empty in the provider's shared mode.

    One number is called at most once a minute, five times an hour and twenty a day (Alibaba Cloud's manual of
    SingleCallByVoice).
    """
    fixed = {"TtsCode": template, "PlayTimes": "3", **({"CalledShowNumber": shown} if shown else {})}
    limits = (Limit(1, MINUTE_MS), Limit(5, HOUR_MS), Limit(20, DAY_MS))
    return Service(url, "SingleCallByTts", "2017-05-25", "CalledNumber", "TtsParam", fixed, "CallId", limits)


class AliyunPager:
    """Pages through one of the services; a channel's address is the mobile number."""

    def __init__(self, service: Service, key: Key, clock: Clock, timeout_s: float = TIMEOUT_S, proxy: str = "") -> None:
        """Take the service, and the key that it is asked with."""
        self._service, self._key, self._clock = service, key, clock
        self._exchange, self._allowance = Exchange(timeout_s, proxy), Allowance(service.limits)
        self.prepare, self.close = self._exchange.prepare, self._exchange.close

    async def page(self, message: Message) -> str:
        """Hand the page over; return the provider's words and its number for the matter."""
        service, now_ms = self._service, self._clock.now()
        self._allowance.take(message.address, message, now_ms)
        asked = {
            **service.fixed,
            "Action": service.action,
            "Version": service.version,
            service.number: message.address,
            service.variables: json.dumps(variables(message), ensure_ascii=False),
            "OutId": message.key[:15],
        }
        answer = await self._exchange.post(service.url, signed(asked, self._key, message.key, now_ms), _FORM)
        try:
            said = json.loads(answer.body)
        except ValueError:
            said = None
        if not isinstance(said, dict) or "Code" not in said:
            raise PageRefusedError(answer.words)
        words = f"{said['Code']}: {said.get('Message', '')}"
        if said["Code"] != "OK" or not answer.success:
            raise PageRefusedError(words[:WORDS_LIMIT])
        return f"{words} {said.get(service.receipt, '')}".strip()[:WORDS_LIMIT]


def variables(message: Message) -> dict[str, str]:
    """Return what a template can speak of: no link and no brackets, which the provider does not take."""
    text = message.text.partition("\n")[0]
    said = {"title": message.title, "incident": message.incident, "text": text}
    return {name: _NOT_SPOKEN.sub(" ", value).strip()[:VARIABLE] for name, value in said.items()}


def signed(asked: Mapping[str, str], key: Key, nonce: str, now_ms: int) -> bytes:
    """Return the form that asks for it, signed as the provider's RPC style wants it (HMAC-SHA1, version 1.0).

    `nonce` and time together are used once: a retry has the same nonce and another time.
    """
    form = {
        **asked,
        "AccessKeyId": key.id,
        "Format": "JSON",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureNonce": f"{nonce}-{now_ms}",
        "SignatureVersion": "1.0",
        "Timestamp": datetime.fromtimestamp(now_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    plain = _plain(form)
    return f"{plain}&Signature={_coded(signature('POST', form, key.secret))}".encode()


def signature(method: str, form: Mapping[str, str], secret: str) -> str:
    """Return the signature over a form, as the provider's RPC style wants it."""
    said = f"{method}&{_coded('/')}&{_coded(_plain(form))}"
    return base64.b64encode(hmac.new(f"{secret}&".encode(), said.encode(), hashlib.sha1).digest()).decode()


def _plain(form: Mapping[str, str]) -> str:
    return "&".join(f"{_coded(name)}={_coded(form[name])}" for name in sorted(form))


def _coded(text: str) -> str:
    return quote(text, safe="-_.~")
