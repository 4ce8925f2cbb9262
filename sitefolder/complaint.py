"""Says pydantic's findings in Chinese and English, in words that a property engineer can act on."""

from collections.abc import Mapping
from typing import Any

from facility.text import Text
from sitefolder.finding import WordError

_SAYINGS: Mapping[str, tuple[str, str]] = {
    "missing": ("缺少这一项，必须填写", "is missing; it must be filled in"),
    "extra_forbidden": ("没有这个项，可能是拼写错误", "is not a known key; perhaps a typing mistake"),
    "string_type": ("应为文字（加引号）", "must be text in quotation marks"),
    "string_too_short": ("不能为空", "must not be empty"),
    "string_too_long": ("太长，最多 {max_length} 个字符", "is too long; {max_length} characters at most"),
    "string_pattern_mismatch": (
        "写法不对，应符合 {pattern}（小写字母、数字、连字符）",
        "is not written as it must be: {pattern} (lower-case letters, digits, hyphens)",
    ),
    "int_type": ("应为整数", "must be a whole number"),
    "float_type": ("应为数字", "must be a number"),
    "bool_type": ("应为 true 或 false", "must be true or false"),
    "finite_number": ("应为有限的数字，不能是 nan 或 inf", "must be a finite number, not nan or inf"),
    "date_type": (
        "应为日期，写作 2027-05-31（不加引号）",
        "must be a date, written 2027-05-31 without quotes",
    ),
    "list_type": ("应为列表，写作 [ … ]", "must be a list, written [ … ]"),
    "dict_type": ("应为表，写作 { … } 或 [小节]", "must be a table, written { … } or as a [section]"),
    "model_type": ("应为表，写作 { … } 或 [小节]", "must be a table, written { … } or as a [section]"),
    "too_short": ("至少需要 {min_length} 项", "needs at least {min_length} entries"),
    "too_long": ("最多 {max_length} 项", "takes {max_length} entries at most"),
    "literal_error": ("只能是 {expected} 之一", "must be one of {expected}"),
    "greater_than": ("必须大于 {gt}", "must be greater than {gt}"),
    "greater_than_equal": ("不能小于 {ge}", "must not be less than {ge}"),
    "less_than": ("必须小于 {lt}", "must be less than {lt}"),
    "less_than_equal": ("不能大于 {le}", "must not be greater than {le}"),
}


def complaint(error: Mapping[str, Any]) -> Text:
    """Return the reason of one entry of `ValidationError.errors()`."""
    context: Mapping[str, Any] = error.get("ctx") or {}
    cause = context.get("error")
    if isinstance(cause, WordError):
        return cause.text
    zh, en = _SAYINGS.get(error["type"], ("写法不对：{said}", "is not right: {said}"))
    words = {**context, "said": error["msg"]}
    return Text(zh.format_map(words), en.format_map(words))
