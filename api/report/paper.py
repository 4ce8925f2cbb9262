"""Sets the report: JSON in, PDF out, by typst. A font that knows Chinese is found first, or nothing is set."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from facility.text import Text

TEMPLATE = Path(__file__).parent / "report.typ"
FAMILIES = ("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "WenQuanYi Zen Hei")
FONT_PACKAGE = "pylopdf_fonts_zh_cn"
"""A package that is nothing but Noto Sans SC and Noto Serif SC (OFL 1.1), for machines without a Chinese font."""


TOO_LONG = "more than a page"  # the template's own words
LESS, FEWEST = 4, 6
"""So many lines fewer at a time, and never fewer than this."""


class NoFontError(Exception):
    """No font on this machine knows Chinese."""

    text = Text(
        "本机没有中文字体，无法生成报告。请安装 fonts-noto-cjk（或重新运行 make setup）后再试；记录不受影响。",
        "This machine has no Chinese font, so no report was made. Install fonts-noto-cjk (or run make setup again)"
        " and try again; the records are not affected.",
    )


class SettingError(Exception):
    """The report could not be set; the message is typst's own."""


def pdf(report: Mapping[str, Any]) -> bytes:
    """Return the page as PDF; takes some tenths of a second of a thread's time.

    Raises:
        NoFontError: no font on this machine knows Chinese.
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

    font, fonts = _fonts()
    inputs = {"report": json.dumps(report, ensure_ascii=False), "font": font}
    try:
        made, warnings = typst.compile_with_warnings(str(TEMPLATE), format=form, sys_inputs=inputs, font_paths=fonts)
    except typst.TypstError as error:
        raise SettingError(str(error)) from error
    if warnings:
        raise SettingError("; ".join(str(w.message) for w in warnings))
    return bytes(made)


@cache
def _fonts() -> tuple[str, Any]:
    """Return the family to set in, and all fonts of this machine; found once, it takes some tenths of a second."""
    import typst

    spec = find_spec(FONT_PACKAGE)
    folders = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    fonts = typst.Fonts(include_system_fonts=True, font_paths=folders)
    known = {str(family) for family in fonts.families()}
    family = next((f for f in FAMILIES if f in known), None)
    if family is None:
        raise NoFontError
    return family, fonts
