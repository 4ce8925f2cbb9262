"""Who can be called. Numbers are for those who call; a technician sees his own."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from api.asking import Body, Id, Press, StrictRoute, pressed
from api.rights import Reach, Right
from api.shapes.duty import CertificateShape, PartyShape, PeopleShape, PersonShape, TestShape
from api.shapes.record import DoneShape
from api.views.words import certificate_name, words
from api.who import Caller, StationHere, allowed
from facility.commands import TryChannel
from facility.text import Text
from response.paging.requests import channels
from response.paging.tryout import Tryout

router = APIRouter(prefix="/api/v1/people", tags=["people"], route_class=StrictRoute)


@router.get("")
async def people(station: StationHere, caller: Annotated[Caller, Depends(allowed(Right.SEE_CONTACTS))]) -> PeopleShape:
    """List people and parties; to a technician, his own number and the parties' 24 h numbers."""
    site = station.site
    everybody = caller.may(Right.SEE_CONTACTS) is not Reach.OWN
    return PeopleShape(
        people=[
            PersonShape(
                id=p.id,
                name=p.name,
                roles=list(p.roles),
                phone=p.phone if everybody or p.id == caller.person else "",
                certificates=[
                    CertificateShape(
                        kind=c.kind,
                        name=words(certificate_name(site, c.kind)),
                        until=c.until.isoformat() if c.until else "",
                    )
                    for c in (p.certificates if everybody or p.id == caller.person else ())
                ],
                standby=p.standby,
            )
            for p in site.people.values()
        ],
        parties=[
            PartyShape(id=p.id, name=words(p.name), roles=list(p.roles), phone=p.phone, deputy=p.deputy)
            for p in site.parties.values()
        ],
    )


class TryBody(Body):
    """On which channel."""

    channel: Id


@router.get("/tests")
async def tests(
    station: StationHere, caller: Annotated[Caller, Depends(allowed(Right.SEE_CONTACTS))]
) -> list[TestShape]:
    """Report every channel of every person and party, with its newest test page; to a technician, his own."""
    everybody, now, tried = caller.may(Right.SEE_CONTACTS) is not Reach.OWN, station.clock.now(), station.view().tryouts
    people = {p.id: Text(p.name, p.name) for p in station.site.people.values()}
    known = people | {p.id: p.name for p in station.site.parties.values()}
    return [
        _tested(id, name, channel, tried.get((id, channel)), now)
        for id, name in known.items()
        if everybody or id == caller.person
        for channel in channels(station.site, id)
    ]


def _tested(id: str, name: Text, channel: str, last: Tryout | None, now: int) -> TestShape:
    return TestShape(
        person=id,
        name=words(name),
        channel=channel,
        state=last.state if last else "never",
        why=last.why if last else "",
        requested_ms=last.requested_ms if last else None,
        due_ms=last.not_before_ms if last else None,
        at_ms=last.at_ms if last else None,
        said=last.said if last else "",
        attempts=last.attempts if last else 0,
        failed=last is not None and last.failed(now),
    )


@router.post("/{id}/test", response_model=DoneShape)
async def test(id: Id, body: TryBody, press: Annotated[Press, Depends(pressed(Right.LEAD))]) -> Response:
    """Send a test page to somebody on one channel; by night it waits for the day."""
    return await press.asks(body, TryChannel, id, body.channel)
