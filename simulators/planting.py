"""Plants what the demonstration is to show into a working copy of a site folder; the files stay valid.

Only ever call it on a copy.
"""

import re
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from response.duty import on_duty
from sitefolder import load

HOLE_IN_DAYS = 5
EXPIRES_IN_DAYS = 20
FRESH_DAYS = 120  # a certificate that would end sooner is renewed: only the planted one may stand out
RENEWED_DAYS = 730
RUN_IN_DAYS = 28
MIDDAY = 12
_DATE = r"\d{4}-\d\d-\d\d"


def plant(folder: Path, now_ms: int) -> list[str]:
    """Edit the copied site folder so that it fits the day, with one hole in the roster and one certificate to renew.

    Also writes a broker password into secrets.toml (mode 0600) where a line asks for one.

    Returns:
        What was planted, one sentence each, in Chinese and English.

    Raises:
        SiteError: the folder was not valid before.
    """
    site = load(folder).site
    zone = ZoneInfo(site.timezone)
    today = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(zone).date()
    _dates(folder, today)
    _passwords(folder, sorted({line.secret for line in site.lines.values() if line.secret}))
    return [_hole(folder, today, zone), _certificate(folder, today)]


def move_ports(folder: Path, ports: Mapping[str, int]) -> None:
    """Give lines of the copied site folder other ports.

    Raises:
        KeyError: a line is not there.
    """
    path = folder / "equipment.toml"
    text = path.read_text(encoding="utf-8")
    left = dict(ports)

    def moved(section: re.Match[str]) -> str:
        id = re.search(r'^id = "([^"]+)"', section[0], re.MULTILINE)
        if id is None or id[1] not in left:
            return section[0]
        return re.sub(r"^port = \d+", f"port = {left.pop(id[1])}", section[0], count=1, flags=re.MULTILINE)

    text = re.sub(r"^\[\[line\]\]\n(?:(?!\[).*\n)*", moved, text, flags=re.MULTILINE)
    if left:
        raise KeyError(f"no line {', '.join(sorted(left))} in {path.name}")
    path.write_text(text, encoding="utf-8")


def _dates(folder: Path, today: date) -> None:
    """Keep the demonstration young: rosters have begun, certificates and inspections have not run out."""
    begun = today - timedelta(days=RUN_IN_DAYS)
    renewed = today + timedelta(days=RENEWED_DAYS)
    fresh = today + timedelta(days=FRESH_DAYS)
    _each_date(folder / "roster.toml", "since", lambda day: min(day, begun))
    _each_date(folder / "people.toml", "until", lambda day: renewed if day < fresh else day)
    for key in ("next_inspection", "next_maintenance"):
        _each_date(folder / "equipment.toml", key, lambda day: fresh if day < today else day)


def _each_date(path: Path, key: str, change: Callable[[date], date]) -> None:
    text = path.read_text(encoding="utf-8")
    path.write_text(
        re.sub(
            rf"\b{key} = ({_DATE})", lambda found: f"{key} = {change(date.fromisoformat(found[1])).isoformat()}", text
        ),
        encoding="utf-8",
    )


def _passwords(folder: Path, names: list[str]) -> None:
    path = folder / "secrets.toml"
    if names and not path.exists():
        path.touch(mode=0o600)
        path.write_text("".join(f'{name} = "{secrets.token_urlsafe(18)}"\n' for name in names), encoding="utf-8")


def _hole(folder: Path, today: date, zone: ZoneInfo) -> str:
    site = load(folder).site
    day = today + timedelta(days=HOLE_IN_DAYS)
    noon = datetime(day.year, day.month, day.day, MIDDAY, tzinfo=zone)
    person = site.people[on_duty(site, "operator", round(noon.timestamp() * 1000))[-1]]
    leave = (
        "\n# 演示：这一班少一人，没有替班 planted for the demonstration: nobody stands in\n"
        f'[[leave]]\nperson = "{person.id}"\nfrom = {day.isoformat()}T08:00:00\nto = {day.isoformat()}T20:00:00\n'
        'reason = "培训"\n'
    )
    with (folder / "roster.toml").open("a", encoding="utf-8") as roster:
        roster.write(leave)
    return f"{day} 白班监控员缺一人（{person.name}请假，无人替班） / one operator short on the day shift of {day}"


def _certificate(folder: Path, today: date) -> str:
    path = folder / "people.toml"
    until = today + timedelta(days=EXPIRES_IN_DAYS)
    site = load(folder).site
    person = next(p for p in site.people.values() if any(c.kind == "hv-electrician" for c in p.certificates))
    text = path.read_text(encoding="utf-8")
    start = text.index(f'id = "{person.id}"')
    pattern = rf'(kind = "hv-electrician"[^}}]*until = ){_DATE}'
    path.write_text(text[:start] + re.sub(pattern, rf"\g<1>{until}", text[start:], count=1), encoding="utf-8")
    return f"{person.name}的高压电工证 {until} 到期 / an HV certificate expires on {until}"
