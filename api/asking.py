"""From a request to the desk and back: who asks, under which request id, and what was written."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Concatenate, ParamSpec

import msgspec
from fastapi import Depends, Header
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api.problems import ProblemError, refused
from api.rights import Reach, Right
from api.shapes.record import DoneShape
from api.station import Station
from api.views.record import record_shape
from api.who import Caller, allowed, forbidden
from facility.commands import Command, Refused
from facility.ports import Written
from facility.text import Text

Id = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9:/_.-]+$")]
"""An id of ours: ASCII, short."""
IdOrNothing = Annotated[str, Field(max_length=200, pattern=r"^[A-Za-z0-9:/_.-]*$")]
"""An id of ours, or the empty string."""
Said = Annotated[str, Field(min_length=1, max_length=2000)]
"""What a person must have written."""
Note = Annotated[str, Field(max_length=2000)]
"""What a person wrote, or nothing."""

_NOBODY = Text("请说明是谁（person）；未作任何更改。", "Say who it is (person); nothing was changed.")

_Said = ParamSpec("_Said")

IdempotencyKey = Annotated[
    str, Header(alias="Idempotency-Key", max_length=80, pattern=r"^[A-Za-z0-9._:-]*$", description="One per press.")
]


class Body(BaseModel):
    """What a command's JSON may hold; anything else is refused. `request` is one per press, made by the client."""

    model_config = ConfigDict(extra="forbid", strict=True)

    request: Annotated[str, Field(max_length=80, pattern=r"^[A-Za-z0-9._:-]*$")] = ""


class _StrictRequest(Request):
    async def json(self) -> Any:
        """Return the body; NaN, numbers beyond a double, broken Unicode and endless nesting are not JSON."""
        try:
            return msgspec.json.decode(await self.body())
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise HTTPException(400) from error


class StrictRoute(APIRoute):
    """A route that reads JSON to the letter."""

    def get_route_handler(self) -> Any:
        """Return the handler, given our request."""
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            answer: Response = await handler(_StrictRequest(request.scope, request.receive))
            return answer

        return strict


class Flights:
    """Commands on their way. The same one twice at the same moment (a double click) becomes one, with one answer."""

    def __init__(self) -> None:
        self._flying: dict[tuple[str, Command], asyncio.Task[Sequence[Written] | Refused]] = {}

    async def ask(self, station: Station, command: Command) -> Sequence[Written] | Refused:
        """Ask the desk; whoever asked hangs up does not undo it."""
        key = (type(command).__name__, command)
        task = self._flying.get(key)
        if task is None:
            task = asyncio.create_task(_ask(station, command))
            self._flying[key] = task
            task.add_done_callback(lambda _: self._flying.pop(key, None))
        return await asyncio.shield(task)


async def _ask(station: Station, command: Command) -> Sequence[Written] | Refused:
    return await station.ask(command)


class Press:
    """One press of a button: who pressed it, with which right, and the way to the desk."""

    def __init__(self, request: Request, caller: Caller, right: Right, key: str) -> None:
        self.caller, self.right = caller, right
        self.station: Station = request.app.state.station
        self._flights: Flights = request.app.state.flights
        self._key = key

    @property
    def own(self) -> bool:
        """Whether the caller's right reaches no further than what is his own."""
        return self.caller.may(self.right) is Reach.OWN

    def request(self, body: Body) -> str:
        """Return the request id of this press.

        Raises:
            ProblemError: there is none.
        """
        return _request_id(self.caller.actor, self._key, body.request)

    def speaks_for(self, person: str) -> str:
        """Return whose word a press is: one's own where the right reaches no further, else whom it names, or oneself.

        Raises:
            ProblemError: it names somebody else than it may, or nobody.
        """
        if self.own and person not in {"", self.caller.person}:
            raise forbidden()
        if not (person or self.caller.person):
            raise ProblemError(422, "invalid", _NOBODY)
        return person or self.caller.person

    async def asks(
        self,
        body: Body,
        make: Callable[Concatenate[str, str, _Said], Command],
        *said: _Said.args,
        **named: _Said.kwargs,
    ) -> Response:
        """Ask for a command, and answer with what was written; the desk's no becomes a problem in its own words.

        `make` takes actor and request id before what is `said`.
        """
        command = make(self.caller.actor, self.request(body), *said, **named)
        written = await self._flights.ask(self.station, command)
        if isinstance(written, Refused):
            raise refused(written)
        subjects = [w.record.subject for w in written if w.record.subject.startswith("incident:")]
        done = DoneShape(
            records=[record_shape(w) for w in written],
            incident=subjects[0].removeprefix("incident:") if subjects else "",
            repeated=not written,
        )
        return Response(done.model_dump_json(), media_type="application/json")


def pressed(right: Right) -> Callable[..., Awaitable[Press]]:
    """Return the dependency that lets in presses by callers with this right, and no others."""

    async def press(
        request: Request, caller: Annotated[Caller, Depends(allowed(right))], key: IdempotencyKey = ""
    ) -> Press:
        return Press(request, caller, right, key)

    return press


def _request_id(actor: str, header: str, body: str) -> str:
    """Return the id under which a press is known to the book; two users can never have the same one."""
    given = header or body
    if not given:
        raise ProblemError(
            422,
            "no-request-id",
            Text(
                "缺少请求编号（Idempotency-Key 或 request），未作任何更改。每次按键请带一个新编号。",
                "There is no request id (Idempotency-Key or request); nothing was changed. Send one with each press.",
            ),
        )
    return f"{actor}/{given}"
