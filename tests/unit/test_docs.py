"""What the pages say is true: commands exist, links lead somewhere, both languages say the same."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
PAIRS = [
    (ROOT / "README.md", ROOT / "README.zh-CN.md"),
    *((p.with_name(p.name.replace(".zh-CN", "")), p) for p in (ROOT / "docs").rglob("*.zh-CN.md")),
]


def commands(page: Path) -> list[str]:
    """The command lines of a page's code blocks, without their remarks."""
    blocks = re.findall(r"```\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    tables = re.findall(r"^\| `([^`]+)` \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [line for line in (*lines, *tables) if line.startswith(("make ", "dutyroom "))]


def test_both_readmes_give_the_same_commands() -> None:
    english, chinese = (commands(p) for p in READMES)
    assert english
    assert [re.sub(r"[^\x00-\x7f]+", "", c) for c in english] == [re.sub(r"[^\x00-\x7f]+", "", c) for c in chinese]


@pytest.mark.parametrize("page", READMES, ids=lambda p: p.name)
def test_every_make_target_that_is_named_exists(page) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"make ([a-z-]+)", page.read_text(encoding="utf-8")))
    assert named <= targets


@pytest.mark.parametrize(
    "page",
    [
        p
        for p in ROOT.rglob("*.md")
        if not {"node_modules", ".venv", ".cache", ".data"} & set(p.relative_to(ROOT).parts)
    ],
    ids=lambda p: p.name,
)
def test_every_link_leads_somewhere(page) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize(("english", "chinese"), PAIRS, ids=lambda p: p.name)
def test_the_two_languages_have_the_same_parts(english, chinese) -> None:
    def parts(page: Path) -> list[int]:
        return [len(h) for h in re.findall(r"^(#+) ", page.read_text(encoding="utf-8"), re.MULTILINE)]

    assert parts(english) == parts(chinese)


def run(*command: str, **more) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "dutyroom", *command], capture_output=True, text=True, cwd=ROOT, check=False, **more
    )


def test_the_readme_s_own_site_commands_run(tmp_path) -> None:
    """`dutyroom check`, `user add`, `schema` and `verify`, as the page shows them, against a folder of the test's own."""
    checked = run("check", "simulators/sites/demo")
    assert checked.returncode == 0, checked.stdout
    added = run("user", "add", "wang", "王建国", "operator", "--data", str(tmp_path), input="a long enough word\n")
    assert added.returncode == 0, added.stderr
    assert run("schema").returncode == 0
    assert run("verify", str(tmp_path)).returncode == 2
    assert "dutyroom" in run("--version").stdout


def test_what_it_is_not_is_said_where_people_look() -> None:
    for page in READMES:
        text = page.read_text(encoding="utf-8")
        assert "certified safety function" in text or "非认证安全功能" in text


@pytest.mark.parametrize("page", ["alarm-performance.md", "alarm-performance.zh-CN.md"])
def test_every_figure_of_alarm_performance_is_explained_with_its_limits(page) -> None:
    from alarms.limits import LIMITS

    text = (ROOT / "docs" / "operators" / page).read_text(encoding="utf-8")
    assert re.findall(r"`([a-z_0-9]+)`", text.rpartition("```")[2]) == list(LIMITS)
    rows = [[c.strip() for c in line.split("|")] for line in text.splitlines() if line.startswith("| ")][1:]
    said = [[float(re.search(r"[\d.]+", cell)[0]) for cell in row[3:5]] for row in rows]
    assert said == [[n / 60 if one.unit == "s" else n for n in (one.green, one.red)] for one in LIMITS.values()]
