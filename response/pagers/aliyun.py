"""Pages by Alibaba Cloud's text messages and voice calls; see docs/engineers/channels.md.

Both speak a template that the provider approved beforehand; a page fills in its variables `title`, `incident` and
`text`. An HTTP 200 may carry a refusal: only `"Code": "OK"` says that it was taken, and not yet that it arrived.
What became of it is asked for later: QuerySendDetails (help.aliyun.com, api-dysmsapi-2017-05-25-querysenddetails) and
QueryCallDetailByCallId (document_detail/63017). Neither interface knows a key that would drop a doubled request.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

from facility.ports import Clock, Message, PageRefusedError, Receipt
from response.pagers.allowance import Allowance, Limit
from response.pagers.exchange import WORDS_LIMIT, Exchange

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
VARIABLE = 35
"""Characters that a template's variable may have (Alibaba Cloud's manual of message templates)."""

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
NOTICE_CALLS, MENU_CALLS = "11000000300006", "11000000300005"
"""The provider's numbers for calls of these sorts (QueryCallDetailByCallId, ProdId)."""
CHINA = timezone(timedelta(hours=8))
"""The provider counts days so."""

_MATTER = re.compile(r"\d+\^\d+")
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
    fate: "Fate"


@dataclass(frozen=True, slots=True)
class Fate:
    """How a service is asked what became of a matter: `asked(number, matter, sent_ms)` and what its answer means."""

    action: str
    asked: Callable[[str, str, int], Mapping[str, str]]
    read: Callable[[Mapping[str, Any], str], Receipt | None]


def sms(sign: str, template: str, url: str = "https://dysmsapi.aliyuncs.com/") -> Service:
    """Return the service of text messages: 50 notices a day to one number (users' reports; undated)."""
    fixed = {"SignName": sign, "TemplateCode": template}
    limits = (Limit(50, DAY_MS),)
    return Service(url, "SendSms", "2017-05-25", "PhoneNumbers", "TemplateParam", fixed, "BizId", limits, _SMS_FATE)


def voice(template: str, shown: str = "", url: str = "https://dyvmsapi.aliyuncs.com/") -> Service:
    """Return the service of voice calls; `shown` is the number shown, empty in the provider's shared mode.

    One number is called at most once a minute, five times an hour and twenty a day (Alibaba Cloud's manual of
    SingleCallByVoice).
    """
    fixed = {"TtsCode": template, "PlayTimes": "3", **({"CalledShowNumber": shown} if shown else {})}
    limits = (Limit(1, MINUTE_MS), Limit(5, HOUR_MS), Limit(20, DAY_MS))
    return Service(
        url, "SingleCallByTts", "2017-05-25", "CalledNumber", "TtsParam", fixed, "CallId", limits, _CALL_FATE
    )


def menu(template: str, shown: str, thanks: str, url: str = "https://dyvmsapi.aliyuncs.com/") -> Service:
    """Return the service of calls in which a key may be pressed (IvrCall): 1 accepts, 2 cannot come, 3 is there.

    It needs a bought number; after a key, and in the end, the template `thanks` is spoken. What was pressed comes back
    through a queue (aliyun_queue.py). Limits are taken to be those of other calls: none are documented of its own.
    """
    fixed = {"CalledShowNumber": shown, "StartCode": template, "PlayTimes": "3", "ByeCode": thanks}
    for n in (1, 2, 3):
        fixed |= {f"MenuKeyMap.{n}.Key": str(n), f"MenuKeyMap.{n}.Code": thanks}
    limits = (Limit(1, MINUTE_MS), Limit(5, HOUR_MS), Limit(20, DAY_MS))
    fate = Fate("QueryCallDetailByCallId", _menu_asked, _call_read)
    return Service(url, "IvrCall", "2017-05-25", "CalledNumber", "StartTtsParams", fixed, "CallId", limits, fate)


class AliyunPager:
    """Pages through one of the services; a channel's address is the mobile number."""

    def __init__(self, service: Service, key: Key, clock: Clock, exchange: Exchange | None = None) -> None:
        """Take the service, and the key that it is asked with."""
        self._service, self._key, self._clock = service, key, clock
        self._exchange, self._allowance = exchange or Exchange(), Allowance(service.limits)
        self.prepare, self.close = self._exchange.prepare, self._exchange.close

    def spent(self, address: str, at_ms: int) -> None:
        """Count a page that was handed over before this start."""
        self._allowance.spent(address, at_ms)

    async def page(self, message: Message) -> str:
        """Hand the page over; return the provider's words and its number for the matter."""
        service = self._service
        self._allowance.take(message.address, message, self._clock.now())
        asked = {
            **service.fixed,
            service.number: message.address,
            service.variables: json.dumps(variables(message), ensure_ascii=False),
            "OutId": message.key[:15],
        }
        said = await self._asked(service.action, asked, message.key)
        return f"{_words(said)} {said.get(service.receipt, '')}".strip()[:WORDS_LIMIT]

    async def follow(self, address: str, said: str, sent_ms: int) -> Receipt | None:
        """Return what became of a page by now; None while the provider does not know."""
        found = _MATTER.search(said)
        if found is None:
            return None
        fate = self._service.fate
        answer = await self._asked(fate.action, fate.asked(address, found[0], sent_ms), found[0])
        return fate.read(answer, found[0])

    async def _asked(self, action: str, asked: Mapping[str, str], nonce: str) -> Mapping[str, Any]:
        form = {**asked, "Action": action, "Version": self._service.version}
        raw = signed(form, self._key, nonce, self._clock.now())
        answer = await self._exchange.post(self._service.url, raw, _FORM)
        try:
            said = json.loads(answer.body)
        except ValueError:
            said = None
        if not isinstance(said, dict) or "Code" not in said:
            raise PageRefusedError(answer.words)
        if said["Code"] != "OK" or not answer.success:
            raise PageRefusedError(_words(said)[:WORDS_LIMIT])
        return said


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


def _words(said: Mapping[str, Any]) -> str:
    return f"{said['Code']}: {said.get('Message', '')}"


def _sms_asked(number: str, matter: str, sent_ms: int) -> Mapping[str, str]:
    day = datetime.fromtimestamp(sent_ms // 1000, CHINA).strftime("%Y%m%d")
    return {"PhoneNumber": number, "BizId": matter, "SendDate": day, "PageSize": "10", "CurrentPage": "1"}


def _sms_read(said: Mapping[str, Any], matter: str) -> Receipt | None:
    """Read `SendStatus`: 1 waits for the network's receipt, 2 failed, 3 arrived."""
    details = said.get("SmsSendDetailDTOs")
    found = details.get("SmsSendDetailDTO") if isinstance(details, dict) else None
    for one in found if isinstance(found, list) else ():
        status, why = str(one.get("SendStatus", "")), f"{one.get('ErrCode', '')} {one.get('ReceiveDate', '')}".strip()
        if status in _SMS_STATES:
            return Receipt(_SMS_STATES[status], number=matter, said=why)
    return None


def _call_asked(_number: str, matter: str, sent_ms: int) -> Mapping[str, str]:
    return {"CallId": matter, "ProdId": NOTICE_CALLS, "QueryDate": str(sent_ms)}


def _menu_asked(number: str, matter: str, sent_ms: int) -> Mapping[str, str]:
    return {**_call_asked(number, matter, sent_ms), "ProdId": MENU_CALLS}


def _call_read(said: Mapping[str, Any], matter: str) -> Receipt | None:
    """Read a call's detail, which is empty until the call has ended; who talked for some time has been reached.

    What the single states mean is not documented together with them: they are passed on as they are.
    """
    try:
        detail = json.loads(str(said.get("Data") or "null"))
        spoken_s = int(detail["duration"]) if isinstance(detail, dict) and detail.get("state") else None
    except (ValueError, KeyError, TypeError):
        spoken_s = None
    if spoken_s is None:
        return None
    words = f"state {detail['state']} {detail.get('stateDesc', '')}".strip()
    if spoken_s > 0:
        return Receipt("delivered", number=matter, said=f"answered, {spoken_s} s; {words}")
    return Receipt("failed", number=matter, said=f"not answered; {words}")


_SMS_STATES = {"2": "failed", "3": "delivered"}
_SMS_FATE = Fate("QuerySendDetails", _sms_asked, _sms_read)
_CALL_FATE = Fate("QueryCallDetailByCallId", _call_asked, _call_read)


def _plain(form: Mapping[str, str]) -> str:
    return "&".join(f"{_coded(name)}={_coded(form[name])}" for name in sorted(form))


def _coded(text: str) -> str:
    return quote(text, safe="-_.~")
