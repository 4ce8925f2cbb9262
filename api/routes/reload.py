"""The site's files, read again while the service runs."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from api.asking import Body, Press, StrictRoute, pressed
from api.problems import ProblemError
from api.rights import Right
from api.shapes.reload import ReloadShape, TouchedShape
from api.station import Reloaded
from facility.text import Text

router = APIRouter(prefix="/api/v1/reload", tags=["site"], route_class=StrictRoute)

_WRONG = Text(
    "站点文件有误，旧配置继续有效，未作任何更改。请按所列位置改正后重试。",
    "The site's files have errors; the old ones still hold. Correct them at the places listed, and try again.",
)
_RESTART = Text(
    "所列改动要重启服务才生效；旧配置继续有效，未作任何更改。",
    "What is listed needs a restart of the service; the old files still hold, and nothing was changed.",
)


class ReloadBody(Body):
    """Whether to say only what would change."""

    dry: bool = False


@router.post("", response_model=ReloadShape)
async def reload(body: ReloadBody, press: Annotated[Press, Depends(pressed(Right.RELOAD))]) -> Response:
    """Adopt the site's files as they are now: all of them, or nothing. Lines that are not changed stay connected.

    Errors come as a problem with every error's file, line and place; what needs a restart likewise. The same press
    twice changes nothing twice: the second time the files are no others.
    """
    press.request(body)
    came = await press.station.reload(press.caller.actor, dry=body.dry)
    if came.errors:
        errors = [
            {"file": e.file, "line": e.line, "place": e.place, "text": {"zh": e.text.zh, "en": e.text.en}}
            for e in came.errors
        ]
        raise ProblemError(422, "site-files", _WRONG, errors=errors)
    if came.restart:
        errors = [{"place": part, "text": {"zh": why.zh, "en": why.en}} for part, why in came.restart.items()]
        raise ProblemError(409, "needs-restart", _RESTART, errors=errors)
    return Response(_shape(came).model_dump_json(), media_type="application/json")


def _shape(came: Reloaded) -> ReloadShape:
    touched = {
        part: TouchedShape(added=list(t.added), removed=list(t.removed), changed=list(t.changed))
        for part, t in came.touched.items()
    }
    return ReloadShape(hash=came.hash, dry=came.dry, changed=list(came.changed), touched=touched)
