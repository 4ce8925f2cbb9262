"""A thousand pulses of 400 ms, over real sockets: each is an alarm in the book, once."""

from benchmarks.pulses import a_broker, run

PULSES = 1000


async def test_no_pulse_of_400_ms_is_missed_and_none_counts_twice(tmp_path):
    async with a_broker(tmp_path) as (reach, _):
        came = await run(PULSES, tmp_path, reach)
    assert came["latched"].alarms == PULSES  # polled once a second; some counters wrap round on the way
    assert came["mqtt"].alarms == PULSES
    # A contact without a counter, polled every 200 ms: whatever lasted while it was read. A machine that stands still
    # for longer than the pulse may miss one, and then knows nothing of it; nor does an answer count that came too late.
    assert came["plain"].asked >= came["plain"].alarms >= PULSES * 0.98
    # What the newest value says once a second would have been another building's night.
    assert all(way.sampled < PULSES / 2 for way in came.values())
