"""`dutyroom check` says what the channels of a site's people lack, and whom it concerns."""

import shutil
import tomllib
from pathlib import Path

import pytest

from api.labels import CHANNEL
from dutyroom.checking import examine
from dutyroom.needs import KINDS, missing
from dutyroom.settings import Settings
from facility.person import Channel

ROOT = Path(__file__).parents[3]
PLAIN = Settings(site_folder=Path("x"))
KEY = {"aliyun_key_id": "i", "aliyun_key_secret": "s"}


@pytest.mark.parametrize(
    ("channel", "lacks"),
    [
        (Channel("webhook", "http://h/"), []),
        (Channel("smtp", "z@h"), ["site.toml [settings]: smtp_host", "site.toml [settings]: smtp_from"]),
        (Channel("dingtalk", "duty@1"), ["secrets.toml: dingtalk_duty"]),
        (Channel("feishu-app", "ou_1"), ["secrets.toml: app_feishu (2 words)"]),
        (Channel("wecom-app", "z"), ["secrets.toml: app_wecom (3 words)"]),
        (Channel("dingtalk-app", "z"), ["secrets.toml: app_dingtalk (3 words)"]),
        (
            Channel("voice", "1"),
            ["site.toml [settings]: aliyun_voice_template", *(f"secrets.toml: {name}" for name in KEY)],
        ),
        (Channel("modem", "1"), ["site.toml [settings]: modem"]),
    ],
)
def test_what_a_channel_lacks_on_a_bare_site(channel: Channel, lacks: list[str]) -> None:
    assert missing(channel, PLAIN, {}) == lacks


def test_nothing_is_missing_where_everything_is_there() -> None:
    settings = PLAIN.model_copy(update={"aliyun_voice_template": "TTS_1"})
    assert missing(Channel("voice", "1"), settings, KEY) == []
    assert missing(Channel("dingtalk", "duty@1"), PLAIN, {"dingtalk_duty": "https://…"}) == []
    assert missing(Channel("dingtalk-app", "z"), PLAIN, {"app_dingtalk": "id secret 7"}) == []
    assert missing(Channel("dingtalk-app", "z"), PLAIN, {"app_dingtalk": "id secret"}) != []


def test_every_kind_of_channel_may_stand_in_people_toml_and_has_a_name() -> None:
    words = tomllib.loads((ROOT / "library" / "words.toml").read_text(encoding="utf-8"))["channels"]
    assert set(words) == KINDS
    assert set(CHANNEL) >= KINDS
    assert all((words[kind]["zh"], words[kind]["en"]) for kind in KINDS)


def test_check_names_the_file_the_name_and_the_people(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ROOT / "simulators" / "sites" / "demo", tmp_path / "site"))
    people = folder / "people.toml"
    said = people.read_text(encoding="utf-8")
    before = {f.text.en for f in examine(folder, 0).findings}
    people.write_text(said.replace('kind = "demo"', 'kind = "wecom-app"', 1), encoding="utf-8")
    (new,) = [f for f in examine(folder, 0).findings if f.text.en not in before]
    assert (new.level, new.file) == ("warning", "secrets.toml")
    assert "app_wecom (3 words)" in new.text.en
