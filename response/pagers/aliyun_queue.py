"""What comes back through Alibaba Cloud's message queues: keys pressed in a call, replies to text messages.

A queue is asked with a long question (10 s), so nothing of ours must be open to outside. Sources: help.aliyun.com
vms/developer-reference/voicecallreport (call_id, dtmf), the messages SmsUp (phone_number, content, sequence_id) and the
token (QueryTokenForMnsQueue) as in public clients of aliyunsdkdybaseapi; receiving, deleting and the signature as in
the SDK of the queue service (mns_client.py). The address of the queues is the one in the provider's examples. That a
key pressed in a call of IvrCall comes as `dtmf` is documented for VoiceCallReport; it was not tried.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterator, Mapping
from email.utils import formatdate
from typing import Any
from urllib.parse import quote

import structlog

from facility.ports import Beat, Clock, PageRefusedError
from response.pagers.aliyun import Key, signed
from response.pagers.answer import Answer, Heard
from response.pagers.exchange import WORDS_LIMIT, Exchange
from response.pagers.exchange import Answer as Said

log = structlog.get_logger(__name__)

TOKENS = "https://dybaseapi.aliyuncs.com/"
QUEUES = "https://1943695596114318.mns.cn-hangzhou.aliyuncs.com"
WAIT_S = 10
NOT_THERE, FORBIDDEN = 404, 403

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_FIELD = re.compile(rb"<(MessageId|MessageBody|ReceiptHandle|Code)>([^<]*)</")


class AliyunQueue:
    """One queue; its name ends with what comes through it, as `Alicom-Queue-…-SmsUp`."""

    def __init__(
        self,
        queue: str,
        key: Key,
        clock: Clock,
        exchange: Exchange | None = None,
        tokens: str = TOKENS,
        queues: str = QUEUES,
    ) -> None:
        """Take the queue's name as the provider's console shows it, and the site's access key."""
        self._queue, self._key, self._clock, self._tokens, self._queues = queue, key, clock, tokens, queues
        self._exchange = exchange or Exchange(WAIT_S + 5.0)
        self.kind = queue.rpartition("-")[2]
        self.name = f"aliyun-{self.kind}"

    async def talk(self, heard: Heard, up: Callable[[], None], beat: Beat) -> None:
        """Take what the queue holds, one by one; return when its token is no longer good."""
        token = await self._token()
        path = f"/queues/{self._queue}/messages"
        known = False
        while True:
            beat()
            answer = await self._asked("GET", f"{path}?waitseconds={WAIT_S}", token)
            found = {name.decode(): value.decode() for name, value in _FIELD.findall(answer.body)}
            empty = answer.status.startswith(str(NOT_THERE)) and found.get("Code") == "MessageNotExist"
            if known and answer.status.startswith(str(FORBIDDEN)):
                return
            if not (answer.success or empty):
                raise PageRefusedError(answer.words)
            if not known:
                up()
                known = True
            if answer.success:
                for said in answers(self.kind, found.get("MessageId", ""), found.get("MessageBody", "")):
                    await heard(said)
                # Only now: what was not carried out before a crash comes again, under the same id.
                await self._asked("DELETE", f"{path}?ReceiptHandle={found.get('ReceiptHandle', '')}", token)

    async def _token(self) -> Mapping[str, str]:
        asked = {
            "Action": "QueryTokenForMnsQueue",
            "Version": "2017-05-25",
            "MessageType": self.kind,
            "QueueName": self._queue,
        }
        now_ms = self._clock.now()
        answer = await self._exchange.post(self._tokens, signed(asked, self._key, self._queue, now_ms), _FORM)
        try:
            said = json.loads(answer.body)
            token = said["MessageTokenDTO"]
            return {name: str(token[name]) for name in ("AccessKeyId", "AccessKeySecret", "SecurityToken")}
        except (ValueError, KeyError, TypeError) as error:
            raise PageRefusedError(answer.words[:WORDS_LIMIT]) from error

    async def _asked(self, method: str, resource: str, token: Mapping[str, str]) -> Said:
        date = formatdate(self._clock.now() / 1000, usegmt=True)
        sign = signature(method, date, resource, token["AccessKeySecret"])
        headers = {
            "x-mns-version": "2015-06-06",
            "Date": date,
            "Authorization": f"MNS {token['AccessKeyId']}:{sign}",
            "security-token": token["SecurityToken"],
        }
        return await self._exchange.ask(method, f"{self._queues}{quote(resource, safe='/?=&')}", b"", headers)


def signature(method: str, date: str, resource: str, secret: str) -> str:
    """Return the signature over a question without a body, as the queue service wants it (HMAC-SHA1)."""
    said = f"{method}\n\n\n{date}\nx-mns-version:2015-06-06\n{resource}"
    return base64.b64encode(hmac.new(secret.encode(), said.encode(), hashlib.sha1).digest()).decode()


def answers(kind: str, id: str, body: str) -> Iterator[Answer]:
    """Yield what people answered in a message of a queue; it may hold one report or a list of them."""
    for said in _reports(body):
        if kind == "SmsUp" and said.get("phone_number"):
            own = str(said.get("sequence_id") or id)
            yield Answer("sms", (str(said["phone_number"]),), str(said.get("content", "")), own)
        elif said.get("dtmf") and said.get("call_id"):
            call = str(said["call_id"])
            yield Answer("voice", (), str(said["dtmf"])[:1], f"{call}/{said['dtmf']}", number=call)


def _reports(body: str) -> list[Mapping[str, Any]]:
    try:
        said = json.loads(base64.b64decode(body, validate=True))
    except ValueError:
        try:
            said = json.loads(body)
        except ValueError:
            log.warning("a message of a queue that cannot be read", size=len(body))
            return []
    return [one for one in (said if isinstance(said, list) else [said]) if isinstance(one, dict)]
