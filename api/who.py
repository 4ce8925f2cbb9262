"""Who is asking: from the session cookie to a caller with rights. A route without a right answers nobody."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from api.problems import ProblemError
from api.rights import Reach, Right, own_machines, reach
from api.station import Station
from facility.site import Site
from facility.text import Text
from response.incident import Incident
from stores.accounts import User

_LOGIN = Text("请先登录，或会话已过期。", "Log in first; or the session has ended.")


def station_of(request: HTTPConnection) -> Station:
    """Return the station that this app was created with."""
    station: Station = request.app.state.station
    return station


StationHere = Annotated[Station, Depends(station_of)]


@dataclass(frozen=True, slots=True)
class Caller:
    """A logged-in user. `person` is who they are on the roster, or empty."""

    id: str
    name: str
    role: str
    person: str

    @property
    def actor(self) -> str:
        """The actor that records carry."""
        return f"user:{self.id}"

    def may(self, right: Right) -> Reach | None:
        """Return how far this user may go with a right; None is no."""
        return reach(self.role, right)

    def machines(self, site: Site) -> frozenset[str] | None:
        """Return the machines this user may look at; None means every one."""
        how = self.may(Right.SEE_LIVE)
        if how is None:
            return frozenset()
        return own_machines(site, self.person) if how is Reach.OWN else None

    def responds_to(self, incident: Incident) -> bool:
        """Whether this user was paged for an incident, or took it."""
        return bool(self.person) and (
            self.person in incident.accepted
            or self.person in incident.arrived
            or any(page.person == self.person for page in incident.pages.values())
        )

    def sees(self, incident: Incident, right: Right = Right.SEE_INCIDENTS) -> bool:
        """Whether an incident is within this user's reach."""
        how = self.may(right)
        return how is not None and (how is not Reach.OWN or self.responds_to(incident))


def cookie_name(base_url: str) -> str:
    """Return the session cookie's name; the prefix makes browsers refuse it from a neighbour or over plain HTTP."""
    return "__Host-dutyroom" if base_url.startswith("https:") else "dutyroom"


async def find_caller(connection: HTTPConnection) -> Caller | None:
    """Return who the session cookie belongs to, or None."""
    station = station_of(connection)
    token = connection.cookies.get(cookie_name(station.settings.base_url), "")
    if not token or len(token) > 256:  # noqa: PLR2004 - ours are 43 characters
        return None
    user = await asyncio.to_thread(station.accounts.user_of, token, station.clock.now())
    return caller_of(user) if user else None


def caller_of(user: User) -> Caller:
    """Return a user as the one who asks."""
    return Caller(user.id, user.name, user.role, user.person)


async def somebody(request: Request) -> Caller:
    """Return the caller; whoever is not logged in gets 401."""
    caller = await find_caller(request)
    if caller is None:
        raise ProblemError(401, "not-logged-in", _LOGIN)
    return caller


Somebody = Annotated[Caller, Depends(somebody)]


def allowed(right: Right) -> Callable[[Request], Awaitable[Caller]]:
    """Return the dependency that lets in callers with this right, and no others."""

    async def check(request: Request) -> Caller:
        caller = await somebody(request)
        if caller.may(right) is None:
            raise forbidden()
        return caller

    check.__dict__["right"] = right
    return check


def forbidden() -> ProblemError:
    """Return the no for somebody whose role does not carry the right."""
    return ProblemError(
        403,
        "forbidden",
        Text("您的角色没有这项权限，未作任何更改。", "Your role does not carry this right; nothing was changed."),
    )
