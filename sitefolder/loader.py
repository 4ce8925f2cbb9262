"""Reads one site folder with the library into one checked, immutable value; all errors at once."""

import hashlib
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from facility.point import PointType
from facility.site import Site, Thinning
from sitefolder.changing import Override
from sitefolder.document import Document, read
from sitefolder.finding import Finding, Problems, SiteError
from sitefolder.library import LIBRARY, Library, read_library
from sitefolder.planning import plan
from sitefolder.plant import Plant, equip
from sitefolder.profiles import read_profiles
from sitefolder.sitefile import SiteFile
from sitefolder.staff import Staff, manned, roster_of, staff_of
from sitefolder.warnings import warn

if TYPE_CHECKING:
    from collectors.profile import Profile


@dataclass(frozen=True)
class Loaded:
    """A site that may be run, and what should be looked at all the same."""

    site: Site
    profiles: dict[str, "Profile"]
    secrets: dict[str, str] = field(repr=False)
    findings: list[Finding]
    overrides: list[Override] = field(default_factory=list)  # what the site does otherwise than the library's rules


def load(folder: Path, *, library: Path | None = None, rules: Path | None = None, now_ms: int | None = None) -> Loaded:
    """Read a site folder; another file of `rules` may stand in for its rules.toml.

    With `now_ms` (UTC milliseconds) it also warns of what time brings: holes in the roster of the next 7 days,
    certificates that expire within 90 days, inspections that are due.

    Raises:
        SiteError: something forbids using the site; it lists every finding.
    """
    problems = Problems()
    if not folder.is_dir():
        problems.error(str(folder), "", "没有这个站点文件夹", "there is no such site folder")
        raise SiteError(problems.findings)
    library_folder = library or LIBRARY
    words = read_library(library_folder, problems)
    if not words.roles:  # without its words nothing else can be judged
        raise SiteError(problems.findings)
    documents = {
        file: read(folder / file, file, problems)
        for file in ("site.toml", "equipment.toml", "people.toml", "roster.toml")
    }
    profiles = _profiles(library_folder, folder, documents["equipment.toml"], problems)
    secrets = _secrets(folder, problems)
    head, zone = _site(documents["site.toml"], words)
    planning = plan(library_folder, folder, words, problems, rules)
    equipment, people, roster = documents["equipment.toml"], documents["people.toml"], documents["roster.toml"]
    staff = staff_of(people, words) if people else Staff()
    plant = equip(equipment, words, profiles, secrets, folder) if equipment else Plant()
    if people:
        _cards(plant, staff, people)
        machines = {machine.kind for machine in plant.equipment.values()}
        manned(people, staff, planning.plans.values(), machines, {**words.roles, **words.party_roles})
    duty = roster_of(roster, words, staff, zone) if roster and people else None
    if problems.errors or head is None or duty is None:
        raise SiteError(problems.findings)
    hashes = [
        *words.hashes,
        *planning.hashes,
        *((f"profile:{p.id}", p.hash) for p in profiles.values()),
        *((d.file, d.hash) for d in documents.values() if d),
    ]
    site = Site(
        id=head.id,
        name=head.name.text(),
        timezone=head.timezone,
        hash=hashlib.sha256(repr(sorted(hashes)).encode()).hexdigest(),
        contract=dict(head.contract),
        kinds=words.kinds,
        equipment=plant.equipment,
        lines=plant.lines,
        devices=plant.devices,
        rules=planning.rules,
        plans=planning.plans,
        people=staff.people,
        parties=staff.parties,
        roster=duty,
        supply=plant.supply,
        settings=head.settings.flat(),
        thinning=head.storage.thinning() if head.storage else Thinning(),
        works=head.works.works(),
        drills=head.drills.drills(),
        paging=head.paging.paging(),
        performance=head.limits(),
        roles={**words.roles, **words.party_roles},
        certificates=words.certificates,
        promises=words.promises,
    )
    warn(site, {file: d for file, d in documents.items() if d}, problems, now_ms)
    return Loaded(site, profiles, secrets, problems.findings, planning.overrides)


def _profiles(library: Path, folder: Path, equipment: Document | None, problems: Problems) -> "dict[str, Profile]":
    """Return the library's profiles that a device names (others only cost time), and all of the site's own."""
    devices = equipment.data.get("device", []) if equipment else []
    named = {d.get("profile") for d in devices if isinstance(d, dict)} if isinstance(devices, list) else set()
    profiles = read_profiles(library / "profiles", problems, only=named)
    if (folder / "profiles").is_dir():
        profiles = {**profiles, **read_profiles(folder / "profiles", problems)}
    return profiles


def _site(document: Document | None, library: Library) -> tuple[SiteFile | None, ZoneInfo]:
    utc = ZoneInfo("UTC")
    if document is None:
        return None, utc
    contract = document.data.get("contract")
    if isinstance(contract, Mapping):
        for promise, label in library.promises.items():
            if promise not in contract:
                document.error(
                    ("contract", promise),
                    f"合同没有写明承诺“{label.zh}”",
                    f"the contract does not say the promise “{label.en}”",
                )
        for promise in contract:
            if promise not in library.promises:
                document.error(("contract", promise), f"没有承诺 {promise}", f"there is no promise {promise}")
    _deadbands(document, library)
    head = document.model(SiteFile)
    zone = document.data.get("timezone")
    try:
        return head, ZoneInfo(zone) if isinstance(zone, str) and zone else utc
    except (ZoneInfoNotFoundError, ValueError, OSError):
        document.error(("timezone",), f"没有时区 {zone}", f"there is no time zone {zone}")
        return head, utc


def _deadbands(document: Document, library: Library) -> None:
    storage = document.data.get("storage")
    bands = storage.get("deadband") if isinstance(storage, Mapping) else None
    for name in bands if isinstance(bands, Mapping) else ():
        kind, _, point = name.partition(".")
        found = library.kinds[kind].points.get(point) if kind in library.kinds else None
        if found is None:
            document.error(
                ("storage", "deadband", name),
                f"没有点位 {name}；写作“设备类型.点位”",
                f'there is no point {name}; write "kind.point"',
            )
        elif found.type in {PointType.STATE, PointType.ENUM}:
            document.error(
                ("storage", "deadband", name),
                "状态和枚举点位一有变化就保存，不需要死区",
                "states and enums are kept whenever they change, and have no deadband",
            )


def _secrets(folder: Path, problems: Problems) -> dict[str, str]:
    path = folder / "secrets.toml"
    if not path.exists():
        return {}
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode != stat.S_IRUSR | stat.S_IWUSR:
        problems.error(
            "secrets.toml",
            "",
            f"权限是 {mode:04o}，必须是 0600：chmod 600 secrets.toml",
            f"its mode is {mode:04o} and must be 0600: chmod 600 secrets.toml",
        )
    document = read(path, "secrets.toml", problems)
    secrets = {}
    for key, value in (document.data if document else {}).items():
        if isinstance(value, str):
            secrets[key] = value
        elif document:
            document.error((key,), "应为文字（加引号）", "must be text in quotation marks")
    return secrets


def _cards(plant: Plant, staff: Staff, people: Document) -> None:
    doubted = people.broken.get("party", set())
    for machine in plant.equipment.values():
        for key in ("contractor", "deputy"):
            party = getattr(machine.card, key)
            if party and party not in staff.parties and party not in doubted:
                plant.entries[machine.id].error(("card", key), f"没有单位 {party}", f"there is no party {party}")
