"""From a request to the desk and back: who asks, under which request id, and what was written."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from fastapi import Header
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api.problems import ProblemError, refused
from api.shapes.record import DoneShape
from api.station import Station
from api.views import record_shape
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


def request_id(actor: str, header: str, body: str) -> str:
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


async def carry_out(request: Request, command: Command) -> Response:
    """Ask, and answer with what was written; the desk's no becomes a problem in the desk's own words."""
    station: Station = request.app.state.station
    flights: Flights = request.app.state.flights
    said = await flights.ask(station, command)
    if isinstance(said, Refused):
        raise refused(said)
    subjects = [w.record.subject for w in said if w.record.subject.startswith("incident:")]
    done = DoneShape(
        records=[record_shape(w) for w in said],
        incident=subjects[0].removeprefix("incident:") if subjects else "",
        repeated=not said,
    )
    return Response(done.model_dump_json(), media_type="application/json")
