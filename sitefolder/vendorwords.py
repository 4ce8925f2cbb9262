"""How makers head the columns of their point tables, and how they write types, byte orders, functions and scales.

The words stand in library/vendorwords.toml.
"""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from typing import Any

from sitefolder.library import LIBRARY


@cache
def _file() -> Mapping[str, Any]:
    return tomllib.loads((LIBRARY / "vendorwords.toml").read_text(encoding="utf-8"))


@cache
def meanings(table: str) -> Mapping[str, str]:
    """Return a table of the file the other way round: what each word of a maker means."""
    return {word: meaning for meaning, words in _file()[table].items() for word in words}


def unit_factor(theirs: str, ours: str) -> float | None:
    """Return what a value in their unit is multiplied by to be in ours; None when they do not fit."""
    if theirs == ours:
        return 1.0
    factor = _file()["units"].get(ours, {}).get(theirs)
    return None if factor is None else float(factor)


def plain(text: str) -> str:
    """Return a word without case, blanks, punctuation and what stands in brackets."""
    text = re.sub(r"[(（\[【].*?[)）\]】]", "", text)
    return re.sub(r"[\s_\-.:：/、,，*#]+", "", text).lower()


def kind_and_order(text: str) -> tuple[str | None, str | None]:
    """Return type and word order out of what stands in a type column: "FLOAT (CDAB)", "Float32 inverse"."""
    types, orders = meanings("types"), meanings("orders")
    whole = re.sub(r"[\s_\-.:：/、,，()（）\[\]]+", " ", text).lower().strip()
    if whole.replace(" ", "") in types:
        return types[whole.replace(" ", "")], None
    words = whole.split()
    for at in range(len(words) - 1, 0, -1):
        kind, order = types.get("".join(words[:at])), orders.get("".join(words[at:]))
        if kind and order:
            return kind, order
    return types.get(plain(text)), None


def function_of(text: str) -> int | None:
    """Return the function code of "03", "0x04", "FC3", "03H", "3/6" (the read one) or "holding register"."""
    word = plain(text)
    if word in meanings("functions"):
        return int(meanings("functions")[word])
    found = re.match(r"^\s*(?:fc|r|读)?\s*(?:0x)?0?([1-4])\s*h?(?:\s*[/,、，].*)?$", text.strip().lower())
    return int(found[1]) if found else None


def scale_of(text: str) -> float | None:
    """Return the factor of "0.1", "×0.1", "*10", "/10", "÷10", "1/10", "10^-1"; None when it is none of them."""
    word = text.strip().replace(" ", "").replace("×", "*").replace("÷", "/").replace("x", "*").replace("X", "*")
    found = re.match(r"^(\*|/|1/)?(10\^)?([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)$", word)
    if found is None:
        return None
    value = 10.0 ** float(found[3]) if found[2] else float(found[3])
    if not value:
        return None
    return value if found[1] in (None, "*") else 1 / value
