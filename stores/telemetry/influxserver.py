"""The InfluxDB server: writes by influxdb-client or the 1.x form, questions by InfluxQL, and what failed. Blocking.

Only here is influxdb-client known. Its batching mode is never used: it loses data (`stores.telemetry.forward` batches).
"""

import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Literal

_TIMEOUT_S = 10.0
_REFUSALS = frozenset({400, 413, 422})
"""The server has understood and will never take it; every other failure may pass."""
_SAID = 500
_TOO_MANY = 429
_OK = range(200, 300)
_ANSWER_BYTES = 64 << 20
_STARTED = re.compile(rb"^process_start_time_seconds(?:\{[^}]*\})? (\S+)", re.MULTILINE)
_YOUNG_S = 2


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server is and how it lets us in. Version 1 has user and password, version 2 and 3 a token."""

    url: str
    bucket: str
    version: Literal["1", "2"] = "2"
    org: str = ""
    token: str = field(default="", repr=False)
    user: str = ""
    password: str = field(default="", repr=False)
    timeout_s: float = _TIMEOUT_S

    @property
    def database(self) -> tuple[str, str]:
        """Database and retention policy, as InfluxQL wants them; the policy may be empty."""
        database, _, policy = self.bucket.partition("/")
        return database, policy


class InfluxRefusedError(Exception):
    """The server has read the post and refuses it; the same post again would be refused again."""


class InfluxAwayError(Exception):
    """The server does not take anything at the moment; `wait_ms` is what it asked for, or 0.

    `restarted` says that it may have been started anew, and may have forgotten what it acknowledged last.
    """

    def __init__(self, why: str, *, wait: str = "", restarted: bool = True) -> None:
        super().__init__(why)
        self.wait, self.restarted = wait, restarted

    def wait_ms(self, now_ms: int) -> int:
        """Return how long the server asked us to wait (Retry-After: seconds or a date), or 0."""
        with contextlib.suppress(ValueError):
            return max(0, int(1000 * float(self.wait)))
        with contextlib.suppress(ValueError, TypeError):
            return max(0, int(1000 * parsedate_to_datetime(self.wait).timestamp()) - now_ms)
        return 0


@dataclass(frozen=True, slots=True)
class Life:
    """Which run of the server answers: no two have the same `mark`; it is empty when the server does not say.

    While it is `young`, the next run could still be given the same mark.
    """

    mark: str
    young: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One series of an InfluxQL answer."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    content: bytes


class Server:
    """One InfluxDB server. Every call ends within about ten seconds, unless the server drips its answer."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._client: Any = None
        self._write: Any = None
        import httpx

        headers, auth = {}, None
        if address.token:
            headers["Authorization"] = f"Token {address.token}"
        elif address.user:
            auth = httpx.BasicAuth(address.user, address.password)
        self._http = httpx.Client(
            base_url=address.url.rstrip("/"),
            headers=headers,
            auth=auth,
            timeout=address.timeout_s,
            trust_env=False,
        )

    def write(self, lines: bytes) -> None:
        """Post lines (microseconds); when it returns, the server has acknowledged them all.

        Raises:
            InfluxRefusedError: the server refuses these lines, or some of them.
            InfluxAwayError: the server is away, full, slow, or does not know us.
        """
        if self._address.version == "1":
            database, policy = self._address.database
            params = {"db": database, "precision": "u"} | ({"rp": policy} if policy else {})
            self._ask("POST", "/write", params, lines)
        else:
            self._write_two(lines)

    def _write_two(self, lines: bytes) -> None:
        from influxdb_client.rest import ApiException
        from urllib3.exceptions import HTTPError

        address = self._address
        if self._write is None:
            from influxdb_client import InfluxDBClient
            from influxdb_client.client.write_api import SYNCHRONOUS

            token = address.token or (f"{address.user}:{address.password}" if address.user else "")
            self._client = InfluxDBClient(
                address.url, token=token, org=address.org or "-", timeout=int(1000 * address.timeout_s)
            )
            self._write = self._client.write_api(write_options=SYNCHRONOUS)
        try:
            self._write.write(bucket=address.bucket, record=lines, write_precision="us")
        except ApiException as error:
            headers = error.headers or {}
            raise _failed(error.status or 0, str(error.body or error.reason), headers.get("Retry-After", "")) from None
        except (HTTPError, OSError) as error:
            raise InfluxAwayError(f"{type(error).__name__}: {error}"[:_SAID]) from None

    def query(self, statements: Sequence[str]) -> list[list[Table]]:
        """Ask in InfluxQL and return the series of each statement; times come back as nanoseconds.

        Raises:
            InfluxRefusedError: the server does not understand the question.
            InfluxAwayError: no answer.
        """
        database, policy = self._address.database
        params = {"db": database, "epoch": "ns", "q": ";".join(statements)} | ({"rp": policy} if policy else {})
        answer = self._ask("GET", "/query", params, b"")
        try:
            results = json.loads(answer)["results"]
            for result in results:
                if "error" in result:
                    raise InfluxRefusedError(str(result["error"])[:_SAID])
            return [
                [Table(series["columns"], series["values"]) for series in result.get("series", ())]
                for result in results
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise InfluxAwayError(f"an answer that makes no sense: {error!r}") from None

    def life(self) -> Life:
        """Say which run of the server answers: Prometheus' name for when a process started, at `/metrics`.

        InfluxDB 1.x and 2.x give hundredths of a second there, VictoriaMetrics whole seconds.

        Raises:
            InfluxAwayError: nobody answers.
        """
        try:
            answer = self._call("GET", "/metrics", {}, b"")
        except InfluxRefusedError:
            return Life("")
        found = _STARTED.search(answer.content) if answer.status in _OK else None
        if found is None:
            return Life("")
        mark = found[1].decode(errors="replace")
        with contextlib.suppress(ValueError, TypeError):
            age_s = parsedate_to_datetime(answer.headers.get("Date", "")).timestamp() - float(mark)
            return Life(mark, young=float(mark).is_integer() and abs(age_s) < _YOUNG_S)
        return Life(mark)

    def _ask(self, method: str, path: str, params: Mapping[str, str], body: bytes) -> bytes:
        answer = self._call(method, path, params, body)
        if answer.status not in _OK:
            said = answer.content.decode(errors="replace")
            raise _failed(answer.status, said, answer.headers.get("Retry-After", ""))
        return answer.content

    def _call(self, method: str, path: str, params: Mapping[str, str], body: bytes) -> _Answer:
        import httpx

        try:
            with self._http.stream(method, path, params=params, content=body) as answer:
                content = bytearray()
                for part in answer.iter_bytes():
                    content += part
                    if len(content) > _ANSWER_BYTES:
                        raise InfluxRefusedError("the answer is larger than anybody could draw")
        except (httpx.HTTPError, OSError) as error:
            raise InfluxAwayError(f"{type(error).__name__}: {error}"[:_SAID]) from None
        return _Answer(answer.status_code, answer.headers, bytes(content))

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()
        if self._client is not None:
            self._client.close()


def _failed(status: int, said: str, wait: str) -> InfluxRefusedError | InfluxAwayError:
    """Say what an answer that is not a success means."""
    why = f"HTTP {status}: {said}"[:_SAID]
    if status in _REFUSALS:
        return InfluxRefusedError(why)
    return InfluxAwayError(why, wait=wait, restarted=status > _TOO_MANY)
