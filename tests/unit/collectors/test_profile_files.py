"""The library's profiles: all readable, all true to the kinds they speak for; and every mistake in one is told."""

import math
from pathlib import Path

import pytest

from collectors.modbus.decode import Decoder
from collectors.modbus.encode import encode
from collectors.modbus.readplan import Request, plan
from collectors.profile import Identity, Trust, Type
from facility.point import PointType
from sitefolder.document import read
from sitefolder.finding import Problems
from sitefolder.kindfile import KindFile
from sitefolder.profiles import read_profiles

ROOT = Path(__file__).parents[3] / "library"


def library():
    problems = Problems()
    found = read_profiles(ROOT / "profiles", problems)
    assert [str(f) for f in problems.findings] == []
    return found


PROFILES = library()


def kind(id):
    problems = Problems()
    document = read(ROOT / "kinds" / f"{id}.toml", id, problems)
    model = document.model(KindFile)
    assert not problems.findings
    return model.kind(id)


def test_the_profiles_that_the_demo_needs_are_there():
    assert set(PROFILES) >= {
        "schneider-pm5xxx",
        "schneider-sepam-20",
        "qualitrol-118",
        "smartgen-hgm6100n",
        "deepsea-gencomm",
        "daikin-microtech-iii",
        "abb-acs550",
        "asco-group-g",
        "di-16",
        "eaton-tc-50",
        "eastron-sdm630",
        "acrel-adl3000",
        "lift-gateway-json-a",
        "lift-gateway-json-b",
    }


@pytest.mark.parametrize("id", PROFILES)
def test_a_profile_says_its_source_and_speaks_of_points_its_kind_has_in_their_unit(id):
    profile = PROFILES[id]
    assert profile.source
    assert profile.trust in Trust
    points = kind(profile.kind).points if profile.kind else {}
    for spec in profile.fields.values():
        if spec.point:
            assert spec.point in points
            assert spec.unit == points[spec.point].unit


def possible(spec, points):
    """A value that the field can bring and its point can have."""
    point = points.get(spec.point)
    if spec.codes:
        return next(iter(spec.codes.values()))
    if point is None or point.type is PointType.STATE or spec.type in {Type.BIT, Type.PAIR}:
        return 1.0
    if point.type is PointType.ENUM:
        return float(point.codes[0].value)
    return max(min(20.0, point.high or 20.0), point.low or 0.0)


@pytest.mark.parametrize("id", [p.id for p in PROFILES.values() if p.modbus])
def test_what_a_simulator_writes_the_decoder_reads(id):
    profile = PROFILES[id]
    points = kind(profile.kind).points
    channels = [c for c, f in profile.modbus.fields.items() if f.point] or list(profile.modbus.fields)
    wanted = {c: possible(profile.modbus.fields[c], points) for c in channels}
    for spec in [profile.modbus.fields[c] for c in channels]:
        others = [c for c in (spec.scale_from, *spec.plus[:1]) if c and not profile.modbus.fields[c].codes]
        wanted.update(dict.fromkeys(others, 3.0 if spec.exponent else 1.0))
    if id == "smartgen-hgm6100n":
        wanted["speed"] = 1500.0  # which is what tells that it runs
    if "pf" in wanted:
        wanted["pf"] = 1.0 if profile.modbus.fields["pf"].over else 0.9
    bank = encode(profile.modbus, wanted, multipliers={"ct": 2, "pt": 1})
    decoder = Decoder(
        profile.modbus,
        channels,
        [points.get(profile.modbus.fields[c].point) for c in channels],
        multipliers={"ct": 2, "pt": 1},
    )
    replies = []
    for request in decoder.requests:
        cells = [
            bank.get(request.function, {}).get(a, 0) for a in range(request.address, request.address + request.count)
        ]
        if request.function in {1, 2}:
            replies.append(sum(bit << n for n, bit in enumerate(cells)).to_bytes(request.reply_bytes, "little"))
        else:
            replies.append(b"".join(c.to_bytes(2, "big") for c in cells))
    values, reasons, texts = decoder.decode(replies)
    assert not any(reasons), (dict(zip(channels, reasons, strict=True)), texts)
    for channel, value in zip(channels, values, strict=True):
        assert value == pytest.approx(wanted[channel], rel=1e-3), channel
    for channel, spec in profile.modbus.fields.items():
        if spec.sentinels and channel in channels:
            encode(profile.modbus, {channel: math.nan}, bank=bank)


def test_printed_addresses_leave_as_they_go_on_the_wire():
    assert PROFILES["schneider-pm5xxx"].modbus.fields["i_a"].address == 2999
    assert PROFILES["daikin-microtech-iii"].modbus.fields["leaving_temp"].address == 16
    assert PROFILES["schneider-sepam-20"].modbus.fields["i_a"].address == 0x106
    assert PROFILES["abb-acs550"].modbus.fields["freq"].address == 102


HEAD = """
name = { zh = "表", en = "meter" }
kind = "lv_meter"
interval = "1 s"
source = "here"
trust = "manual-page"
"""


def findings(tmp_path, text):
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "x.toml").write_text(text)
    problems = Problems()
    found = read_profiles(tmp_path / "profiles", problems)
    assert found == {}
    for finding in problems.findings:
        assert finding.file == "profiles/x.toml"
        assert finding.text.zh
        assert finding.text.en
    return {(f.place, f.text.en) for f in problems.findings}


def test_every_mistake_of_a_modbus_profile_is_told_at_once_with_its_place(tmp_path):
    told = findings(
        tmp_path,
        HEAD
        + """
channel = [
    { id = "i_a", at = 3000, type = "f32" },
    { id = "i_a", at = 3002, type = "f32", order = "ABCD" },
    { id = "v_ab", at = 0, type = "u16" },
    { id = "pf", at = 9, type = "u16", function = 2 },
    { id = "freq", at = 9, type = "u16", scale_from = "nothing" },
]
[modbus]
base = 1
""",
    )
    assert ("channel.i_a", "a value over several registers must state its `order`") in told
    assert ("channel.i_a.id", "channel i_a stands twice") in told
    assert ("channel.v_ab.at", "is outside the addresses 0 to 65535") in told
    assert ("channel.pf.type", "functions 1 and 2 bring only bits") in told
    assert ("channel.freq", "there is no channel nothing") in told


def test_blocks_that_a_device_gives_only_whole(tmp_path):
    told = findings(
        tmp_path,
        HEAD
        + """
channel = [
    { id = "i_a", at = 4, type = "u16" },
    { id = "i_b", at = 10, type = "u32", order = "ABCD" },
    { id = "i_c", at = 4, type = "u16", function = 4 },
]
[modbus]
base = 1
blocks = [{ at = 1, count = 10 }, { at = 1, count = 126, function = 3 }, { at = 65530, count = 10 }]
""",
    )
    assert told == {
        ("channel.i_c.at", "stands in none of the blocks"),
        ("modbus.blocks.1", "is beyond 0 to 65535, or more than 125"),
        ("modbus.blocks.2", "is beyond 0 to 65535, or more than 125"),
    }
    folder = tmp_path / "good"
    folder.mkdir()
    text = (
        HEAD
        + 'channel = [{ id = "i_a", at = 4, type = "u16" }]\n[modbus]\nbase = 1\nblocks = [{ at = 1, count = 10 }]\n'
    )
    (folder / "x.toml").write_text(text)
    modbus = read_profiles(folder, Problems())["x"].modbus
    assert plan(modbus, ["i_a"]) == (Request(3, 0, 10),)


@pytest.mark.parametrize(
    ("channel", "said"),
    [
        ('{ id = "p", at = 1, type = "u16", sacle = 1 }', "is not a known key; perhaps a typing mistake"),
        ('{ id = "p", at = 1, type = "u17" }', "must be one of"),
        ('{ id = "p", type = "u16" }', "needs `at`; closed and open belong to a pair"),
        (
            '{ id = "p", at = 1, type = "bit", bit = 10, width = 8 }',
            "bit + width reach beyond the 16 bits of a register",
        ),
        ('{ id = "p", at = 1, type = "u16", scale = 0 }', "a scale of 0 loses every value"),
        ('{ id = "p", at = 1, type = "u16", scale = nan }', "must be a finite number, not nan or inf"),
        ('{ id = "p", at = 1, type = "pair", closed = "a", open = "b" }', "a pair is made of the channels"),
    ],
)
def test_a_channel_that_cannot_be(tmp_path, channel, said):
    told = findings(tmp_path, HEAD + f"channel = [{channel}]\n[modbus]\nbase = 0\n")
    assert any(text.startswith(said) for _, text in told), told


def test_mistakes_of_an_mqtt_profile(tmp_path):
    told = findings(
        tmp_path,
        HEAD
        + """
channel = [{ id = "a", message = "dead", path = "v" }, { id = "b" }]
[mqtt]
message = [{ id = "live", topic = "x/{device}" }]
""",
    )
    assert ("channel.a.message", "there is no such message") in told
    assert ("channel.b.path", "a json message needs a path; a plain one takes none") in told


@pytest.mark.parametrize(
    ("identity", "place", "said"),
    [
        ("at = 0, is = [7]", "modbus.identity.at", "is outside the addresses 0 to 65535"),
        ("at = 1, is = []", "modbus.identity.is", ""),
        ("at = 1, is = [70000]", "modbus.identity.is", ""),
        ("at = 1, is = [7], function = 1", "modbus.identity.function", ""),
    ],
)
def test_a_register_that_cannot_name_a_model(tmp_path, identity, place, said):
    text = (ROOT / "profiles" / "qualitrol-118.toml").read_text().replace("at = 8188, is = [15060]", identity)
    assert any(where.startswith(place) and said in why for where, why in findings(tmp_path, text))


def test_the_register_that_names_the_model_is_asked_for_where_the_map_is_read_and_written_back():
    modbus = PROFILES["qualitrol-118"].modbus
    assert modbus.identity == Identity(3, 8187, (15060,))
    assert encode(modbus, {})[3][8187] == 15060
