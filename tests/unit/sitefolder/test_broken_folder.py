"""Every mistake a folder can have, told with file, line, place and reason; and all of them at once."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from sitefolder import Finding, SiteError, load

DEMO = Path(__file__).parents[3] / "simulators" / "sites" / "demo"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DEMO, tmp_path / "site"))


@dataclass(frozen=True)
class Mistake:
    """Somebody wrote `new` where `old` stood (first occurrence); the finding must name the place and the line."""

    name: str
    file: str
    old: str
    new: str
    place: str
    says: str
    same_line: bool = True  # the finding's line is the one that was changed


MISTAKES = [
    Mistake("unknown key in site", "site.toml", 'timezone = "Asia/Shanghai"', 'langauge = "zh"\ntimezone = "Asia/Shanghai"', "langauge", "not a known key"),
    Mistake("unknown key in a machine", "equipment.toml", 'building = "tower-1"', 'bulding = "tower-1"', "equipment.lift-1a.bulding", "not a known key"),
    Mistake("unknown section", "roster.toml", "[[leave]]", "", "", "", same_line=False),
    Mistake("duplicate machine", "equipment.toml", 'id = "lift-1b"', 'id = "lift-1a"', "lift-1a.id", "is taken on line"),
    Mistake("duplicate person", "people.toml", 'id = "lin-xiaoyan"', 'id = "chen-yu"', "chen-yu.id", "is taken on line"),
    Mistake("unknown kind", "equipment.toml", 'kind = "genset"', 'kind = "gennset"', "equipment.genset-1.kind", "no kind gennset"),
    Mistake("unknown profile", "equipment.toml", 'profile = "abb-acs550"', 'profile = "abb-acs999"', "device.drive-pump1.profile", "no profile abb-acs999"),
    Mistake("unknown line", "equipment.toml", 'line = "drive-line"', 'line = "drive"', "device.drive-pump1.line", "no line drive"),
    Mistake("profile on the wrong wire", "equipment.toml", 'line = "lift-broker"', 'line = "hv-gateway"', "device.gw-lift-1a.line", "needs MQTT"),
    Mistake("unknown machine of a device", "equipment.toml", 'equipment = "pump-1"', 'equipment = "pump-9"', "device.drive-pump1.equipment", "no machine pump-9"),
    Mistake("machine of another kind", "equipment.toml", 'equipment = "pump-1"', 'equipment = "tx-1"', "device.drive-pump1.equipment", "does not have"),
    Mistake("unknown point", "equipment.toml", '"pit-1/water_high"', '"pit-1/water_hihg"', "device.di-fire-water.channels.di5", "no point pit-1/water_hihg"),
    Mistake("unknown channel", "equipment.toml", 'di6 = "pump-room-1/flood"', 'di99 = "pump-room-1/flood"', "device.di-fire-water.channels.di99", "no channel di99"),
    Mistake("two devices for one point", "equipment.toml", 'di2 = "fire-panel-1/fault"', 'di2 = "dc-1/fault"', "device.di-fire-water.channels.di2", "given by device di-hv-room already"),
    Mistake("a device without points", "equipment.toml", 'equipment = "pump-2"', "", "device.drive-pump2", "speaks for no point", same_line=False),
    Mistake("two devices at one address", "equipment.toml", "unit = 12\n", "unit = 11\n", "unit", "device meter-lv1 already"),
    Mistake("a device named like a machine", "equipment.toml", 'id = "drive-pump1"', 'id = "pump-1"', "device.pump-1.id", "the id of a machine"),
    Mistake("two lines on one port", "equipment.toml", "port = 15023", "port = 15020", "line.chiller-line.port", "is line hv-gateway already"),
    Mistake("a port out of range", "equipment.toml", "port = 15023", "port = 150230", "line.chiller-line.port", "must not be greater than 65535"),
    Mistake("a serial line without its settings", "equipment.toml", 'transport = "modbus-tcp"', 'transport = "modbus-rtu"', "line.hv-gateway", "states `serial`", same_line=False),
    Mistake("a serial line with a host", "equipment.toml", 'transport = "modbus-tcp"', 'transport = "modbus-rtu"\nserial = "/dev/ttyS1"\nbaud = 9600\nparity = "none"', "line.hv-gateway", "behind a transparent serial server", same_line=False),
    Mistake("a baud rate on a network line", "equipment.toml", 'transport = "modbus-tcp"', 'transport = "modbus-rtu-tcp"\nbaud = 9600', "line.hv-gateway", "a serial port of this machine", same_line=False),
    Mistake("a line without a host", "equipment.toml", 'host = "127.0.0.1"\n', "", "line.hv-gateway", "needs `host` and `port`", same_line=False),
    Mistake("an RTU line with transaction ids", "equipment.toml", 'transport = "modbus-tcp"', 'transport = "modbus-rtu-tcp"\nechoes_transaction = false', "line.hv-gateway", "only modbus-tcp frames", same_line=False),
    Mistake("bad duration", "equipment.toml", 'interval = "2 s"', 'interval = "2sec"', "device.meter-lv1.interval", "is not a duration"),
    Mistake("fed by nothing known", "equipment.toml", 'fed_by = ["tx-1"]', 'fed_by = ["tx-11"]', "equipment.lv-1.fed_by", "no machine tx-11"),
    Mistake("fed by itself", "equipment.toml", 'fed_by = ["tx-1"]', 'fed_by = ["lv-1"]', "equipment.lv-1.fed_by", "cannot feed itself"),
    Mistake("a transfer switch with one source", "equipment.toml", 'fed_by = ["lv-1", "em-bus"]', 'fed_by = ["lv-1"]', "equipment.ats-lift-1a.fed_by", "needs two sources"),
    Mistake("NaN parameter", "equipment.toml", "rated_kva = 1000", "rated_kva = nan", "equipment.tx-1.parameters.rated_kva", "finite number"),
    Mistake("unknown contractor", "equipment.toml", 'contractor = "lift-company"', 'contractor = "lift-co"', "equipment.lift-1a.card.contractor", "no party lift-co"),
    Mistake("unknown role that may reset", "equipment.toml", 'may_reset = ["operator"]', 'may_reset = ["anybody"]', "equipment.fire-panel-1.card.may_reset", "no role anybody"),
    Mistake("id that is not ASCII", "equipment.toml", 'id = "tx-2"', 'id = "变压器2"', "equipment.变压器2.id", "not written as it must be"),
    Mistake("English missing", "equipment.toml", 'en = "Transformer 1" }', 'en = "" }', "equipment.tx-1.name.en", "must not be empty"),
    Mistake("unknown role", "people.toml", 'roles = ["operator"]', 'roles = ["operater"]', "person.chen-yu.roles", "no role operater"),
    Mistake("unknown certificate", "people.toml", 'kind = "fire-control"', 'kind = "fire-controll"', "person.chen-yu.certificates.0.kind", "no certificate fire-controll"),
    Mistake("date in quotes", "people.toml", "until = 2029-03-28", 'until = "2029-03-28"', "person.chen-yu.certificates.0.until", "without quotes"),
    Mistake("unknown channel of a person", "people.toml", 'kind = "demo"', 'kind = "pigeon"', "person.chen-yu.channels.0.kind", "no channel pigeon"),
    Mistake("unknown deputy", "people.toml", 'deputy = "lift-deputy"', 'deputy = "nobody"', "party.lift-company.deputy", "no party nobody"),
    Mistake("unknown role of a party", "people.toml", 'roles = ["rescue-centre"]', 'roles = ["rescue"]', "party.rescue-centre.roles", "no role rescue"),
    Mistake("unknown person in a team", "roster.toml", '["chen-yu", "lin-xiaoyan"]', '["chen-yu", "lin"]', "layer.0.teams", "no person lin", same_line=False),
    Mistake("a person of another trade in a team", "roster.toml", '["chen-yu", "lin-xiaoyan"]', '["chen-yu", "ma-chao"]', "layer.0.teams", "does not have the role operator", same_line=False),
    Mistake("unknown shift", "roster.toml", 'cycle = ["day", "night", "off", "off"]', 'cycle = ["day", "nite", "off", "off"]', "layer.0.cycle", "no shift nite"),
    Mistake("empty shift", "roster.toml", '    ["zhao-guoqiang", "sun-lili"],\n', "    [],\n", "layer.0.teams", "has 0 people", same_line=False),
    Mistake("too few with a certificate", "roster.toml", "certificates = { fire-control = 2 }", "certificates = { hv-electrician = 2 }", "layer.0.certificates", "has 0 people with hv-electrician"),
    Mistake("offsets that do not match", "roster.toml", "minimum = 2\n", "minimum = 2\noffsets = [0, 1]\n", "layer.0.offsets", "one offset per team", same_line=False),
    Mistake("no time of day", "roster.toml", 'from = "08:00"', 'from = "8 Uhr"', "shift.day.from", "no time of day"),
    Mistake("no promise of the contract", "site.toml", 'lift_arrival = "15 min"', "", "contract.lift_arrival", "does not say the promise", same_line=False),
    Mistake("promise that is no duration", "site.toml", 'report_up = "30 min"', "report_up = 30", "contract.report_up", "is not a duration"),
    Mistake("promise nobody knows", "site.toml", 'report_up = "30 min"', 'report_up = "30 min"\nfree_beer = "1 s"', "contract.free_beer", "no promise free_beer", same_line=False),
    Mistake("no such time zone", "site.toml", 'timezone = "Asia/Shanghai"', 'timezone = "Asia/Atlantis"', "timezone", "no time zone"),
    Mistake("no address of the service", "site.toml", '# base_url = "https://duty.example"', 'base_url = "here"', "settings.base_url", "not written as it must be"),
    Mistake("unknown top-level section", "equipment.toml", "[[line]]\n", "[[lines]]\n", "lines", "not a known key"),
    Mistake("TOML syntax", "people.toml", 'name = "陈宇"', 'name = "陈宇', "", "TOML syntax error"),
]  # fmt: skip
MISTAKES = [m for m in MISTAKES if m.says]


def change(folder: Path, mistake: Mistake) -> int:
    """Make the mistake; return the line on which it stands."""
    path = folder / mistake.file
    text = path.read_text(encoding="utf-8")
    assert mistake.old in text, f"the demo no longer says {mistake.old}"
    before, _, after = text.partition(mistake.old)
    path.write_text(before + mistake.new + after, encoding="utf-8")
    return before.count("\n") + 1


def findings_of(folder: Path) -> list[Finding]:
    with pytest.raises(SiteError) as told:
        load(folder)
    return told.value.findings


def matching(findings: list[Finding], mistake: Mistake) -> list[Finding]:
    return [
        f
        for f in findings
        if f.level == "error"
        and f.file == mistake.file
        and f.place.endswith(mistake.place)
        and mistake.says in f.text.en
    ]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.name)
def test_a_mistake_is_told_with_its_place(folder: Path, mistake: Mistake) -> None:
    line = change(folder, mistake)
    found = matching(findings_of(folder), mistake)
    assert found, [str(f) for f in findings_of(folder)]
    assert found[0].text.zh
    assert found[0].line is not None
    if mistake.same_line:
        assert found[0].line == line


def test_all_mistakes_of_a_folder_are_told_at_once(folder: Path) -> None:
    names = {
        "unknown key in site", "no promise of the contract", "unknown kind", "unknown profile", "bad duration",
        "fed by nothing known", "NaN parameter", "two lines on one port", "unknown role", "unknown deputy",
        "empty shift", "no time of day",
    }  # fmt: skip
    made = [m for m in MISTAKES if m.name in names]
    for mistake in made:
        change(folder, mistake)
    found = findings_of(folder)
    missing = [m.name for m in made if not matching(found, m)]
    assert missing == []


def test_one_refused_machine_does_not_make_others_complain(folder: Path) -> None:
    change(folder, Mistake("", "equipment.toml", 'kind = "genset"', 'kind = "gennset"', "", ""))
    errors = [f for f in findings_of(folder) if f.level == "error"]
    assert [f.place for f in errors] == ["equipment.genset-1.kind"]


@pytest.mark.parametrize("file", ["site.toml", "equipment.toml", "people.toml", "roster.toml"])
def test_a_missing_file_is_named(folder: Path, file: str) -> None:
    (folder / file).unlink()
    assert any(f.file == file and "missing" in f.text.en for f in findings_of(folder))


def test_a_missing_folder_is_one_clear_sentence(tmp_path: Path) -> None:
    assert "no such site folder" in findings_of(tmp_path / "nowhere")[0].text.en


def test_a_file_that_is_not_utf8_names_the_line(folder: Path) -> None:
    text = (folder / "people.toml").read_text(encoding="utf-8").replace("name", "# 旧\nname", 1)
    (folder / "people.toml").write_bytes(text.encode("gb18030"))
    assert any(f.file == "people.toml" and "UTF-8" in f.text.en and f.line for f in findings_of(folder))


def test_a_mark_that_windows_puts_in_front_is_no_mistake(folder: Path) -> None:
    path = folder / "site.toml"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load(folder).site.id == "wanglan"


def test_secrets_that_others_can_read_are_refused(folder: Path) -> None:
    path = folder / "secrets.toml"
    path.write_text('lift-broker = "x"\n', encoding="utf-8")
    path.chmod(0o644)
    assert any(f.file == "secrets.toml" and "0600" in f.text.en for f in findings_of(folder))
    path.chmod(0o600)
    loaded = load(folder)
    assert loaded.secrets == {"lift-broker": "x"}
    assert not loaded.findings
    assert "secrets" not in repr(loaded)


def rules(folder: Path, text: str) -> list[Finding]:
    (folder / "rules.toml").write_text(text, encoding="utf-8")
    return findings_of(folder)


RULE = """
[[rule]]
id = "own-rule"
kind = "pump"
name = { zh = "泵", en = "pump" }
when = [{ point = "speed", above = 1600, deadband = 20 }]
priority = "low"
class = "equipment"
cause = { zh = "因", en = "cause" }
consequence = { zh = "果", en = "consequence" }
first_action = { zh = "做", en = "do" }
respond = "1 h"
plan = "equipment-fault"
start = "operator"
source = "this site"
"""


def test_a_site_may_add_a_rule(folder: Path) -> None:
    (folder / "rules.toml").write_text(RULE, encoding="utf-8")
    assert load(folder).site.rules["own-rule"].when[0].limit == 1600


@pytest.mark.parametrize(
    "field",
    ["name", "priority", "class", "cause", "consequence", "first_action", "respond", "plan", "start", "source"],
)
def test_a_rule_without_its_rationale_is_refused(folder: Path, field: str) -> None:
    lines = [line for line in RULE.splitlines() if not line.startswith(field)]
    found = rules(folder, "\n".join(lines))
    assert any(f.place == f"rule.own-rule.{field}" and "missing" in f.text.en and f.line for f in found)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('plan = "equipment-fault"', 'plan = "no-plan"', "no plan no-plan"),
        ('kind = "pump"', 'kind = "pumpe"', "no kind pumpe"),
        ('point = "speed"', 'point = "speeed"', "no point speeed"),
        ("above = 1600", "above = nan", "finite"),
        ("above = 1600", 'is = "running-fast"', "no code running-fast"),
        ("above = 1600", "above = 1600, below = 2", "exactly one of"),
        ("above = 1600", 'above = 1600, within = "3 s"', "no other takes it"),
        ("above = 1600", "flat = 0", "need within"),
        ("above = 1600", 'is = 0, other = "freq"', "above or below only"),
        ("above = 1600", 'above = 1, other = "temp_b"', "no point temp_b"),
        ("above = 1600", 'above = 1, of = "supply", other = "temp_b"', "no kind has a point speed"),
        ("above = 1600", 'above = 1, of = "feeder"', "must be one of"),
        ("above = 1600", 'starts = 1.5, within = "1 h"', "whole number"),
        ("above = 1600", "missing = true, counts = true", "exactly one of"),
        ("when = [", 'any_of = [{ point = "speed", counts = true }]\nwhen = [', "neither counts nor silent"),
        ("when = [", 'suppressed_by = ["nothing"]\nwhen = [', "no rule nothing"),
        ("when = [", 'suppressed_by = ["own-rule"]\nwhen = [', "in a circle: own-rule"),
        ("when = [", 'suppressed_by = ["transformer-hot"]\nwhen = [', "another kind (transformer)"),
        ("when = [", 'season = { from = "02-30", to = "03-01" }\nwhen = [', "is no day"),
        ("when = [", 'hours = { from = "8:00", to = "20:00" }\nwhen = [', "is no time"),
        ("when = [", 'hours = { from = "08:00", to = "08:00" }\nwhen = [', "begins when it ends"),
        ("when = [", 'hours = { days = "0-5" }\nwhen = [', "written as it must be"),
        ("when = [", 'only_while = "broken"\nwhen = [', "must be one of"),
        ('"this site"', '"x"\n[[rule.ladder]]\npriority = "life"', "is the rule itself"),
        ('"this site"', '"x"\n[[rule.ladder]]\npriority = "low"\non_delay = "1 h"', "graver than the rule itself"),
        (
            '"this site"',
            '"x"\n[[rule.ladder]]\npriority = "high"\nwhen = [{ point = "speed", above = 1500 }]',
            "rung 1 of the ladder is no graver",
        ),
        ('class = "equipment"', 'class = "life-safety"\nsuppressed_by = ["pump-fault"]', "takes no suppressed_by"),
        ('when = [{ point = "speed", above = 1600, deadband = 20 }]', "", "at least one condition"),
        ("above = 1600", "rises = 5", "need within"),
        ("deadband = 20", "deadband = -1", "must not be less than"),
        ('source = "this site"', 'source = "this site"\ncorroborates = ["no-rule"]', "no rule no-rule"),
        ('id = "own-rule"', 'id = "lift-bell"', "is there already"),
        ('priority = "low"', 'priority = "lowest"', "must be one of"),
        ('when = [{ point = "speed", above = 1600, deadband = 20 }]', "when = [{ silent = true }]", "only there"),
    ],
)
def test_a_rule_that_cannot_hold_is_refused(folder: Path, old: str, new: str, says: str) -> None:
    assert old in RULE
    found = rules(folder, RULE.replace(old, new))
    assert any(f.file == "rules.toml" and says in f.text.en and f.line for f in found), [str(f) for f in found]


def test_a_site_may_change_a_rule_and_says_why(folder: Path) -> None:
    before = load(folder).site
    (folder / "rules.toml").write_text(
        '[[change]]\nid = "transformer-hot"\nreason = "厂家整定"\nlimits = { temp_b = 120 }\non_delay = "30 s"\n'
        '[[change]]\nid = "genset-not-auto"\nreason = "本站手动"\nenabled = false\n',
        encoding="utf-8",
    )
    site = load(folder).site
    assert site.rules["transformer-hot"].when[0].limit == 120
    assert site.rules["transformer-hot"].on_delay_ms == 30_000
    assert site.rules["transformer-hot"].version != before.rules["transformer-hot"].version
    assert "genset-not-auto" not in site.rules
    assert site.hash != before.hash


@pytest.mark.parametrize(
    ("change_", "says"),
    [
        ('id = "no-rule"\nreason = "x"', "no rule no-rule"),
        ('id = "transformer-hot"', "missing"),
        ('id = "transformer-hot"\nreason = "x"\nlimits = { temp_x = 1 }', "does not look at temp_x"),
    ],
)
def test_a_change_that_means_nothing_is_refused(folder: Path, change_: str, says: str) -> None:
    assert any(says in f.text.en for f in rules(folder, f"[[change]]\n{change_}\n"))


PLAN = """
name = { zh = "本站预案", en = "our plan" }
priority = "high"
class = "equipment"
kinds = ["pump"]
arrival = "hvac_arrival"
repeat = "5 min"
accept_expires = "30 min"
source = "this site"

[[level]]
within = "5 min"
calls = [{ role = "hvac-technician", certificates = ["refrigeration"] }]

[[step]]
id = "look"
role = "operator"
text = { zh = "看", en = "look" }
promise = "5 min"

[[step]]
id = "mend"
role = "hvac-technician"
text = { zh = "修", en = "mend" }
after = ["look"]
proof = [{ point = "running", is = "running" }]
"""


def plans(folder: Path, text: str) -> None:
    (folder / "plans").mkdir()
    (folder / "plans" / "our-plan.toml").write_text(text, encoding="utf-8")


def test_a_site_may_add_a_plan(folder: Path) -> None:
    plans(folder, PLAN)
    assert load(folder).site.plans["our-plan"].steps[1].proof[0].limit == 1.0


@pytest.mark.parametrize(
    ("old", "new", "place", "says"),
    [
        ('calls = [{ role = "hvac-technician", certificates = ["refrigeration"] }]', "calls = []", "level.0.calls", "calls nobody"),
        ('{ role = "hvac-technician", cert', '{ role = "wizard", cert', "level.0.calls", "no role wizard"),
        ('["refrigeration"]', '["magic"]', "level.0.calls", "no certificate magic"),
        ('role = "operator"', 'role = "wizard"', "step.look.role", "no role wizard"),
        ('arrival = "hvac_arrival"', 'arrival = "some_day"', "arrival", "no promise some_day"),
        ('promise = "5 min"', 'promise = "5 min"\ncontract = "bell_answer"', "step.look.promise", "either promise or contract"),
        ('promise = "5 min"', 'contract = "some_day"', "step.look.contract", "no promise some_day"),
        ('after = ["look"]', 'after = ["leap"]', "step.mend.after", "no step leap"),
        ('text = { zh = "看", en = "look" }', 'text = { zh = "看", en = "look" }\nafter = ["mend"]', "step", "wait for each other"),
        ('point = "running"', 'point = "runs"', "step.mend.proof", "no point runs"),
        ('is = "running"', 'is = "flying"', "step.mend.proof", "no code flying"),
        ('kinds = ["pump"]', 'kinds = ["pumpe"]', "kinds", "no kind pumpe"),
        ('repeat = "5 min"', 'repeat = "0 s"', "repeat", "must be greater than 0"),
        ('source = "this site"', "", "source", "missing"),
        ('source = "this site"', 'source = "this site"\ncolour = "red"', "colour", "not a known key"),
        ('id = "mend"', 'id = "look"', "step.look.id", "is taken on line"),
    ],
)  # fmt: skip
def test_a_plan_that_cannot_be_carried_out_is_refused(folder: Path, old: str, new: str, place: str, says: str) -> None:
    assert old in PLAN
    plans(folder, PLAN.replace(old, new))
    found = [f for f in findings_of(folder) if f.file == "plans/our-plan.toml"]
    assert any(f.place == place and says in f.text.en for f in found), [str(f) for f in found]


def test_findings_read_like_those_of_a_compiler(folder: Path) -> None:
    change(folder, Mistake("", "equipment.toml", 'kind = "genset"', 'kind = "gennset"', "", ""))
    said = str(next(f for f in findings_of(folder) if f.level == "error"))
    assert said.startswith("equipment.toml:")
    assert "没有设备类型 gennset / there is no kind gennset" in said
