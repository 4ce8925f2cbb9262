"""Sets the report: JSON in, PDF out, by typst, in the Chinese font that comes along: alike on every machine."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

TEMPLATE = Path(__file__).parent / "report.typ"
FAMILY = "Noto Sans SC"

TOO_LONG = "more than a page"  # the template's own words
LESS, FEWEST = 4, 6
"""So many lines fewer at a time, and never fewer than this."""


class SettingError(Exception):
    """The report could not be set; the message is typst's own."""


def pdf(report: Mapping[str, Any]) -> bytes:
    """Return the page as PDF; takes some tenths of a second of a thread's time.

    Raises:
        SettingError: typst refused, or warned that a font is missing.
    """
    return _fitted(report, "pdf")


def picture(report: Mapping[str, Any]) -> bytes:
    """Return the page as a PNG picture, to be looked at; raises as `pdf` does."""
    return _fitted(report, "png")


def _fitted(report: Mapping[str, Any], form: Literal["pdf", "png"]) -> bytes:
    """Set it on one page: where it does not fit, lines in the middle are left out and counted."""
    while True:
        try:
            return _set(report, form)
        except SettingError as error:
            lines = report["lines"]
            if TOO_LONG not in str(error) or len(lines) <= FEWEST:
                raise
            report = {**report, "lines": [*lines[: -LESS - 1], lines[-1]], "over": report["over"] + LESS}


def _set(report: Mapping[str, Any], form: Literal["pdf", "png"]) -> bytes:
    import typst  # 80 MB that only a report needs

    inputs = {"report": json.dumps(report, ensure_ascii=False), "font": FAMILY}
    try:
        made, warnings = typst.compile_with_warnings(str(TEMPLATE), format=form, sys_inputs=inputs, font_paths=_fonts())
    except typst.TypstError as error:
        raise SettingError(str(error)) from error
    if warnings:
        raise SettingError("; ".join(str(w.message) for w in warnings))
    return bytes(made)


@cache
def _fonts() -> Any:
    import pylopdf_fonts_zh_cn as packaged
    import typst

    return typst.Fonts(include_system_fonts=False, font_paths=[packaged.sans_path().parent])
