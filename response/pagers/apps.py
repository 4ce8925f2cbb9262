"""Messages of an app to one named person, at DingTalk, WeCom or Feishu: the token that all three ask for, and errors.

A token is fetched when the first page needs it, renewed before it ends, and once more in the middle of a page when the
provider says that it is no longer good. All three answer HTTP 200 to what they refuse: only the code counts.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from facility.ports import Clock, Message, PageRefusedError
from response.pagers.exchange import WORDS_LIMIT, Answer, Exchange

PAGE_S = 15.0
"""For one page with all that belongs to it (token, message, token again): the next channel must not wait longer."""
EARLY_S = 300
"""A token is renewed so long before it ends (DingTalk's SDK does the same)."""

_JSON = {"Content-Type": "application/json; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class App:
    """What a provider knows an app by; `agent` is DingTalk's and WeCom's number of the app within the company."""

    id: str
    secret: str = field(repr=False)
    agent: str = ""

    @classmethod
    def of(cls, words: str) -> "App":
        """Read it as secrets.toml has it: id, secret and agent id with spaces between."""
        found = [*words.split(), "", "", ""]
        return cls(found[0], found[1], found[2])


@dataclass(frozen=True, slots=True)
class Question:
    """One question to a provider; a `body` is sent as JSON."""

    url: str
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"


class Manner(Protocol):
    """How a provider says no."""

    def refusal(self, said: Mapping[str, Any], answer: Answer) -> str:
        """Return its words of refusal; empty when it took what was asked."""

    def is_expired(self, said: Mapping[str, Any]) -> bool:
        """Whether a new token may help."""


@dataclass(frozen=True, slots=True)
class Code:
    """Where an answer says how it went: `name` holds 0 when it was taken; `expired` mean that the token is not good."""

    name: str
    words: str
    expired: frozenset[int]

    def refusal(self, said: Mapping[str, Any], answer: Answer) -> str:
        """Return the provider's words of refusal; empty when it took what was asked."""
        if self.name not in said:
            return f"an answer without a code: {answer.words}"[:WORDS_LIMIT]
        code = said[self.name]
        if code == 0 and not isinstance(code, bool):
            return "" if answer.success else answer.words
        more = f" ({said['sub_code']}: {said.get('sub_msg', '')})" if said.get("sub_code") else ""
        return f"{self.name} {code}: {said.get(self.words) or 'no reason given'}{more}"[:WORDS_LIMIT]

    def is_expired(self, said: Mapping[str, Any]) -> bool:
        """Whether a new token may help."""
        codes = {str(said.get(self.name)), str(said.get("sub_code"))}
        return not codes.isdisjoint(map(str, self.expired))


Token = Callable[[Mapping[str, Any]], tuple[str, int]]
"""Reads a token, and its life in seconds, from the answer to the question for it."""


class Speaker:
    """Asks one provider as one app; `fetch` is the question for a token."""

    def __init__(self, exchange: Exchange, clock: Clock, manner: Manner, fetch: Question, token: Token) -> None:
        self._exchange, self._clock, self._manner, self._fetch, self._read = exchange, clock, manner, fetch, token
        self._one = asyncio.Lock()
        self._token, self._until_ms = "", 0

    async def ask(self, question: Callable[[str], Question], manner: Manner | None = None) -> Mapping[str, Any]:
        """Ask with the token, and once more with a new one if it is refused.

        Raises:
            PageRefusedError: no answer, or an answer of refusal, in the provider's words.
        """
        manner = manner or self._manner
        token = await self._good()
        said, answer = await self._plain(question(token))
        if manner.is_expired(said):
            if self._token == token:
                self._token = ""
            said, answer = await self._plain(question(await self._good()))
        if why := manner.refusal(said, answer):
            raise PageRefusedError(why)
        return said

    async def _plain(self, question: Question) -> tuple[Mapping[str, Any], Answer]:
        body = b"" if question.body is None else json.dumps(question.body, ensure_ascii=False).encode()
        answer = await self._exchange.ask(question.method, question.url, body, {**_JSON, **question.headers})
        try:
            said = json.loads(answer.body)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise PageRefusedError(answer.words)
        return said, answer

    async def _good(self) -> str:
        async with self._one:  # pages at the same moment share one question
            if not self._token or self._clock.now() >= self._until_ms:
                self._token = ""
                said, answer = await self._plain(self._fetch)
                token, life_s = self._read(said)
                if not token:
                    raise PageRefusedError(f"no token: {answer.words}"[:WORDS_LIMIT])
                self._token, self._until_ms = token, self._clock.now() + max(life_s - EARLY_S, life_s // 2) * 1000
            return self._token


async def within(page: Awaitable[str], limit_s: float = PAGE_S) -> str:
    """Return what came of a page within its time; raise PageRefusedError beyond it."""
    try:
        async with asyncio.timeout(limit_s):
            return await page
    except TimeoutError as error:
        raise PageRefusedError(f"no answer within {limit_s:g} s in all") from error


def words(message: Message) -> str:
    """Return a page as text: what happened, and the person's own link."""
    return f"{message.text}\n{message.link}" if message.link else message.text


def number(value: object) -> int:
    """Return a number that a provider gives as a number or as text; 0 for anything else."""
    return int(value) if isinstance(value, int | str) and str(value).isdigit() else 0
