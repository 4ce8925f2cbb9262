"""Logging in and out."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api import labels
from api.asking import StrictRoute
from api.problems import ProblemError
from api.rights import rights_of
from api.shapes.duty import MeShape
from api.station import Station
from api.views.words import words
from api.who import Caller, Somebody, StationHere, caller_of, cookie_name
from facility.text import Text
from stores.accounts import Denied, Session

router = APIRouter(prefix="/api/v1", tags=["session"], route_class=StrictRoute)

WAITING_LIMIT = 20
"""Log-ins that wait for the one that is being checked; more are turned away at once."""

_BUSY = Text("登录的人太多，请几秒后再试。", "Too many are logging in. Try again in a few seconds.")


class LoginBody(BaseModel):
    """Who, and with which password."""

    model_config = ConfigDict(extra="forbid", strict=True)

    user: Annotated[str, Field(min_length=1, max_length=80)]
    password: Annotated[str, Field(min_length=1, max_length=1000)]


class Door:
    """Lets people in one at a time: hashing is slow on purpose, and must not take the threads that others need."""

    def __init__(self) -> None:
        self._one = ThreadPoolExecutor(max_workers=1, thread_name_prefix="login")
        self._waiting = 0

    async def login(self, station: Station, body: LoginBody, address: str) -> Session | Denied:
        """Check a password, away from the loop; raise a problem when too many wait."""
        if self._waiting >= WAITING_LIMIT:
            raise ProblemError(503, "busy", _BUSY, {"retry-after": "3"})
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._one, station.accounts.login, body.user, body.password, address, station.clock.now()
            )
        finally:
            self._waiting -= 1


@router.post("/login", response_model=MeShape)
async def login(body: LoginBody, request: Request, station: StationHere) -> Response:
    """Log in: the answer sets the session cookie. Too many tries must wait before anything is compared."""
    address = request.client.host if request.client else ""
    door: Door = request.app.state.door
    said = await door.login(station, body, address)
    if isinstance(said, Denied):
        if said.wait_ms:
            raise ProblemError(429, "too-many-tries", said.why, {"retry-after": str(-(-said.wait_ms // 1000))})
        raise ProblemError(401, "wrong-password", said.why)
    old = request.cookies.get(cookie_name(station.settings.base_url), "")
    if old:
        await asyncio.to_thread(station.accounts.logout, old)
    response = Response(me_shape(caller_of(said.user)).model_dump_json(), media_type="application/json")
    name = cookie_name(station.settings.base_url)
    response.set_cookie(
        name,
        said.token,
        max_age=(said.until_ms - station.clock.now()) // 1000,
        path="/",
        secure=name.startswith("__Host-"),
        httponly=True,
        samesite="strict",
    )
    return response


@router.post("/logout", status_code=204)
async def logout(request: Request, station: StationHere) -> Response:
    """End the session, here and in the cookie; harmless when there is none."""
    name = cookie_name(station.settings.base_url)
    token = request.cookies.get(name, "")
    if token:
        await asyncio.to_thread(station.accounts.logout, token)
    response = Response(status_code=204)
    response.delete_cookie(name, path="/", secure=name.startswith("__Host-"), httponly=True, samesite="strict")
    return response


@router.get("/me")
async def me(caller: Somebody) -> MeShape:
    """Say who is logged in and what they may do."""
    return me_shape(caller)


def me_shape(caller: Caller) -> MeShape:
    """Return a user with the rights of the role."""
    rights = rights_of(caller.role)
    return MeShape(
        id=caller.id,
        name=caller.name,
        role=caller.role,
        role_name=words(labels.label("user_role", caller.role)),
        person=caller.person,
        rights=list(rights),
        reach=rights,
    )
