"""[paging] of site.toml: what it means, and where a mistake in it stands."""

from pathlib import Path

import pytest

from facility.rule import Priority
from facility.site import Paging
from sitefolder import SiteError, load
from sitefolder.sitefile import PagingTable

TABLE = """
[paging]
day_from = "07:30"
day_until = "21:00"
wait_for_day = ["low"]
weekly_test = "fri 15:45"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A site that has machines, people and plans of the library, and nothing else."""
    import shutil

    demo = Path(__file__).parents[3] / "simulators" / "sites" / "demo"
    return Path(shutil.copytree(demo, tmp_path / "site"))


def written(folder: Path, table: str) -> int:
    """Write the table at the end of site.toml; return the line on which it begins."""
    path = folder / "site.toml"
    text = path.read_text(encoding="utf-8")
    assert "[paging]" not in text, "the demo has a table of its own now"
    path.write_text(text + table, encoding="utf-8")
    return len(text.splitlines()) + 2


def test_without_the_table_the_day_is_from_eight_to_eight_and_tuesday_at_ten_tries_everybody() -> None:
    assert PagingTable().paging() == Paging()
    assert Paging().wait_for_day == {Priority.MEDIUM, Priority.LOW}
    assert (Paging().test_weekday, Paging().test_minute) == (1, 600)


def test_a_table_says_when_pages_may_ring(folder: Path) -> None:
    written(folder, TABLE)
    assert load(folder).site.paging == Paging((450, 1260), frozenset({Priority.LOW}), 4, 945)


def test_nothing_waits_and_nobody_is_tried_where_the_site_says_so() -> None:
    paging = PagingTable(wait_for_day=[], weekly_test="off").paging()
    assert (paging.wait_for_day, paging.test_weekday) == (frozenset(), None)


@pytest.mark.parametrize(
    ("old", "new", "place", "says", "line"),
    [
        ('day_from = "07:30"', 'day_from = "7:30"', "paging.day_from", "not written as it must be", 1),
        ('day_until = "21:00"', 'day_until = "24:00"', "paging.day_until", "not written as it must be", 2),
        ('wait_for_day = ["low"]', 'wait_for_day = ["life"]', "paging.wait_for_day", "", 3),
        ('wait_for_day = ["low"]', 'wait_for_day = ["high"]', "paging.wait_for_day", "", 3),
        ('"fri 15:45"', '"friday 15:45"', "paging.weekly_test", "not written as it must be", 4),
        ('"fri 15:45"', '"fri 22:00"', "paging", "must lie within the day", None),
        ('day_until = "21:00"', 'day_until = "06:00"', "paging", "must come before day_until", None),
        ('day_from = "07:30"', 'day_form = "07:30"', "paging.day_form", "not a known key", 1),
    ],
)
def test_a_mistake_in_it_is_told_with_its_place(folder: Path, old, new, place, says, line) -> None:
    begins = written(folder, TABLE.replace(old, new))
    with pytest.raises(SiteError) as told:
        load(folder)
    found = [f for f in told.value.findings if f.file == "site.toml" and f.place.startswith(place)]
    assert found, [str(f) for f in told.value.findings]
    assert says in found[0].text.en
    assert any("一" <= letter <= "鿿" for letter in found[0].text.zh)
    if line is not None:
        assert found[0].line == begins + line
