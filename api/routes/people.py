"""Who can be called. Numbers are for those who call; a technician sees his own."""

from typing import Annotated

from fastapi import APIRouter, Depends

from api.rights import Reach, Right
from api.shapes.duty import CertificateShape, PartyShape, PeopleShape, PersonShape
from api.views.words import certificate_name, words
from api.who import Caller, StationHere, allowed

router = APIRouter(prefix="/api/v1/people", tags=["people"])


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
