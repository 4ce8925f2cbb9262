"""One question to a provider over HTTP, within its time, with an answer or the provider's own words of refusal."""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from facility.ports import PageRefusedError

if TYPE_CHECKING:
    import httpx

TIMEOUT_S = 5.0
"""For the whole exchange: a provider that drips its answer hangs too."""

READ_LIMIT = 65_536
_LATE = ("anyio._backends._asyncio", "anyio.streams.tls", "httpcore._backends.anyio")
"""What httpx itself loads only with its first connection: 50 ms of the loop, in the middle of the first flood."""
WORDS_LIMIT = 300
"""Characters of a provider's answer that are kept in the log book."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider said: `status` is its HTTP status in words, `body` as far as it is worth reading."""

    success: bool
    status: str
    body: bytes

    @property
    def words(self) -> str:
        """Status and body as one line for the log book."""
        said = self.body.decode("utf-8", "replace").strip()[:WORDS_LIMIT]
        return f"{self.status}: {said}" if said else self.status


class Exchange:
    """Asks providers; the connection is always a fresh one, and its certificate is always verified."""

    def __init__(self, timeout_s: float = TIMEOUT_S, trust: ssl.SSLContext | None = None) -> None:
        """Take the time that one exchange may take, and whom to trust: without it, the public authorities."""
        self._timeout_s, self._trust = timeout_s, trust
        self._client: httpx.AsyncClient | None = None

    def prepare(self) -> None:
        """Load what a page needs (0.2 s), so that the first one does not wait for it. For a thread."""
        if self._client is None:
            self._open()
        for name in _LATE:
            with suppress(ImportError):  # another version has other names, and loads what it needs with the first page
                import_module(name)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Ask with a POST; otherwise as `ask`."""
        return await self.ask("POST", url, body, headers)

    async def ask(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Ask, and return the answer whatever its status.

        Raises:
            PageRefusedError: there was no answer, or none that makes sense.
        """
        import httpx

        client = self._client or self._open()
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                client.stream(method, url, content=body, headers=dict(headers)) as response,
            ):
                answer = await _read(response)
        except TimeoutError as error:
            raise PageRefusedError(f"no answer within {self._timeout_s:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PageRefusedError(f"{type(error).__name__}: {error}"[:WORDS_LIMIT]) from error
        return Answer(response.is_success, f"{response.status_code} {response.reason_phrase}".strip(), answer)

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
            verify=self._trust or True,
            timeout=self._timeout_s,
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        return self._client


async def _read(response: "httpx.Response") -> bytes:
    """Return the answer's body, as far as it is worth reading."""
    answer = b""
    async for piece in response.aiter_bytes():
        answer += piece
        if len(answer) >= READ_LIMIT:
            break
    return answer[:READ_LIMIT]
