"""/docs: the list of endpoints, written by ourselves; the usual pages fetch their scripts from elsewhere."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from api.phone.paper import write

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def docs(request: Request) -> Response:
    """List every endpoint with what it takes; the whole description is /openapi.json."""
    described: dict[str, Any] = request.app.openapi()
    rows = [
        (method.upper(), path, _first_line(operation), _takes(described, operation))
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
    ]
    return HTMLResponse(write("docs.html", "en", rows=rows, about=described["info"]["description"]))


def _first_line(operation: dict[str, Any]) -> str:
    return str(operation.get("description", "")).partition("\n")[0]


def _takes(described: dict[str, Any], operation: dict[str, Any]) -> str:
    names = [p["name"] + ("" if p.get("required") else "?") for p in operation.get("parameters", [])]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    shape = described["components"]["schemas"].get(body.get("$ref", "").rpartition("/")[2], {})
    required = shape.get("required", [])
    fields = [name + ("" if name in required else "?") for name in shape.get("properties", {})]
    return ", ".join(names) + (f" {{{', '.join(fields)}}}" if fields else "")
