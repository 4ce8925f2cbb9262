"""Fault 43: kill -9 of the service and of the provider at random instants; judged by what was told outside of them.

The short form of `python -m tests.torture.kills_pages`, which kills a thousand times.
"""

from tests.torture.kills_pages import Night, judge

KILLS, PROVIDER_KILLS = 30, 3


async def test_thirty_kills_lose_no_page_and_no_transition_and_double_none(tmp_path) -> None:
    night = Night(tmp_path, seed=20261122)
    records = await night.run(KILLS, PROVIDER_KILLS)
    assert not list(judge(night, records))
    assert (night.service.kills, night.provider.kills) == (KILLS, PROVIDER_KILLS)
    assert sum(panel.faults for panel in night.panels) > 3 * KILLS, "a busy machine stages fewer, but never few"
