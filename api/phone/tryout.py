"""The link of a test page: GET shows one button, POST says that it was received."""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.labels import NOT_A_SAFETY_FUNCTION
from api.phone.links import LONGEST, LinkError, guard, language_of
from api.phone.paper import word_page, write
from api.phone.sentences import SENTENCES, sentence
from api.station import Station
from facility.commands import AnswerTest
from facility.records import test_subject
from response.phone.token import read_token

_TEST = test_subject("")


async def tried(token: str, request: Request, station: Station, *, answers: bool) -> Response | None:
    """Answer the link of a test page; None: it is another link."""
    read = read_token(station.settings.secret, token) if len(token) <= LONGEST else None
    if read is None or not read[0].startswith(_TEST):
        return None
    key, person, language = read[0].removeprefix(_TEST), read[1], language_of(request, "")
    test = next((t for t in station.view().tryouts.values() if t.key == key and t.person == person), None)
    try:
        guard(request, station, token, language)
    except LinkError as no:
        return word_page(no)
    if test is None:
        return word_page(LinkError(410, "test_title", SENTENCES["test_over"], language))
    if answers:
        actor = f"person:{person}"
        await station.ask(AnswerTest(actor, f"{actor}/{key}/answered", key, person))
        return RedirectResponse(f"/p/{quote(token)}", 303)
    html = write(
        "test.html",
        language,
        title=sentence("test_title", language),
        done=test.state == "answered",
        token=token,
        statement=NOT_A_SAFETY_FUNCTION.en if language == "en" else NOT_A_SAFETY_FUNCTION.zh,
    )
    return HTMLResponse(html)
