"""From a vendor's point table to a profile and entries of equipment.toml: all of it, or nothing."""

import json
import os
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sitefolder.document import Document, read
from sitefolder.finding import Finding, Problems, WordError
from sitefolder.library import LIBRARY, read_library
from sitefolder.pointtable import Channel, Options, PointTable, columns_of, read_table
from sitefolder.profiles import read_profile
from sitefolder.tablefile import rows_of

_MOST = 100  # registers in one read, until the device's manual says what it takes


@dataclass(frozen=True)
class Wish:
    """What is to be made: `id` names profile, line and devices; `kind` the machines' kind ("": free channels)."""

    id: str
    kind: str = ""
    host: str = "127.0.0.1"
    port: int = 502
    options: Options = field(default_factory=Options)


@dataclass(frozen=True)
class Imported:
    """What became of a table: the files written (none when there are errors), and every finding."""

    files: list[Path]
    channels: int
    mapped: int
    free: list[str]  # channels that no canonical point of the kind stands for
    ignored: list[str]  # headings that were not understood
    findings: list[Finding]


def import_points(table: Path, folder: Path, wish: Wish) -> Imported:
    """Read a point table and write `profiles/<id>.toml` and the entries in `equipment.toml` of a site folder.

    An `equipment.toml` that is there is added to. With a single error nothing is written.
    """
    problems = Problems()
    library = read_library(LIBRARY, problems)
    kind = library.kinds.get(wish.kind)
    if wish.kind and kind is None:
        known = ", ".join(sorted(library.kinds))
        problems.error("--kind", wish.kind, f"没有这种设备类型；有 {known}", f"is not a kind; there are {known}")
    try:
        rows = rows_of(table, lambda sheet: columns_of(sheet) is not None)
    except WordError as error:
        problems.error(table.name, "", error.text.zh, error.text.en)
        rows = []
    read_ = read_table(table.name, rows, kind, wish.options, problems) if rows else PointTable()
    if not rows and not problems.errors:
        problems.error(table.name, "", "是空表", "is empty")
    texts = {} if problems.errors else _texts(table, folder, wish, read_, problems)
    if problems.errors:
        return Imported([], 0, 0, [], read_.ignored, problems.findings)
    _write(texts)
    channels = [c for some in read_.devices.values() for c in some]
    free = [f"{c.id} ({c.name})" for c in channels if not c.point]
    return Imported(list(texts), len(channels), len(channels) - len(free), free, read_.ignored, problems.findings)


def _texts(table: Path, folder: Path, wish: Wish, points: PointTable, problems: Problems) -> dict[Path, str]:
    """Return the files as they shall stand, checked."""
    shapes: dict[tuple[Channel, ...], str] = {}
    for channels in points.devices.values():
        shapes.setdefault(tuple(channels), wish.id if not shapes else f"{wish.id}-{len(shapes) + 1}")
    out = {}
    for shape, id in shapes.items():
        path = folder / "profiles" / f"{id}.toml"
        if path.exists():
            problems.error(f"profiles/{id}.toml", "", "已存在：另取 --id", "is there already: give another --id")
        out[path] = _profile(table, id, wish, shape)
        _prove(id, out[path], problems)
    equipment = folder / "equipment.toml"
    known = read(equipment, "equipment.toml", problems) if equipment.exists() else None
    entries = _entries(wish, points, shapes)
    if known is not None:
        _meet(known.data, tomllib.loads(entries), problems)
        out[equipment] = known.text.rstrip("\n") + "\n\n" + entries
    else:
        out[equipment] = entries
    return out


def _prove(id: str, text: str, problems: Problems) -> None:
    document = Document(f"profiles/{id}.toml", text, tomllib.loads(text), "0" * 64, problems)
    read_profile(id, document)


def _meet(known: dict[str, object], new: dict[str, list[dict[str, str]]], problems: Problems) -> None:
    for key, entries in new.items():
        there = known.get(key, [])
        ids = {e.get("id") for e in there if isinstance(e, dict)} if isinstance(there, list) else set()
        for entry in entries:
            if entry["id"] in ids:
                problems.error(
                    "equipment.toml", f"{key}.{entry['id']}", "已存在：另取 --id", "is there already: give another --id"
                )


def _profile(table: Path, id: str, wish: Wish, channels: Sequence[Channel]) -> str:
    q = json.dumps
    rows = "".join(f"    {{ {_row(c, wish.kind)} }},\n" for c in channels)
    return (
        f"# Imported from {' '.join(table.name.split())}; addresses as sent.\n"
        "# Compare every value with the device's display before use.\n"
        f"name = {{ zh = {q(id, ensure_ascii=False)}, en = {q(id)} }}\n"
        f'kind = {q(wish.kind)}\ninterval = "1 s"\ntrust = "single-code"\n'
        f"source = {q('point table ' + table.name, ensure_ascii=False)}\n"
        f"\nchannel = [\n{rows}]\n\n[modbus]\nbase = 0\nmax_registers = {_MOST}\nmax_gap = 4\n"
    )


def _row(channel: Channel, kind: str) -> str:
    q = json.dumps
    parts = [f"id = {q(channel.id)}", f"at = {channel.address}", f"type = {q(channel.type)}"]
    parts += [f"function = {channel.function}"] if channel.function != 3 else []  # noqa: PLR2004 - the default
    parts += [f"order = {q(channel.order)}"] if channel.order else []
    parts += [f"bit = {channel.bit}"] if channel.bit else []
    parts += [f"scale = {float(f'{channel.scale:.12g}')!r}"] if channel.scale != 1 else []
    parts += [f"offset = {channel.offset!r}"] if channel.offset else []
    parts += [f"unit = {q(channel.unit, ensure_ascii=False)}"] if channel.unit else []
    parts += ['point = ""'] if kind and not channel.point else []
    name = q(channel.name, ensure_ascii=False)
    return ", ".join([*parts, f"name = {{ zh = {name}, en = {name} }}"])


def _entries(wish: Wish, points: PointTable, shapes: dict[tuple[Channel, ...], str]) -> str:
    q = json.dumps
    head = "# 由点表导入：改成现场的地址、名称、位置 imported from a point table: set address, names, places\n"
    line = f'id = "{wish.id}-line"\ntransport = "modbus-tcp"\nhost = {q(wish.host)}\nport = {wish.port}\n'
    out = [f"{head}[[line]]\n{line}"]
    for n, ((name, unit), channels) in enumerate(points.devices.items(), 1):
        machine = wish.id if len(points.devices) == 1 else f"{wish.id}-{n}"
        said = q(name or machine, ensure_ascii=False)
        mapped = bool(wish.kind) and any(c.point for c in channels)
        out.append(
            f'[[device]]\nid = "{machine}-unit"\nprofile = "{shapes[tuple(channels)]}"\nline = "{wish.id}-line"\n'
            f"unit = {unit}\n" + (f'equipment = "{machine}"\n' if mapped else "channels = {}\n")
        )
        if wish.kind:
            out.append(
                f'[[equipment]]\nid = "{machine}"\nkind = "{wish.kind}"\nname = {{ zh = {said}, en = {said} }}\n'
                f"place = {{ zh = {said}, en = {said} }}\n"
            )
    return "\n".join(out)


def _write(texts: dict[Path, str]) -> None:
    """Write all files beside their places first, then put them there; a failure leaves the folder as it was."""
    drafts: list[tuple[str, Path]] = []
    placed: list[tuple[Path, bytes | None]] = []
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, draft = tempfile.mkstemp(dir=path.parent, suffix=".draft")
            drafts.append((draft, path))
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        for draft, path in drafts:
            before = path.read_bytes() if path.exists() else None
            Path(draft).chmod(0o644)
            Path(draft).replace(path)
            placed.append((path, before))
    except OSError:
        for path, before in placed:
            if before is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(before)
        raise
    finally:
        for draft, _ in drafts:
            Path(draft).unlink(missing_ok=True)
