"""What `dutyroom check` says of a site: its findings, what it does otherwise than the library, its rule tests."""

from dataclasses import dataclass, field
from pathlib import Path

from alarms.trial import differences
from dutyroom import needs
from dutyroom.settings import Settings
from facility.site import Site
from facility.text import Text
from sitefolder import SiteError, load
from sitefolder.changing import Override
from sitefolder.finding import Finding, Problems

TRIALS = "rule-tests"


@dataclass
class Checked:
    """All of it; `summary` is empty when the site may not be used."""

    findings: list[Finding]
    overrides: list[Override] = field(default_factory=list)
    summary: list[str] = field(default_factory=list)

    @property
    def errors(self) -> list[Finding]:
        """What forbids using the site."""
        return [finding for finding in self.findings if finding.level == "error"]


def examine(folder: Path, now_ms: int) -> Checked:
    """Check a site folder and try the rules by its own tests."""
    try:
        loaded = load(folder, now_ms=now_ms)
    except SiteError as error:
        return Checked(error.findings)
    checked = Checked(loaded.findings, loaded.overrides, [_size(loaded.site)])
    settings = Settings(site_folder=folder).of_site(loaded.site.settings)
    checked.findings += needs.findings(loaded.site, settings, loaded.secrets)
    if (folder / TRIALS).is_dir():
        checked.summary.append(_try(folder / TRIALS, loaded.site, checked.findings))
    return checked


def _size(s: Site) -> str:
    return (
        f"{s.name.zh} ({s.id}): {len(s.equipment)} equipment, {len(s.devices)} devices, "
        f"{sum(len(d.points) for d in s.devices.values())} points, {len(s.rules)} rules, {len(s.plans)} plans, "
        f"{len(s.people)} people, {len(s.parties)} parties"
    )


def _try(folder: Path, site: Site, findings: list[Finding]) -> str:
    from sitefolder.ruletest import Knowledge, library_knowledge, read_trials

    problems = Problems()
    library = library_knowledge(problems).library
    trials = read_trials(folder, Knowledge(site.rules, site.kinds, library), problems)
    good = 0
    for trial in trials:
        found = differences(trial)
        good += not found
        findings += [Finding("error", trial.name, None, "transitions.csv", Text(t.zh, t.en)) for t in found]
    findings += problems.findings
    return f"{TRIALS}: {good} of {len(list(folder.glob('*/test.toml')))} as expected"


def row(override: Override) -> str:
    """Return an override as one line."""
    o = override
    return f"rules.toml: override: {o.rule} {o.what}: {o.library} → {o.site} ({o.reason})"
