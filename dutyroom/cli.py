"""The command line. Exit codes: 0 fine, 1 findings or trouble, 2 usage."""

import gc
import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from dutyroom import __version__
from dutyroom.bookcli import backup, restore, verify
from dutyroom.drillcli import drill
from dutyroom.fieldcli import import_points, probe
from dutyroom.terminal import DataOption, SiteArgument, fail, plainly

app = typer.Typer(
    name="dutyroom",
    help="值班室 Dutyroom: telemetry, alarms, emergency plans, paging, proof. "
    "Not a certified safety function; replaces neither lift intercom nor fire panel nor relay protection.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
user_app = typer.Typer(help="People who may log in.", no_args_is_help=True)
app.add_typer(user_app, name="user")


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
    with plainly():
        from dutyroom import serving

        users = ("operator", "technician", "engineer", "manager", "admin") if demo else ()
        settings = Settings(
            site_folder=site, data=data, host=host, port=port, base_url=base_url, behind_proxy=behind_proxy,
            demo=demo, demo_users=users,
        )  # fmt: skip
        serving.serve(settings, ready)


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
    with plainly():
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
        fail("请给出站点文件夹或 --profile 文件。Give a site folder, or --profile and a file.", 2)
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
def reload(
    site: SiteArgument,
    data: DataOption = Path(".data/site"),
    dry: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
) -> None:
    """Let the running service adopt changed files: machines, lines, devices, profiles, rules, plans, people, roster."""
    import time

    from dutyroom.reloading import ring, told
    from sitefolder import load

    with plainly():
        load(site)  # every error on this screen; the service would say them in its log
        came = ring(data, time.sleep, dry=dry)
    for error in came.errors:
        print(
            ": ".join(part for part in (error.file, error.place, f"{error.text.zh} / {error.text.en}") if part),
            file=sys.stderr,
        )
    if came.restart:
        zh = "；".join(f"{part}（{why.zh}）" for part, why in came.restart.items())
        en = "; ".join(f"{part} ({why.en})" for part, why in came.restart.items())
        fail(
            f"未采用：{zh}的改动要重启服务才生效；旧配置继续有效。"
            f"Nothing was adopted: changes to {en} need a restart of the service; the old files still hold."
        )
    if not came.adopted:
        fail("站点文件未采用，旧配置继续有效。The site folder was not adopted; the old files still hold.")
    for line in told(came):
        print(line)


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

    with plainly():
        try:
            outcome, loaded, took_s = said.run(site, data, begin, end, rules)
        except ReplayError as error:
            fail(str(error), 2)
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
    with plainly():
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
    with plainly():
        data.mkdir(parents=True, exist_ok=True)
        accounts = Accounts(data / "accounts.db")
        accounts.user_add(id, name, role, typed.rstrip("\n"), person=person)
        accounts.close()
    print(f"{id} ({role})")


for _command in (drill, probe, verify, backup, restore):
    app.command()(_command)
app.command("import-points")(import_points)


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
