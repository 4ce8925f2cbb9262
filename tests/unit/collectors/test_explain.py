"""`dutyroom check --profile`: addresses as printed and as sent, what becomes of the answer."""

from pathlib import Path

import pytest

from collectors.explain import explain
from sitefolder.finding import Problems
from sitefolder.profiles import read_profiles

PROFILES = read_profiles(Path(__file__).parents[3] / "library" / "profiles", Problems())


def row(id, channel):
    return " ".join(next(line for line in explain(PROFILES[id]) if line.startswith(channel + " ")).split())


@pytest.mark.parametrize(
    ("id", "channel", "said"),
    [
        ("schneider-pm5xxx", "i_a", "i_a 3000 2999 (0x0BB7) 3 holding f32 ABCD raw A i_a"),
        ("schneider-pm5xxx", "pf", "pf 3060 3059 (0x0BF3) 3 holding f32 ABCD raw / s_total pf"),
        ("schneider-sepam-20", "trip", "trip 257 257 (0x0101) 3 holding bit 0-7 - raw, any bit trip"),
        ("schneider-sepam-20", "breaker_closed", "breaker_closed - - - pair - li1 closed, li2 open breaker_closed"),
        ("acrel-adl3000", "i_a", "i_a 100 100 (0x0064) 3 holding u16 - raw x 0.01 x ct A i_a"),
        (
            "sf6-room-detector",
            "temperature",
            "temperature 4098 4098 (0x1002) 3 holding u16 - raw x 0.1 - 50 °C temperature",
        ),
        ("acrel-acr10r", "v_ab", "v_ab 246 246 (0x00F6) 3 holding u16 - raw x 0.0001 x 10^u_point V v_ab"),
        ("qualitrol-118", "temp_a", "temp_a 1 0 (0x0000) 3 holding lo - raw; none: 0x8000-0xFFFF °C temp_a"),
        ("lift-roof-box", "door_zone", "door_zone monitor 7:u8 number, inverted door_zone"),
        ("lift-gateway-events", "trapped", "trapped lock Params.Value 1, and 0 by lock-close trapped"),
    ],
)
def test_a_channel_in_words(id, channel, said):
    assert row(id, channel) == said


@pytest.mark.parametrize("id", PROFILES)
def test_every_profile_can_be_explained(id):
    lines = explain(PROFILES[id])
    assert PROFILES[id].source in "\n".join(lines)
    assert all(any(line.startswith(channel) for line in lines) for channel in PROFILES[id].fields)


def test_how_a_device_names_its_model_is_said():
    (said,) = (line for line in explain(PROFILES["qualitrol-118"]) if line.startswith("the model"))
    assert said == "the model is told by function 3, address 8188, sent 8187 (0x1FFB): 15060"
