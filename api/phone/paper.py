"""The templates of the phone page, filled in."""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse, Response

from api.labels import NOT_A_SAFETY_FUNCTION
from api.phone.links import LinkError
from api.phone.sentences import sentence

if TYPE_CHECKING:
    from jinja2 import Environment

TYPES = {".css": "text/css", ".js": "text/javascript"}

_HERE = Path(__file__).parent


@cache
def _templates() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def files() -> Mapping[str, bytes]:
    """Return the page's own styles and scripts by name."""
    return {file.name: file.read_bytes() for file in (_HERE / "files").iterdir() if file.suffix in TYPES}


@cache
def version() -> str:
    """Return what stands behind the file names, so that browsers may keep them for ever."""
    return hashlib.sha256(b"".join(files()[name] for name in sorted(files()))).hexdigest()[:8]


def write(template: str, language: str, **values: Any) -> str:
    """Return a page in a language."""
    return (
        _templates()
        .get_template(template)
        .render(language=language, version=version(), say=lambda key: sentence(key, language), **values)
    )


def word_page(no: LinkError) -> Response:
    """Return the page of words that says why nothing was done."""
    english = no.language == "en"
    first, other = (no.words.en, no.words.zh) if english else (no.words.zh, no.words.en)
    html = write(
        "word.html",
        no.language,
        title=sentence(no.title, no.language),
        words=first,
        other=other,
        back=no.back,
        statement=NOT_A_SAFETY_FUNCTION.en if english else NOT_A_SAFETY_FUNCTION.zh,
    )
    headers = {"retry-after": "5"} if no.status in {429, 503} else {}
    return HTMLResponse(html, no.status, headers)
