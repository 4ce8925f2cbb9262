"""However many lines, clients and restarts there are: never two open alarms for one rule and machine."""

from pathlib import Path

from crowd import CLIENTS, DONE, Crowd, judged

from facility.records import Kind


async def test_a_hundred_lines_and_a_hundred_clients_with_a_restart_never_make_two_alarms_of_one(
    tmp_path: Path,
) -> None:
    crowd = Crowd(tmp_path, 7)
    service = await crowd.run(seconds=6, kills=1)
    assert not crowd.doubles
    kinds = judged(service)
    assert kinds[Kind.ALARM_RAISED] > 60
    assert kinds[Kind.ALARM_CLEARED] > 25
    assert kinds[Kind.ALARM_ACKNOWLEDGED] > 10
    assert kinds[Kind.ALARM_SHELVED] > 2
    assert kinds[Kind.SERVICE_STARTED] == 2
    assert crowd.heard[f"list {DONE}"] > CLIENTS
