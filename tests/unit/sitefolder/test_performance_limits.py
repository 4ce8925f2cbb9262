"""[performance] in site.toml: a site's own limits of alarm performance."""

import shutil
from pathlib import Path

import pytest

from sitefolder import SiteError, load

DEMO = Path(__file__).parents[3] / "simulators" / "sites" / "demo"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DEMO, tmp_path / "site"))


def _say(folder: Path, words: str) -> None:
    with (folder / "site.toml").open("a", encoding="utf-8") as file:
        file.write(f"\n[performance]\n{words}\n")


def test_a_site_says_its_own_target_and_red_line(folder: Path) -> None:
    assert load(folder).site.performance == {}
    _say(folder, "rate_hour = [3, 6]\nmix_low = [70, 50.5]")
    assert load(folder).site.performance == {"rate_hour": (3.0, 6.0), "mix_low": (70.0, 50.5)}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("rate_minute = [1, 2]", "rate_hour"),
        ("rate_hour = [1]", "2"),
        ("rate_hour = [-1, 2]", "0"),
        ("rate_hour = [6, 3]", "worse"),
        ("mix_low = [50, 80]", "worse"),
        ('rate_hour = ["6", "12"]', "number"),
    ],
)
def test_what_cannot_be_meant_is_told(folder: Path, words: str, says: str) -> None:
    _say(folder, words)
    with pytest.raises(SiteError) as refused:
        load(folder)
    found = [f for f in refused.value.findings if f.file == "site.toml" and "performance" in str(f)]
    assert found
    assert all(says in f.text.en for f in found)
