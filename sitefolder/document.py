"""One TOML file while it is read: its data, and where in the text each part of it stands."""

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from sitefolder.complaint import complaint
from sitefolder.finding import Problems

M = TypeVar("M", bound=BaseModel)
Loc = tuple[int | str, ...]


@dataclass
class Document:
    """A file that could be parsed. `file` is its name as people know it, relative to its folder."""

    file: str
    text: str
    data: dict[str, Any]
    hash: str
    problems: Problems
    broken: dict[str, set[str]] = field(default_factory=dict)  # ids of entries that were refused, per key

    def line(self, loc: Sequence[int | str]) -> int | None:
        """Return the 1-based line on which this part of the data stands, as near as it can be found."""
        return _line(self.text.splitlines(), loc)

    def place(self, loc: Sequence[int | str]) -> str:
        """Return where it is in words: entries of lists that have an id are named by it."""
        here: Any = self.data
        parts: list[str] = []
        for step in loc:
            here = _inside(here, step)
            named = isinstance(step, int) and isinstance(here, Mapping) and isinstance(here.get("id"), str)
            parts.append(here["id"] if named else str(step))
        return ".".join(parts)

    def error(self, loc: Sequence[int | str], zh: str, en: str) -> None:
        """Note an error at a place of this file."""
        self.problems.error(self.file, self.place(loc), zh, en, self.line(loc))

    def warning(self, loc: Sequence[int | str], zh: str, en: str) -> None:
        """Note a warning at a place of this file."""
        self.problems.warning(self.file, self.place(loc), zh, en, self.line(loc))

    def known(self, keys: Iterable[str]) -> None:
        """Complain about top-level keys that no such file has."""
        allowed = set(keys)
        for key in self.data:
            if key not in allowed:
                self.error((key,), "没有这个项，可能是拼写错误", "is not a known key; perhaps a typing mistake")

    def model(self, model: type[M], loc: Loc = ()) -> M | None:
        """Read the table at `loc` as `model`; None, and every reason noted, when it cannot be."""
        here: Any = self.data
        for step in loc:
            here = _inside(here, step)
        try:
            return model.model_validate(here)
        except ValidationError as error:
            for one in error.errors(include_url=False):
                said = complaint(one)
                self.error((*loc, *_visible(one["loc"])), said.zh, said.en)
            return None

    def entries(self, key: str, model: type[M]) -> list["Entry[M]"]:
        """Read a list of tables one by one, so that a mistake in one does not hide those in the others.

        Entries with the id of an earlier one are noted and left out.
        """
        found = self.data.get(key, [])
        if not isinstance(found, list):
            self.error((key,), f"应写作 [[{key}]] 小节", f"must be written as [[{key}]] sections")
            return []
        out: list[Entry[M]] = []
        first: dict[str, int] = {}
        for index, raw in enumerate(found):
            name = raw.get("id") if isinstance(raw, Mapping) else None
            if isinstance(name, str) and name in first:
                line = self.line((key, first[name]))
                zh, en = f"编号 {name} 重复，第 {line} 行已用", f"the id {name} is taken on line {line}"
                self.error((key, index, "id"), zh, en)
                continue
            value = self.model(model, (key, index))
            if isinstance(name, str):
                first[name] = index
            if value is not None:
                out.append(Entry(self, (key, index), value))
            elif isinstance(name, str):
                self.broken.setdefault(key, set()).add(name)
        return out


@dataclass(frozen=True)
class Entry(Generic[M]):
    """One entry of a list of tables, with where it came from."""

    document: Document
    loc: Loc
    value: M

    def error(self, loc: Sequence[int | str], zh: str, en: str) -> None:
        """Note an error inside this entry."""
        self.document.error((*self.loc, *loc), zh, en)

    def warning(self, loc: Sequence[int | str], zh: str, en: str) -> None:
        """Note a warning inside this entry."""
        self.document.warning((*self.loc, *loc), zh, en)


def read(path: Path, file: str, problems: Problems) -> Document | None:
    """Read and parse one file; None, and the reason noted, when that fails."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        problems.error(file, "", "缺少这个文件", "this file is missing")
        return None
    except OSError as error:
        problems.error(file, "", f"读不出来：{error.strerror}", f"cannot be read: {error.strerror}")
        return None
    try:
        text = content.decode("utf-8-sig")  # editors on Windows put a mark in front
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        problems.error(file, "", "不是 UTF-8 编码，请另存为 UTF-8", "is not UTF-8; save it as UTF-8", line)
        return None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        line = int(where[1]) if where else len(text.splitlines())
        said = str(error).split(" (at ")[0]
        problems.error(file, "", f"TOML 语法错误：{said}", f"TOML syntax error: {said}", line)
        return None
    return Document(file, text, data, hashlib.sha256(content).hexdigest(), problems)


def _visible(loc: Sequence[int | str]) -> tuple[int | str, ...]:
    # pydantic marks the key of a mapping with "[key]"; people look for the key itself.
    return tuple(step for step in loc if step != "[key]")


def _inside(here: Any, step: int | str) -> Any:
    if isinstance(here, Mapping):
        return here.get(step)
    if isinstance(here, list) and isinstance(step, int) and step < len(here):
        return here[step]
    return None


def _line(lines: Sequence[str], loc: Sequence[int | str]) -> int | None:
    start, end, found = 0, len(lines), None
    path, missed = "", False
    steps = list(loc)
    for at, step in enumerate(steps):
        if isinstance(step, int):
            header = re.compile(rf"\s*\[\[\s*{re.escape(path)}\s*\]\]")
            headers = [i for i in range(start, end) if header.match(lines[i])]
            if step < len(headers):
                found = start = headers[step]
                end = headers[step + 1] if step + 1 < len(headers) else _section_end(lines, start, path)
            continue
        path = f"{path}.{step}" if path else step
        if at + 1 < len(steps) and isinstance(steps[at + 1], int):
            header = re.compile(rf"\s*\[\[\s*{re.escape(path)}\s*\]\]")
            if any(header.match(lines[i]) for i in range(start, end)):
                continue
        line = _key_line(lines, start, end, path, step, headers_only=missed)
        if line is None:
            missed = True  # [points.floor] needs no [points] above it: the longer header may still come
            continue
        found, start, missed = line, line, False
        if re.match(r"\s*\[", lines[line]):
            end = _section_end(lines, line, path)
    return None if found is None else found + 1


def _section_end(lines: Sequence[str], start: int, path: str) -> int:
    own = re.compile(rf"\s*\[\[?\s*{re.escape(path)}\s*\.")
    for i in range(start + 1, len(lines)):
        if re.match(r"\s*\[\[?[A-Za-z\"]", lines[i]) and not own.match(lines[i]):
            return i
    return len(lines)


def _key_line(lines: Sequence[str], start: int, end: int, path: str, key: str, *, headers_only: bool) -> int | None:
    quoted = re.escape(key)
    header = re.compile(rf"\s*\[\[?\s*{re.escape(path)}\s*\]")
    at_start = re.compile(rf"\s*\"?{quoted}\"?\s*[=.]")
    inline = re.compile(rf"[{{,]\s*\"?{quoted}\"?\s*=")
    for pattern in (header,) if headers_only else (header, at_start, inline):
        for i in range(start, end):
            if pattern.search(lines[i]) if pattern is inline else pattern.match(lines[i]):
                return i
    return None
