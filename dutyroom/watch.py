"""`dutyroom watch`: listens elsewhere for the signs of life of sites, and calls people when one stops."""

import asyncio
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from dutyroom.channels import channels
from dutyroom.clock import SystemClock, WakingClock
from dutyroom.heartbeat import Sign
from dutyroom.settings import Settings
from dutyroom.supervisor import Supervisor
from dutyroom.watcher import Call, Watcher
from facility.person import Channel
from facility.ports import Clock, Message, Pager, PageRefusedError
from response.pagers.webhook import SIGNATURE_HEADER, signature
from sitefolder import SiteError
from sitefolder.finding import Problems
from sitefolder.watchfile import load_watch

log = structlog.get_logger(__name__)

BODY_LIMIT = 65_536
RETRY_MS = (2_000, 4_000, 8_000, 16_000, 30_000, 60_000)
TRIES = 20
"""So often a call is tried on one channel; the next round comes after five minutes anyway."""


class Watch:
    """Hears signs, keeps what it knows in a file, and calls everybody on every channel at once."""

    def __init__(
        self,
        secrets: Mapping[str, str],
        channels: Sequence[Channel],
        pagers: Mapping[str, Pager],
        clock: WakingClock,
        path: Path,
    ) -> None:
        """Take the sites with their secrets, whom to call and how, and where to keep what is known."""
        self._secrets, self._channels, self._pagers, self._clock, self._path = secrets, channels, pagers, clock, path
        self.watcher = Watcher(secrets, clock.now(), _read(path))
        self._news = asyncio.Event()
        self._calling: set[asyncio.Task[None]] = set()

    def hear(self, site: str, body: bytes, signed: str) -> int:
        """Take a sign as it came; return the HTTP status that says what became of it."""
        secret = self._secrets.get(site)
        if secret is None:
            return 404
        if len(body) > BODY_LIMIT or not hmac.compare_digest(signature(secret.encode(), body), signed):
            return 403
        try:
            sign = _sign(json.loads(body))
        except (ValueError, TypeError, KeyError):
            return 422
        if sign.site != site:
            return 403
        heard = self.watcher.tell(sign, self._clock.now())
        self._news.set()
        return 204 if heard else 409

    async def run(self, beat: Callable[[], None]) -> None:
        """Decide for ever: whenever something was heard, and whenever something is due."""
        while True:
            beat()
            for call in self.watcher.decide(self._clock.now()):
                log.warning("calling", site=call.site, text=call.text.en)
                for channel in self._channels:
                    task = asyncio.create_task(self._call(call, channel), name=f"call:{call.key}")
                    self._calling.add(task)
                    task.add_done_callback(self._calling.discard)
            await asyncio.to_thread(_write, self._path, self.watcher.memory())
            due = min(self.watcher.due(), self._clock.now() + 30_000)
            await self._clock.woken(self._news, due)

    async def called(self) -> None:
        """Wait until nobody is being called any more."""
        await asyncio.gather(*self._calling, return_exceptions=True)

    async def _call(self, call: Call, channel: Channel) -> None:
        """Call one channel until it takes it."""
        pager = self._pagers.get(channel.kind)
        if pager is None:
            log.error("no such channel is set up", channel=channel.kind)
            return
        text = f"{call.text.zh}\n{call.text.en}"
        title = call.text.zh.partition("】")[0].removeprefix("【")
        message = Message(call.key, channel.address, "", call.site, title, text, "", 1)
        for attempt in range(TRIES):
            try:
                said = await pager.page(message)
            except PageRefusedError as error:
                log.warning("not called", site=call.site, channel=channel.kind, attempt=attempt + 1, why=str(error))
                await self._clock.until(self._clock.now() + RETRY_MS[min(attempt, len(RETRY_MS) - 1)])
            else:
                log.info("called", site=call.site, channel=channel.kind, said=said)
                return
        log.error("could not call", site=call.site, channel=channel.kind)


def app(watch: Watch) -> Any:
    """Return the web application: POST /beat/<site>, and GET / for a look at what is known."""
    from fastapi import FastAPI, Request, Response

    out = FastAPI(title="dutyroom watch", docs_url=None, redoc_url=None, openapi_url=None)

    @out.post("/beat/{site}")
    async def beat(site: str, request: Request) -> Response:
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > BODY_LIMIT:
                return Response(status_code=413)
        return Response(status_code=watch.hear(site, body, request.headers.get(SIGNATURE_HEADER, "")))

    @out.get("/")
    async def known() -> dict[str, str]:
        return {site: str(of["state"]) for site, of in watch.watcher.memory().items()}

    return out


def _sign(said: Mapping[str, Any]) -> Sign:
    site, reasons = str(said["site"]), tuple(map(str, said.get("reasons", ())))
    return Sign(site, int(said["at_ms"]), int(said["seq"]), str(said["head"]), str(said["status"]), reasons)


def _read(path: Path) -> dict[str, dict[str, object]]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}  # nothing known is a safe beginning: whoever stays silent is called about
    return found if isinstance(found, dict) else {}


def _write(path: Path, known: Mapping[str, Mapping[str, object]]) -> None:
    part = path.with_suffix(".part")
    try:
        part.write_text(json.dumps(known), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        log.error("what is known could not be kept; after a restart it is learnt anew", why=str(error))


def serve(file: Path, data: Path, host: str, port: int, ready: Callable[[int], None]) -> None:
    """Listen until asked to stop; `ready` hears the port.

    Raises:
        SiteError: the file cannot be used.
    """
    problems = Problems()
    said = load_watch(file, problems)
    if said is None:
        raise SiteError(problems.findings)
    data.mkdir(parents=True, exist_ok=True)
    clock = SystemClock()
    settings = Settings(site_folder=file.parent, data=data).of_site(said.settings.flat())
    pagers = channels(settings, said.secrets, clock, data / "demo-phone.jsonl")
    secrets = {table.id: table.secret for table in said.site}
    watch = Watch(secrets, said.channels(), pagers, clock, data / "watch.json")
    asyncio.run(_serve(watch, clock, host, port, ready))


async def _serve(watch: Watch, clock: Clock, host: str, port: int, ready: Callable[[int], None]) -> None:
    import uvicorn

    supervisor = Supervisor()
    server = uvicorn.Server(uvicorn.Config(app(watch), host, port, log_config=None, access_log=False, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    keeping = asyncio.create_task(supervisor.watch())
    supervisor.keep("watch", watch.run, limit_ms=60_000)
    while not server.started and not serving.done():  # it tells nobody that it listens
        await clock.until(clock.now() + 10)
    if server.started:
        ready(server.servers[0].sockets[0].getsockname()[1])
    await serving
    keeping.cancel()
    await supervisor.stop()
