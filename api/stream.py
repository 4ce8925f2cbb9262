"""The live stream of one screen: a snapshot, then what changed, values at most once a second, a beat every 2 s.

When other files are adopted, a message "site" says so; what it wants to know of them it reads at /api/v1/site, and a
snapshot follows.

There is no queue that could grow. A commit only marks what changed; one message at a time is made from the newest view
and handed to the socket, and while a slow client has not taken it, further changes melt into the next one. A client
that does not take a message within `STUCK_S` is dropped, and begins anew with a snapshot when it comes back.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec
from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect

from alarms.life import is_hidden, is_open
from api.figures import Figures
from api.planned import PlannedCount, counts
from api.rights import Right
from api.routes.alarms import hidden_from, shown
from api.routes.incidents import whole
from api.shapes.alarm import AlarmShape, HiddenShape
from api.shapes.base import Shape
from api.shapes.health import NoticeShape
from api.shapes.incident import IncidentShape, IncidentSummary
from api.station import Station, View
from api.views.alarm import alarm_shape, joined
from api.views.incident import incident_summary
from api.views.record import notice_shape
from api.views.words import number
from api.who import Caller, find_caller, station_of
from facility.equipment import split_point
from facility.ports import Written
from facility.records import IncidentJoined, IncidentOpened
from facility.scan import Reason, quality

router = APIRouter()

BEAT_MS = 2000
VALUES_MS = 1000
SPACING_MS = 100
"""Changes closer together than this leave as one message: a flood is many commits, and a screen draws one picture."""
STUCK_S = 5.0
SESSION_MS = 15_000
"""How often the session behind an open stream is looked at again."""
MESSAGE_LIMIT = 1024 * 1024

LOGGED_OUT, NOT_ALLOWED, TOO_SLOW, NONSENSE = 4401, 4403, 1013, 1007


class Snapshot(Shape):
    """Everything that is open."""

    type: Literal["snapshot"] = "snapshot"
    alarms: list[AlarmShape]
    hidden: list[HiddenShape]
    incidents: list[IncidentSummary]
    notices: list[NoticeShape]
    at_ms: int
    planned: PlannedCount


class Change(Shape):
    """What is different since the last message: whole objects, and the ids of what is over, or out of sight.

    `hidden` is everything that is out of sight now, `planned` counts planned work; None when nothing of it changed.
    """

    type: Literal["change"] = "change"
    alarms: list[AlarmShape]
    gone: list[str]
    incidents: list[IncidentShape]
    closed: list[str]
    notices: list[NoticeShape]
    at_ms: int
    hidden: list[HiddenShape] | None = None
    planned: PlannedCount | None = None


class Watch(msgspec.Struct, forbid_unknown_fields=True):
    """What a client says: the machines whose values it wants from now on."""

    watch: list[str]


@router.websocket("/api/v1/live")
async def live(socket: WebSocket) -> None:
    """Serve one screen until it leaves, its session ends, or it is too slow."""
    caller = await find_caller(socket)
    if caller is None or caller.may(Right.SEE_LIVE) is None:
        await socket.accept()  # a code is only heard after the handshake; the client must know why
        await socket.close(LOGGED_OUT if caller is None else NOT_ALLOWED)
        return
    await socket.accept()
    figures: Figures = socket.app.state.figures
    figures.count("live_clients")
    try:
        await Screen(socket, station_of(socket), caller).serve()
    except _Over as over:
        if over.code == TOO_SLOW:
            figures.count("live_dropped_total")
        with contextlib.suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
            async with asyncio.timeout(1):
                await socket.close(over.code)
    finally:
        figures.count("live_clients", -1)


class _Over(Exception):  # noqa: N818 - not an error: the stream ends
    """The stream ends, with a code that tells the client why."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Screen:
    """One client of the stream."""

    def __init__(self, socket: WebSocket, station: Station, caller: Caller) -> None:
        self._socket, self._station, self._caller = socket, station, caller
        self._site = station.site
        self._machines = caller.machines(station.site)
        self._wanted: set[str] = set()  # machines whose values it wants
        self._one_at_a_time = asyncio.Lock()
        self._changed = asyncio.Event()
        self._subjects: set[str] = set()
        self._hidden: set[str] = set()  # subjects that were last said to be out of sight
        self._shown: set[str] = set()  # subjects this client has; only these can be gone for it
        self._points: list[str] = []
        self._fresh = False  # the watch list is new: everything is sent once
        self._version = 0
        self._notices: list[NoticeShape] = []

    async def serve(self) -> None:
        """Run until the client leaves or the stream is over."""
        unsubscribe = self._station.subscribe(self.told)
        tasks = [
            asyncio.create_task(work(), name=f"live:{self._caller.id}:{work.__name__}")
            for work in (self._listen, self._changes, self._ticks)
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except WebSocketDisconnect:
            pass
        finally:
            unsubscribe()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def told(self, written: Sequence[Written]) -> None:
        """Mark what a commit changed; called in the loop by the desk, and never waits."""
        for w in written:
            self._subjects.add(w.record.subject)
            if isinstance(w.record.data, (IncidentOpened, IncidentJoined)) and w.record.data.alarm:
                self._subjects.add(w.record.data.alarm)  # the alarm's row names its incident
        self._changed.set()

    # -- what the client says ---------------------------------------------------------------------------------

    async def _listen(self) -> None:
        while True:
            text = await self._socket.receive_text()
            if len(text) > MESSAGE_LIMIT:
                raise _Over(NONSENSE)
            try:
                wish = msgspec.json.decode(text, type=Watch)
            except (msgspec.DecodeError, UnicodeError, RecursionError):
                raise _Over(NONSENSE) from None
            self._watch(wish.watch)

    def _watch(self, machines: Iterable[str]) -> None:
        """Take the machines it wants; unknown ones, and ones it may not see, bring nothing."""
        self._wanted = set(machines)
        wanted = self._wanted
        if self._machines is not None:
            wanted = wanted & self._machines
        self._points = [p for p in self._station.site.device_of if split_point(p)[0] in wanted]
        self._fresh = True
        self._changed.set()

    # -- what it hears ----------------------------------------------------------------------------------------

    async def _changes(self) -> None:
        await self._snapshot()
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._station.site is not self._site:
                await self._begin_anew()
            if self._fresh:
                await self._values()
            if self._subjects:
                subjects, self._subjects = self._subjects, set()
                await self._change(subjects)
                await self._station.clock.until(self._station.clock.now() + SPACING_MS)

    async def _ticks(self) -> None:
        clock = self._station.clock
        values_at = beat_at = clock.now()
        session_at = clock.now() + SESSION_MS
        while True:
            values_at = max(values_at + VALUES_MS, clock.now())
            await clock.until(values_at)
            await self._values()
            if clock.now() >= beat_at:
                beat_at = clock.now() + BEAT_MS
                await self._notice()
                await self._send(msgspec.json.encode({"type": "beat", "at_ms": clock.now()}))
            if clock.now() >= session_at:
                session_at = clock.now() + SESSION_MS
                if await find_caller(self._socket) != self._caller:
                    raise _Over(LOGGED_OUT)

    async def _begin_anew(self) -> None:
        """Other files hold: say so, what is no longer read, and everything that is open, by the new names."""
        self._site, before = self._station.site, self._points
        self._machines = self._caller.machines(self._site)
        self._watch(self._wanted)
        now, stay = self._station.clock.now(), frozenset(self._points)
        await self._send(msgspec.json.encode({"type": "site", "hash": self._site.hash, "at_ms": now}))
        removed = quality(Reason.REMOVED).value
        if gone := [[point, None, removed, now] for point in before if point not in stay]:
            await self._send(msgspec.json.encode({"type": "values", "at_ms": now, "values": gone}))
        await self._snapshot()

    async def _snapshot(self) -> None:
        station, caller = self._station, self._caller
        self._subjects.clear()
        view = station.view()
        hidden = hidden_from(station, caller)
        self._hidden = {h.subject for h in hidden}

        def written() -> tuple[set[str], bytes]:
            alarms = [alarm_shape(station.site, alarm, incident) for alarm, incident in shown(station, view, caller)]
            own = [i for i in view.incidents.values() if caller.sees(i)]
            snapshot = Snapshot(
                alarms=alarms,
                hidden=hidden,
                incidents=[incident_summary(view, station.site, i) for i in own],
                notices=[notice_shape(n) for n in view.notices],
                at_ms=view.at_ms,
                planned=counts(view),
            )
            return {a.subject for a in alarms} | {f"incident:{i.id}" for i in own}, snapshot.model_dump_json().encode()

        self._shown, text = await asyncio.to_thread(written)
        self._notices = [notice_shape(n) for n in view.notices]
        await self._send(text)

    async def _change(self, subjects: set[str]) -> None:
        view = self._station.view()
        incidents = await self._incidents(view, subjects)
        # An alarm comes into a technician's sight when its incident becomes his own.
        subjects |= {a for i in incidents for a in i.alarms if a not in self._shown}
        alarms = self._alarms(view, subjects)
        present = {a.subject for a in alarms} | {f"incident:{i.id}" for i in incidents}
        over = (subjects & self._shown) - present
        self._shown = (self._shown - over) | present
        hidden = self._hides(view, subjects)
        change = Change(
            alarms=alarms,
            gone=sorted(s for s in over if s.startswith("alarm:")),
            incidents=incidents,
            closed=sorted(s.removeprefix("incident:") for s in over if s.startswith("incident:")),
            notices=[notice_shape(n) for n in view.notices],
            at_ms=view.at_ms,
            hidden=hidden,
            planned=counts(view) if any(s.startswith(("permit:", "ticket:", "held:")) for s in subjects) else None,
        )
        self._notices = change.notices
        if present or over or hidden is not None or change.planned is not None:
            await self._send(change.model_dump_json().encode())

    def _hides(self, view: View, subjects: set[str]) -> list[HiddenShape] | None:
        """Return what is out of sight, when one of these alarms is, or was; None when nothing of it changed."""
        alarms = (view.alarms.get(s) for s in subjects)
        if self._hidden.isdisjoint(subjects) and not any(a and (is_hidden(a) or a.chattering) for a in alarms):
            return None
        hidden = hidden_from(self._station, self._caller)
        self._hidden = {h.subject for h in hidden}
        return hidden

    def _alarms(self, view: View, subjects: set[str]) -> list[AlarmShape]:
        in_incident = joined(view)
        out: list[AlarmShape] = []
        for subject in subjects:
            alarm = view.alarms.get(subject)
            if alarm is None or not is_open(alarm) or is_hidden(alarm):
                continue
            incident = in_incident.get(subject)
            own = incident is not None and self._caller.sees(view.incidents[incident])
            if own or self._machines is None or alarm.owner in self._machines:
                out.append(alarm_shape(self._station.site, alarm, incident))
        return out

    async def _incidents(self, view: View, subjects: set[str]) -> list[IncidentShape]:
        ids = (s.removeprefix("incident:") for s in subjects if s.startswith("incident:"))
        found = map(view.incidents.get, ids)
        return [await whole(self._station, i) for i in found if i is not None and self._caller.sees(i)]

    async def _notice(self) -> None:
        """Send the notices when they changed without a commit (a line went down)."""
        view = self._station.view()
        notices = [notice_shape(n) for n in view.notices]
        if notices != self._notices:
            self._notices = notices
            change = Change(alarms=[], gone=[], incidents=[], closed=[], notices=notices, at_ms=view.at_ms)
            await self._send(change.model_dump_json().encode())

    async def _values(self) -> None:
        if not self._points:
            return
        since, self._fresh = (0 if self._fresh else self._version), False
        self._version, changed = self._station.live.since(since, self._points)
        if changed:
            rows = [[p, number(n.value), quality(n.reason).value, n.at_ms] for p, n in changed.items()]
            message = {"type": "values", "at_ms": self._station.clock.now(), "values": rows}
            await self._send(msgspec.json.encode(message))

    async def _send(self, text: bytes) -> None:
        try:
            async with asyncio.timeout(STUCK_S), self._one_at_a_time:
                await self._socket.send_text(text.decode())
        except TimeoutError:
            raise _Over(TOO_SLOW) from None
        except RuntimeError:
            raise WebSocketDisconnect from None  # the transport closed between two sends
