"""That a provider's long connection is down stands on every screen and in /health, with what to do meanwhile."""

from types import SimpleNamespace

from dutyroom.condition import LINES_MS, Condition
from dutyroom.notices import long_line_down
from response.pagers.longline import LongLine


def test_it_is_a_line_for_health_and_says_that_pages_still_leave() -> None:
    notice = long_line_down("feishu-app", "code 1: busy", 5)
    assert (notice.id, notice.level, notice.since_ms) == ("line:feishu-app", "warning", 5)
    assert "code 1: busy" in notice.text.zh
    assert "pages leave as before" in notice.text.en


def test_only_what_is_down_for_more_than_a_change_of_connections_is_said() -> None:
    def line(**state: object) -> LongLine:
        return LongLine(SimpleNamespace(name="x"), SimpleNamespace(), **state)

    up, fresh, down, begins = (
        line(connected=True, why="", since_ms=0),
        line(why="gone", since_ms=90_000),
        line(why="gone", since_ms=1),
        line(),
    )
    looks = SimpleNamespace(long_lines=[up, fresh, down, begins])
    assert Condition._silent(looks, 90_000 + LINES_MS) == [down]
