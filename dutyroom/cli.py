"""The command line. Exit codes: 0 fine, 1 findings or trouble, 2 usage."""

import gc
import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dutyroom import __version__
from dutyroom.drillcli import drill

if TYPE_CHECKING:
    from collections.abc import Iterator

app = typer.Typer(
    name="dutyroom",
    help="值班室 Dutyroom: telemetry, alarms, emergency plans, paging, proof. "
    "Not a certified safety function; replaces neither lift intercom nor fire panel nor relay protection.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(drill)
user_app = typer.Typer(help="People who may log in.", no_args_is_help=True)
app.add_typer(user_app, name="user")

UNWRITABLE = 74
"""Exit code when the disk cannot be written: starting again will not help before somebody has looked at it."""

SiteArgument = Annotated[
    Path, typer.Argument(help="The site folder (site.toml, equipment.toml, people.toml, roster.toml).")
]
DataOption = Annotated[Path, typer.Option("--data", help="Where readings and records are kept.")]


def main() -> None:
    """Run the command line."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # we compare and add; a pool of threads for matrices idles hot
    _own_names()
    app()


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        print(f"dutyroom {__version__}")
        raise typer.Exit


@app.command()
def serve(
    site: SiteArgument,
    data: DataOption = Path(".data/site"),
    host: Annotated[
        str, typer.Option(help="Address to listen on; beyond loopback --behind-proxy is needed.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of console and API; 0 takes a free one.")] = 8080,
    base_url: Annotated[str, typer.Option(help="How browsers and phones reach it, e.g. https://duty.example.")] = "",
    behind_proxy: Annotated[bool, typer.Option("--behind-proxy", help="A TLS proxy stands in front.")] = False,
    demo: Annotated[bool, typer.Option("--demo-mode", hidden=True)] = False,
    json_log: Annotated[bool, typer.Option("--json-log", help="Log as JSON lines.")] = False,
) -> None:
    """Watch a site: collect, decide, page, and serve console and API."""
    gc.disable()  # it would look through all that is being imported, again and again: a fifth of the start
    from dutyroom.process import more_files, settle
    from dutyroom.settings import Settings

    def ready(bound: int) -> None:
        print(f"dutyroom: http://{host}:{bound}/", flush=True)
        settle()

    _log(json_lines=json_log)
    more_files()
    with _plainly():
        from dutyroom import station

        users = ("operator", "technician", "engineer", "manager", "admin") if demo else ()
        settings = Settings(
            site_folder=site, data=data, host=host, port=port, base_url=base_url, behind_proxy=behind_proxy,
            demo=demo, demo_users=users,
        )  # fmt: skip
        station.serve(settings, ready)


@app.command()
def demo(
    auto: Annotated[
        bool, typer.Option("--auto", help="Play the people too, and end when the incident is closed.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line per record of the chain.")] = False,
    data: DataOption = Path(".data/demo"),
    port: Annotated[
        int, typer.Option(min=1, max=65_000, help="Port of the console; the next free one is taken when it is busy.")
    ] = 8080,
) -> None:
    """Run a whole building with simulators: an entrapment begins after 20 s."""
    _log(json_lines=False, quiet=True)
    with _plainly():
        from dutyroom import demo as show

        raise typer.Exit(show.run(data=data, port=port, auto=auto, as_json=as_json))


@app.command()
def check(
    site: Annotated[Path | None, typer.Argument(help="The site folder.")] = None,
    profile: Annotated[
        Path | None, typer.Option("--profile", help="Explain one device profile instead: addresses, types, points.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Findings as JSON.")] = False,
) -> None:
    """Check a site folder, or explain a profile: every error with file and place, in both languages."""
    if (site is None) is (profile is None):
        _fail("请给出站点文件夹或 --profile 文件。Give a site folder, or --profile and a file.", 2)
    if profile is not None:
        _explain(profile)
    assert site is not None, "one of the two was given"
    from dutyroom.checking import examine, row
    from dutyroom.clock import SystemClock

    checked = examine(site, SystemClock().now())
    if as_json:
        rows = [
            {"level": f.level, "file": str(f.file), "line": f.line, "place": f.place, "zh": f.text.zh, "en": f.text.en}
            for f in checked.findings
        ]
        rows += [
            {"level": "override", "file": "rules.toml", "line": None, "place": o.rule, "zh": row(o), "en": row(o)}
            for o in checked.overrides
        ]
        print(json.dumps(rows, ensure_ascii=False, indent=1))
    else:
        for line in (*checked.findings, *map(row, checked.overrides), *checked.summary):
            print(line)
        if not checked.summary:
            print(f"{len(checked.errors)} error(s); nothing was adopted")
    raise typer.Exit(1 if checked.errors else 0)


def _explain(profile: Path) -> None:
    from dutyroom.fieldwork import explained

    lines, findings = explained(profile)
    for f in findings:
        print(f)
    for line in lines:
        print(line)
    raise typer.Exit(0 if lines else 1)


@app.command()
def probe(
    host: Annotated[str, typer.Argument(help="HOST or HOST:PORT of the device or gateway, or a serial port (/dev/…).")],
    address: Annotated[str, typer.Option("--address", help="First register as sent (0x1000 is fine), counted from 0.")],
    unit: Annotated[int, typer.Option("--unit", min=0, max=255, help="Unit (slave) number.")] = 1,
    count: Annotated[int, typer.Option("--count", min=1, max=125, help="How many registers.")] = 2,
    function: Annotated[int, typer.Option("--function", min=3, max=4, help="3 holding, 4 input registers.")] = 3,
    known: Annotated[
        float | None, typer.Option("--known", help="What the device's own display shows; the best reading comes first.")
    ] = None,
    timeout: Annotated[float, typer.Option("--timeout", min=0.05, max=60, help="Seconds to wait.")] = 3.0,
    rtu: Annotated[bool, typer.Option("--rtu", help="RTU over TCP: behind a transparent serial server.")] = False,
    baud: Annotated[int, typer.Option("--baud", help="Of a serial port.")] = 9600,
    parity: Annotated[str, typer.Option("--parity", help="Of a serial port: none, even or odd.")] = "none",
    stop_bits: Annotated[int, typer.Option("--stop-bits", min=1, max=2, help="Of a serial port.")] = 1,
) -> None:
    """Read registers of a live device, only read, and show what they may mean."""
    from dataclasses import replace

    from collectors.modbus.readplan import Request
    from dutyroom import fieldwork

    if parity not in ("none", "even", "odd"):
        _fail(f"--parity {parity}：none、even 或 odd。--parity is none, even or odd.", 2)
    try:
        line = fieldwork.line(host, rtu=rtu, baud=baud, parity=parity, stop_bits=stop_bits)
        request = Request(function, fieldwork.number(address), count)
        for said in fieldwork.probe(replace(line, timeout_ms=round(timeout * 1000)), unit, request, known=known):
            print(said)
    except fieldwork.FieldworkError as error:
        _fail(str(error))


@app.command("import-points")
def import_points(
    table: Annotated[Path, typer.Argument(help="The maker's point table, .xlsx or .csv.")],
    out: Annotated[Path, typer.Option("--out", help="Site folder to write profiles/ and equipment.toml into.")],
    id: Annotated[str, typer.Option("--id", help="Id of profile, line and devices (a-z, 0-9, -).")] = "imported",
    kind: Annotated[str, typer.Option("--kind", help="Kind of the machines, e.g. lv_meter; names become points.")] = "",
    base: Annotated[
        int | None, typer.Option("--base", min=0, max=1, help="What plain addresses count from; 4xxxx needs none.")
    ] = None,
    order: Annotated[str, typer.Option("--order", help="ABCD, CDAB, BADC or DCBA where the table says none.")] = "",
    function: Annotated[int, typer.Option("--function", min=1, max=4, help="Where the table says none.")] = 3,
    host: Annotated[str, typer.Option("--host", help="HOST or HOST:PORT of the gateway.")] = "127.0.0.1",
    unit: Annotated[int, typer.Option("--unit", min=0, max=255, help="Unit number where the table says none.")] = 1,
) -> None:
    """Turn a maker's point table into a profile and equipment entries; with one error nothing is written."""
    import re

    from dutyroom.fieldwork import FieldworkError, target
    from sitefolder.importing import Wish
    from sitefolder.importing import import_points as run
    from sitefolder.pointtable import Options

    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,40}", id):
        _fail(f"--id {id}：小写字母、数字、连字符。--id {id}: lower-case letters, digits, hyphens.", 2)
    if order not in ("", "ABCD", "CDAB", "BADC", "DCBA"):
        _fail(f"--order {order}：ABCD、CDAB、BADC 或 DCBA。--order is ABCD, CDAB, BADC or DCBA.", 2)
    try:
        where, port = target(host if ":" in host else f"{host}:502")
    except FieldworkError as error:
        _fail(str(error), 2)
    with _plainly():
        done = run(table, out, Wish(id, kind, where, port, Options(base, order, function, unit)))
    for f in done.findings:
        print(f)
    if not done.files:
        _fail("有错误，什么也没有写。There are errors; nothing was written.")
    print(f"{done.channels} 个点，{done.mapped} 个对应标准点位。{done.channels} points, {done.mapped} canonical.")
    for free in done.free:
        print(f"  free: {free}")
    for heading in done.ignored:
        print(f"  列未使用 column not used: {heading}")
    for path in done.files:
        print(path)


@app.command()
def verify(
    data: Annotated[Path, typer.Argument(help="The data folder of a site, or a log book file.")],
) -> None:
    """Check the hash chain of a log book: nothing was changed, nothing was taken out."""
    from stores.logbook import LogBook

    path = data / "logbook.db" if data.is_dir() else data
    if not path.exists():
        _fail(f"找不到值班记录 {path}。There is no log book at {path}.", 2)
    with _plainly():
        book = LogBook.reader(path)
        verdict = book.verify()
        book.close()
    print(verdict.text.zh)
    print(verdict.text.en)
    raise typer.Exit(0 if verdict.ok else 1)


@app.command()
def reload(
    site: SiteArgument,
    data: DataOption = Path(".data/site"),
) -> None:
    """Let the running service adopt changed files: rules, plans, people, roster. With one error nothing changes."""
    import time

    from dutyroom.reloading import ring
    from sitefolder import load

    with _plainly():
        load(site)  # every error on this screen; the service would say them in its log
        came = ring(data, time.sleep)
    for line in came.errors:
        print(line, file=sys.stderr)
    if came.restart:
        parts = ", ".join(came.restart)
        _fail(
            f"未采用：{parts} 的改动要重启服务才生效；旧配置继续有效。"
            f"Nothing was adopted: changes to {parts} need a restart of the service; the old files still hold."
        )
    if not came.adopted:
        _fail("站点文件有误，旧配置继续有效。The site folder has errors; the old files still hold.")
    print(f"已采用 {came.hash[:12]}：{', '.join(came.changed) or '无改动'}")
    print(f"Adopted {came.hash[:12]}: {', '.join(came.changed) or 'nothing changed'}")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The file to make (a tar); its folder may be on another disk.")],
    data: DataOption = Path(".data/site"),
    site: Annotated[Path | None, typer.Option("--site", help="The site folder, to be taken along.")] = None,
    secrets: Annotated[
        bool, typer.Option("--secrets", help="Take the secret behind phone links and secrets.toml along: lock it away.")
    ] = False,
) -> None:
    """Copy a data folder into one file while the service runs; read back before it says done."""
    from dutyroom.clock import SystemClock
    from stores.backup import back_up

    with _plainly():
        made = back_up(data, file, SystemClock().now(), __version__, site=site, secrets=secrets)
    size = sum(part.bytes for part in made.files.values()) / 1e6
    print(f"已备份并核对 {len(made.files)} 个文件，{size:.1f} MB；值班记录到第 {made.seq} 条，{made.head}")
    print(f"Backed up and verified: {len(made.files)} files, {size:.1f} MB; log book up to {made.seq}, {made.head}")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `dutyroom backup` made.")],
    data: Annotated[Path, typer.Option("--data", help="The data folder to make: new, or empty.")],
    site: Annotated[
        Path | None, typer.Option("--site", help="Where to put the site folder, if the file has one: new, or empty.")
    ] = None,
) -> None:
    """Make a data folder from a backup; pages that waited in it wait for a person."""
    from dutyroom.clock import SystemClock
    from stores.restore import restore as run

    with _plainly():
        made = run(file, data, SystemClock().now(), site=site)
    print(f"已恢复到 {data}：{made.site}，值班记录到第 {made.seq} 条。启动后，未完事件的呼叫要有人在控制台决定。")
    print(
        f"Restored to {data}: {made.site}, log book up to {made.seq}."
        " After the start, somebody must decide in the console about pages of open incidents."
    )


@app.command()
def replay(
    site: SiteArgument,
    begin: Annotated[str, typer.Option("--from", help="Since when: 2026-11-22, 2026-11-22T08:00, in the site's time.")],
    end: Annotated[str, typer.Option("--to", help="Until when, likewise; now when left out.")] = "",
    rules: Annotated[
        Path | None, typer.Option("--rules", help="Stands in for the site's rules.toml; the log book stays as it is.")
    ] = None,
    data: DataOption = Path(".data/site"),
    as_json: Annotated[bool, typer.Option("--json", help="The outcome as JSON.")] = False,
) -> None:
    """Let recorded telemetry pass through the rules again: which alarms would have come, moved, gone, or been new."""
    from dutyroom import outcome as said
    from dutyroom.process import settle
    from dutyroom.replay import ReplayError

    settle()

    with _plainly():
        try:
            outcome, loaded, took_s = said.run(site, data, begin, end, rules)
        except ReplayError as error:
            _fail(str(error), 2)
    if as_json:
        print(json.dumps(said.as_json(outcome, took_s), ensure_ascii=False, indent=1))
        return
    for line in said.as_text(outcome, loaded, took_s):
        print(line)


@app.command()
def watch(
    file: Annotated[Path, typer.Argument(help="watch.toml: the sites listened for, and whom to call.")],
    data: Annotated[Path, typer.Option("--data", help="Where it is kept what was heard.")] = Path(".data/watch"),
    host: Annotated[str, typer.Option(help="Address to listen on; a TLS proxy belongs in front.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port for the signs of life.")] = 8090,
) -> None:
    """Watch the watchers: call somebody when a site's service sends no sign of life for 90 s."""
    from dutyroom.watch import serve as serve_watch

    _log(json_lines=False)
    with _plainly():
        serve_watch(file, data, host, port, lambda bound: print(f"dutyroom watch: http://{host}:{bound}/", flush=True))


@app.command()
def schema(
    out: Annotated[
        Path | None, typer.Option(help="Folder to write one file per schema; printed when left out.")
    ] = None,
) -> None:
    """Write the JSON Schemas of the site's files."""
    from sitefolder import schema as schemas

    for name, body in schemas().items():
        text = json.dumps(body, ensure_ascii=False, indent=1)
        if out is None:
            print(f"# {name}\n{text}")
        else:
            out.mkdir(parents=True, exist_ok=True)
            (out / f"{name}.schema.json").write_text(text + "\n", encoding="utf-8")


@user_app.command("add")
def user_add(
    id: Annotated[str, typer.Argument(help="Log-in name, ASCII.")],
    name: Annotated[str, typer.Argument(help="The person's name as shown.")],
    role: Annotated[str, typer.Argument(help="operator, technician, engineer, manager or admin.")],
    person: Annotated[str, typer.Option(help="Id in people.toml, for technicians.")] = "",
    data: DataOption = Path(".data/site"),
) -> None:
    """Add somebody who may log in; the password is asked for, or taken from standard input."""
    from stores.accounts import Accounts

    typed = (
        typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        if sys.stdin.isatty()
        else sys.stdin.readline()
    )
    with _plainly():
        data.mkdir(parents=True, exist_ok=True)
        accounts = Accounts(data / "accounts.db")
        accounts.user_add(id, name, role, typed.rstrip("\n"), person=person)
        accounts.close()
    print(f"{id} ({role})")


@contextmanager
def _plainly() -> "Iterator[None]":
    """Turn what a person must act on into one clear sentence and an exit code."""
    from pydantic import ValidationError

    from dutyroom.settings import SettingsError
    from sitefolder import SiteError
    from stores.errors import StoreError, StoreUnwritableError

    try:
        yield
    except SiteError as error:
        errors = [f for f in error.findings if f.level == "error"]
        if len(errors) == 1 and not errors[0].place and errors[0].line is None:
            f = errors[0]
            _fail(f"{f.file}：{f.text.zh}，服务没有启动。{f.file}: {f.text.en}; the service was not started.")
        for f in errors:
            print(f, file=sys.stderr)
        _fail("站点文件有误，服务没有启动。The site folder has errors; the service was not started.")
    except StoreUnwritableError as error:
        _fail(str(error), UNWRITABLE)
    except (SettingsError, StoreError) as error:
        _fail(str(error))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        _fail(
            f"设置有误（命令行或 DUTYROOM_ 环境变量）：{wrong}。"
            f"A setting (option or DUTYROOM_ variable) is wrong: {wrong}.",
            2,
        )
    except OSError as error:
        what = error.filename or "?"
        _fail(
            f"系统拒绝 {what}（{error.strerror}）。请检查路径和权限。"
            f"The system refused {what}: {error.strerror or error}. Check path and permissions."
        )


def _fail(sentence: str, code: int = 1) -> None:
    print(f"dutyroom: {sentence}", file=sys.stderr)
    raise typer.Exit(code)


def _log(*, json_lines: bool, quiet: bool = False) -> None:
    from dutyroom.programlog import set_up

    set_up(json_lines=json_lines, quiet=quiet)


def _own_names() -> None:
    """Refuse to run when another distribution ships a package of one of our names."""
    from importlib.util import find_spec

    ours = Path(__file__).resolve().parent.parent
    for name in (
        "facility",
        "sitefolder",
        "collectors",
        "alarms",
        "response",
        "handover",
        "stores",
        "api",
        "simulators",
    ):
        spec = find_spec(name)
        place = Path(spec.origin).resolve().parent if spec and spec.origin else None
        if place != ours / name:
            print(
                f"dutyroom: 包名冲突：{name} 来自 {place}，应为 {ours / name}。"
                f"Another package named {name} ({place}) stands before ours; use a clean environment.",
                file=sys.stderr,
            )
            os._exit(2)
