"""Escalation of the real service on the real clock: every level and every round within two seconds of its moment.

The long form, with the minutes of the library's plans, is `python -m tests.torture.on_time`.
"""

from pathlib import Path

from serving import eventually
from small import placed

from facility.records import Kind

ALLOWED_MS = 2_000


def test_every_level_and_round_is_heard_within_two_seconds_of_its_moment(tmp_path) -> None:
    late = measure(tmp_path, level_s=2, repeat_s=1, seconds=4)
    assert min(late) >= 0, "nobody is called before the moment"
    assert max(late) <= ALLOWED_MS, late


def measure(folder: Path, level_s: int, repeat_s: int, seconds: int) -> list[int]:
    """Escalate for so long; return by how many ms each page came to its receiver after its moment.

    The moments are reckoned here, from the first page's level on, and not read from the book.
    """
    with placed(folder, repeat=f"{repeat_s} s", level=f"{level_s} s") as place:
        service = place.service.start()
        service.reading("l0")
        place.contact.closed = 1
        rings = level_s // repeat_s
        moments = {(0, n): n * repeat_s for n in range(rings)}
        moments |= {(1, n): level_s + n * repeat_s for n in range((seconds - level_s) // repeat_s + 1)}

        def reached() -> dict[tuple[int, int], int]:
            return {(r.data.level, r.data.round): r.at_ms for r in service.records(Kind.LEVEL_REACHED)}

        eventually(
            lambda: moments.keys() <= reached().keys(),
            15 + seconds + 5,
            lambda: f"{sorted(moments.keys() - reached().keys())} not among {sorted(reached())}",
        )
        asked = {r.data.key: r.data for r in service.records(Kind.PAGE_REQUESTED) if not r.data.why}
        due = {key: (page.level, page.round) for key, page in asked.items() if (page.level, page.round) in moments}
        eventually(lambda: due.keys() <= set(place.keys()), 15)
        begun = reached()[0, 0]
        heard = {post.key: round(post.at * 1000) for post in reversed(place.told.posts)}  # the first of a key stands
        return [heard[key] - begun - moments[turn] * 1000 for key, turn in due.items()]
