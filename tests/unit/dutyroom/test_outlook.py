"""The days ahead as figures of the monitoring computer: one alarm for all, and another one for what comes new."""

from night_shift import moment

from dutyroom.outlook import Outlook
from response.duty import HOLE, UNTESTED, Ahead


class Still:
    """A clock that stands."""

    def now(self) -> int:
        return moment("12:00")


def warning(id: str, what: str = HOLE) -> Ahead:
    from facility.text import NOTHING

    return Ahead(id, what, 0, NOTHING)


def test_what_stands_is_counted_and_what_is_put_right_is_gone() -> None:
    outlook = Outlook(lambda: None, Still())  # type: ignore[arg-type, return-value]
    assert outlook.figures() == {}  # not zero: nothing was looked at
    outlook.take([warning("a"), warning("b"), warning("c", UNTESTED)])
    assert (outlook.figures()["roster_holes"], outlook.figures()["people_untested"]) == (2, 1)
    outlook.take([])
    assert set(outlook.figures().values()) == {0}


def test_a_new_hole_beside_an_old_one_lets_the_figure_drop_once() -> None:
    outlook = Outlook(lambda: None, Still())  # type: ignore[arg-type, return-value]
    outlook.take([warning("a")])
    assert outlook.figures()["roster_holes"] == 1
    outlook.take([warning("a"), warning("b")])
    assert [outlook.figures()["roster_holes"] for _ in range(3)] == [0, 2, 2]
    outlook.take([warning("b")])  # one less is no news
    assert outlook.figures()["roster_holes"] == 1


def test_the_first_of_its_kind_needs_no_drop() -> None:
    outlook = Outlook(lambda: None, Still())  # type: ignore[arg-type, return-value]
    outlook.take([warning("a", UNTESTED)])
    outlook.figures()
    outlook.take([warning("a", UNTESTED), warning("b")])
    assert outlook.figures()["roster_holes"] == 1
