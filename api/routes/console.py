"""The built console, the demo page beside it, and a plain word where it is not built."""

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from api.labels import NOT_A_SAFETY_FUNCTION
from api.phone.paper import write
from api.problems import not_found
from api.station import Station
from facility.text import Text

STATIC = Path(__file__).parent.parent / "static"

_NOT_BUILT = Text(
    "控制台尚未构建。请在仓库根目录运行 make setup（或 make demo）后刷新；接口和手机页面不受影响。",
    "The console is not built. Run `make setup` (or `make demo`) in the repository, then reload; "
    "the API and the phone page work without it.",
)


class _Built(StaticFiles):
    """Files whose names change with their content may be kept for ever; the others are asked for again."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        hashed = path.startswith("assets")
        response.headers["cache-control"] = "public, max-age=31536000, immutable" if hashed else "no-cache"
        return response


def install(app: FastAPI, static: Path = STATIC) -> None:
    """Serve the console at `/`, the demo at `/demo`; to be called last, for it takes what nothing else does."""

    async def index(_: Request) -> Response:
        page = static / "index.html"
        if page.is_file():
            return FileResponse(page, headers={"cache-control": "no-cache"})
        html = write(
            "word.html",
            "zh",
            title="Dutyroom 值班室",
            words=_NOT_BUILT.zh,
            other=_NOT_BUILT.en,
            back="",
            statement=NOT_A_SAFETY_FUNCTION.zh,
        )
        return HTMLResponse(html, headers={"cache-control": "no-cache"})

    async def demo(request: Request) -> Response:
        station: Station = request.app.state.station
        if not station.settings.demo:
            raise not_found(Text("演示页面", "demo page"))
        return HTMLResponse(write("demo.html", "zh", **_demo(station)))

    app.add_route("/", index, methods=["GET"], include_in_schema=False)
    app.add_route("/demo", demo, methods=["GET"], include_in_schema=False)
    app.mount("/", _Built(directory=static, check_dir=False))


def _demo(station: Station) -> dict[str, Any]:
    site = station.site
    people = [(p.id, p.name) for p in site.people.values()] + [(p.id, p.name.zh) for p in site.parties.values()]
    return {"people": people, "zone": site.timezone, "statement": NOT_A_SAFETY_FUNCTION.zh}
