"""What the API says when it says no: RFC 9457 problem documents, in Chinese and English."""

import logging
from collections.abc import Mapping

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from facility.commands import Refused
from facility.text import Text

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

_TITLES: Mapping[int, str] = {
    400: "Not understood",
    401: "Not logged in",
    403: "Not allowed",
    404: "Not found",
    405: "Not possible here",
    409: "Does not fit the state of things",
    410: "Over",
    413: "Too big",
    415: "Not JSON",
    421: "Not this server's name",
    422: "Not valid",
    429: "Too often",
    500: "Our mistake",
    503: "Not now",
}

_WORDS: Mapping[int, Text] = {
    400: Text(
        "请求无法解析，未作任何更改。请检查格式后重发。",
        "The request cannot be read; nothing was changed. Check its form and send it again.",
    ),
    404: Text("没有这个对象或页面。请核对编号。", "There is no such thing. Check the id."),
    405: Text("此地址不支持这种请求。", "This address does not take this kind of request."),
    500: Text(
        "服务出错，已记入日志；报警和呼叫不受影响。请重试，仍不行请联系管理员。",
        "The service failed on this request and logged it; alarms and pages go on. Try again; else call your admin.",
    ),
}

_CODES: Mapping[str, int] = {"not-found": 404, "conflict": 409, "forbidden": 403, "invalid": 422, "unavailable": 503}


class ProblemError(Exception):
    """A request that is answered with a problem document; `code` is ASCII and names the kind of problem.

    `errors` are its single parts, where there are several; they become JSON as they are.
    """

    def __init__(
        self, status: int, code: str, words: Text, headers: Mapping[str, str] | None = None, errors: object = None
    ) -> None:
        super().__init__(words.en)
        self.status = status
        self.code = code
        self.words = words
        self.headers = dict(headers or {})
        self.errors = errors


def not_found(what: Text) -> ProblemError:
    """Say that something does not exist, or not for this user: the answer is the same, so that it tells nothing."""
    return ProblemError(
        404, "not-found", Text(f"没有{what.zh}，或您无权查看。", f"There is no {what.en} that you may see.")
    )


def refused(answer: Refused) -> ProblemError:
    """Pass on the desk's no in the desk's own words."""
    return ProblemError(_CODES.get(answer.code, 409), answer.code, answer.why)


def document(status: int, code: str, words: Text, errors: object = None) -> bytes:
    """Return the bytes of a problem document."""
    body: dict[str, object] = {
        "type": f"urn:dutyroom:problem:{code}",
        "title": _TITLES.get(status, "Problem"),
        "status": status,
        "detail": {"zh": words.zh, "en": words.en},
    }
    if errors:
        body["errors"] = errors
    return msgspec.json.encode(body)


def answer(problem: ProblemError) -> Response:
    """Return the response that a problem becomes."""
    said = document(problem.status, problem.code, problem.words, problem.errors)
    return Response(said, problem.status, problem.headers, media_type=MEDIA_TYPE)


async def _on_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return answer(error)


async def _on_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = _WORDS.get(error.status_code, Text(str(error.detail), str(error.detail)))
    body = document(error.status_code, f"http-{error.status_code}", words)
    return Response(body, error.status_code, dict(error.headers or {}), media_type=MEDIA_TYPE)


async def _on_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # Places and reasons only: what was sent may be hostile, huge or not even encodable, and is not echoed.
    errors = [
        {"place": [_plain(part) for part in e.get("loc", ())], "code": str(e.get("type"))} for e in error.errors()[:20]
    ]
    places = ", ".join(".".join(e["place"]) for e in errors)
    words = Text(
        f"请求内容不合要求（{places}），未作任何更改。请改正后重发。",
        f"The request does not fit ({places}); nothing was changed. Correct it and send it again.",
    )
    return Response(document(422, "invalid", words, errors), 422, media_type=MEDIA_TYPE)


def _plain(part: object) -> str:
    return str(part)[:64].encode("utf-8", "replace").decode()


async def _on_error(request: Request, error: Exception) -> Response:
    log.error("request failed: %s %s", request.method, request.scope.get("route"), exc_info=error)
    return Response(document(500, "internal", _WORDS[500]), 500, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Make every failure of the app leave as a problem document."""
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(Exception, _on_error)
