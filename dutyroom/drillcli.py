"""`dutyroom drill` on the command line: on simulators, in a process of its own; or on paper, on the running service."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from dutyroom.drilling import Played
    from facility.site import Site

ALL = "all"
PASSWORD = "DUTYROOM_PASSWORD"  # noqa: S105 - the name of the variable that may hold it


def drill(
    site: Annotated[Path, typer.Argument(help="The site folder.")],
    plan: Annotated[str, typer.Argument(help="The plan's id; or `all`: every plan of the library, one by one.")],
    equipment: Annotated[str, typer.Option("--equipment", help="The machine; the scenario's own when left out.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line per record, and one per drill.")] = False,
    day: Annotated[str, typer.Option("--day", help="On which day it is played, YYYY-MM-DD; today when left out.")] = "",
    report: Annotated[
        Path | None, typer.Option("--report", help="Write the one-page report here, once in Chinese, once in English.")
    ] = None,
    paper: Annotated[
        bool, typer.Option("--paper", help="On paper, on the running service: real people are really called.")
    ] = False,
    url: Annotated[str, typer.Option("--url", help="The running service, for --paper.")] = "http://127.0.0.1:8080",
    user: Annotated[
        str, typer.Option("--user", help=f"Who starts it, for --paper; password asked or {PASSWORD}.")
    ] = "",
) -> None:
    """Drill a plan. On simulators nobody is called and nothing outside is touched; hours pass in seconds."""
    if paper:
        raise typer.Exit(_on_paper(url, user, plan, equipment))
    raise typer.Exit(_on_simulators(site, plan, equipment, day, report, as_json=as_json))


def _on_simulators(folder: Path, plan: str, equipment: str, day: str, report: Path | None, *, as_json: bool) -> int:
    from dutyroom.clock import SystemClock
    from dutyroom.drilling import day_of, play
    from dutyroom.programlog import set_up
    from simulators.playbook import PlaybookError
    from sitefolder import SiteError, load

    set_up(json_lines=False, quiet=True)
    try:
        site = load(folder).site
    except SiteError as error:
        print(error, file=sys.stderr)
        return 1
    day = day or day_of(site, SystemClock().now())
    failed = 0
    for one in sorted(site.plans) if plan == ALL else [plan]:
        try:
            played = play(site, one, equipment, day)
        except (PlaybookError, ValueError) as error:
            print(f"{one}: {error}", file=sys.stderr)
            if plan != ALL:
                return 2
            failed += 1
            continue
        failed += bool(played.trouble or played.broken)
        for line in _as_json(played) if as_json else _as_text(site, played, whole=plan != ALL):
            print(line, flush=True)
        if report is not None:
            _write(site, played, report)
    return 1 if failed else 0


def _as_json(played: "Played") -> Iterator[str]:
    from api.views.record import payload

    for r in played.records:
        line = {"t": r.at_ms, "kind": r.kind, "subject": r.subject, "actor": r.actor, "data": payload(r.data)}
        yield json.dumps(line, ensure_ascii=False)
    said: dict[str, Any] = {
        "drill": played.plan,
        "equipment": played.machine,
        "ok": not played.trouble,
        "why": played.trouble,
        "kept": dict(played.kept),
        "broken": played.broken,
        "refused": played.refused,
        "minutes": round(played.lasted_ms / 60_000, 1),
    }
    yield json.dumps(said, ensure_ascii=False)


def _as_text(site: "Site", played: "Played", *, whole: bool) -> Iterator[str]:
    from api.report.telling import Telling
    from api.views.words import promise_name

    plan = site.plans[played.plan]
    incident = played.folded()
    if whole and incident is not None:
        yield f"【演练】{plan.name.zh} · {site.owner_name(played.machine).zh}   [DRILL] {plan.name.en}"
        tell = Telling(site, incident, "zh")
        for r in played.records:
            if words := tell(r):
                at = (r.at_ms - played.began_ms) // 1000
                yield f"  {at // 60:4}:{at % 60:02}  {words}"
        for name, took in played.kept:
            yield f"  兑现 kept    {took // 60_000:3}:{took // 1000 % 60:02}  {promise_name(site, name, plan).zh}"
        for name in played.broken:
            yield f"  超时 broken          {promise_name(site, name, plan).zh}"
        for no in played.refused:
            yield f"  被拒 refused         {no}"
    verdict = "演练完成 ok" if not (played.trouble or played.broken) else "未通过 FAILED"
    counted = f"{len(played.kept)} 项兑现 kept, {len(played.broken)} 项超时 broken"
    minutes = f"{played.lasted_ms / 60_000:.1f} min"
    yield f"{verdict:<14} {played.plan:<20} {played.machine:<16} {minutes:>9}  {counted}  {played.trouble}".rstrip()


def _write(site: "Site", played: "Played", path: Path) -> None:
    from api.report import paper
    from api.report.content import content

    incident = played.folded()
    if incident is None:
        return
    for language in ("zh", "en"):
        said = content(site, incident, played.records, played.shown, language, incident.last_ms)
        to = path.with_name(f"{path.stem}-{played.plan}-{language}.pdf")
        to.write_bytes(paper.pdf(said))
        print(to)


def _on_paper(url: str, user: str, plan: str, equipment: str) -> int:
    import httpx

    if not user:
        print("--paper：请用 --user 写明谁来启动。--paper: say with --user who starts it.", file=sys.stderr)
        return 2
    password = os.environ.get(PASSWORD) or typer.prompt("Password", hide_input=True)
    try:
        with httpx.Client(base_url=url, timeout=10, headers={"origin": url}) as http:
            said = http.post("/api/v1/login", json={"user": user, "password": password})
            if said.is_success:
                body = {"plan": plan, "equipment": equipment, "request": os.urandom(16).hex()}
                said = http.post("/api/v1/drills", json=body)
    except httpx.HTTPError as error:
        print(f"服务 {url} 没有应答。The service at {url} does not answer: {error}", file=sys.stderr)
        return 1
    if not said.is_success:
        print(said.json().get("detail", said.text), file=sys.stderr)
        return 1
    incident = said.json()["incident"]
    print(
        f"【演练】已开始，事件 {incident}，人员正在被呼叫。The drill has begun: incident {incident}; people are called."
    )
    print(f"{url}/#/incidents/{incident}")
    return 0
