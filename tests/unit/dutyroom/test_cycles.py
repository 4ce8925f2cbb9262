"""The collector of cycles goes through everything in a calm moment, and within twenty minutes in any case."""

import gc

import pytest

from dutyroom import chores

MINUTE = 60_000


class DoneError(Exception):
    """The end of the span."""


async def looks(monkeypatch: pytest.MonkeyPatch, writes, minutes: int) -> list[float]:
    """Return at which minutes everything was gone through; `writes` says whether the book writes at a minute."""
    now = records = 0
    seen: list[float] = []

    class Clock:
        def now(self) -> int:
            return now

        async def until(self, at_ms: int) -> None:
            nonlocal now, records
            now = at_ms
            records += writes(now / MINUTE)
            if now > minutes * MINUTE:
                raise DoneError

    monkeypatch.setattr(gc, "collect", lambda: seen.append(now / MINUTE))
    with pytest.raises(DoneError):
        await chores.look_for_cycles(lambda: records, Clock(), lambda: None)  # type: ignore[arg-type]
    return seen


async def test_every_ten_minutes_where_nothing_happens(monkeypatch) -> None:
    assert await looks(monkeypatch, lambda _: 0, 35) == pytest.approx([10, 20, 30], abs=0.3)


async def test_after_a_flood_as_soon_as_it_is_over(monkeypatch) -> None:
    assert await looks(monkeypatch, lambda minute: 9 < minute < 13, 20) == pytest.approx([13], abs=0.3)


async def test_in_a_flood_without_an_end_all_the_same(monkeypatch) -> None:
    assert await looks(monkeypatch, lambda _: 1, 45) == pytest.approx([20, 40], abs=0.3)
