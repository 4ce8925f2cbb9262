"""Alarm performance as it leaves: judged, in both languages, by console and by day."""

import httpx
from fakestation import NOW, Client, FakeStation

from facility.records import IncidentOpened, Kind, PromiseBroken, Record

URL = "/api/v1/performance"
TODAY = "2026-11-22"


def figure(answer: httpx.Response, id: str) -> dict:
    return next(f for f in answer.json()["figures"] if f["id"] == id)


async def test_figures_come_with_their_limit_their_verdict_and_where_the_limit_is_from(
    client: Client, station: FakeStation
) -> None:
    station.raise_alarm()
    answer = await client("operator").get(URL)
    assert answer.status_code == 200
    said = answer.json()
    assert (said["day"], said["days"], said["alarms"], said["at_ms"]) == (TODAY, 1, 1, NOW)
    peak = figure(answer, "peak_10min")
    assert (peak["value"], peak["verdict"], peak["limit"]["green"]) == (1, "green", 10)
    assert 0 <= NOW - peak["at_ms"] < 600_000
    for one in said["figures"]:
        assert all(one[k]["zh"] and one[k]["en"] for k in ("name", "meaning", "verdict_text"))
        assert all(one["limit"][k]["zh"] and one["limit"][k]["en"] for k in ("source", "trust_text"))
    assert figure(answer, "seen_mean")["value"] is None
    assert figure(answer, "seen_mean")["verdict"] == "none"


async def test_the_ten_most_frequent_have_names_and_a_share(client: Client, station: FakeStation) -> None:
    for _ in range(3):
        station.raise_alarm()
        station.clock.at += 1000
        station.clear_alarm()
        station.clock.at += 1000
    station.raise_alarm("t1", "transformer-hot")
    said = (await client("operator").get(URL)).json()
    assert [(t["owner"], t["rule"], t["count"], t["share"]) for t in said["top"]] == [
        ("lift-1a", "lift-trapped", 3, 75.0),
        ("t1", "transformer-hot", 1, 25.0),
    ]
    assert said["top"][1]["name"]["zh"] == "变压器超温"
    assert said["mix"][0] == {"priority": 1, "count": 3, "share": 75.0}
    assert [c["owner"] for c in said["chattering"]] == ["lift-1a"]
    assert said["now"]["unacknowledged"] == 2


async def test_a_system_is_a_console_of_its_own(client: Client, station: FakeStation) -> None:
    station.raise_alarm()
    operator = client("operator")
    assert (await operator.get(f"{URL}?console=power")).json()["alarms"] == 0
    assert (await operator.get(f"{URL}?console=lift")).json()["alarms"] == 1
    assert [c["id"] for c in (await operator.get(URL)).json()["consoles"]] == ["", "lift", "power"]
    assert (await operator.get(f"{URL}?console=hvac")).status_code == 404


async def test_a_day_has_ten_minutes_and_thirty_days_have_days(client: Client, station: FakeStation) -> None:
    station.raise_alarm()
    operator = client("operator")
    day, month = [(await operator.get(f"{URL}?days={n}")).json() for n in (1, 30)]
    assert sum(b["alarms"] for b in day["bars"]) == 1
    assert day["bars"][-1]["from_ms"] <= NOW
    assert len(month["bars"]) == 30
    assert month["bars"][-1]["alarms"] == 1
    # Nothing was written before: a rate is over the time that the book tells of.
    assert month["since_ms"] == NOW


async def test_an_earlier_day_is_whole_and_what_is_no_longer_kept_is_refused(
    client: Client, station: FakeStation
) -> None:
    station.clock.at -= 3 * 86_400_000
    station.raise_alarm()
    station.clock.at = NOW
    operator = client("operator")
    told = (await operator.get(f"{URL}?day=2026-11-19")).json()
    assert (told["alarms"], told["now"]["unacknowledged"]) == (1, 1)
    assert len(told["bars"]) == 54  # the book began at 15:03
    refused = await operator.get(f"{URL}?day=2026-10-23")
    assert refused.status_code == 422
    assert "log book" in refused.json()["detail"]["en"]


async def test_a_stale_alarm_stands_by_name(client: Client, station: FakeStation) -> None:
    station.clock.at -= 25 * 3_600_000
    station.raise_alarm()
    station.clock.at = NOW
    said = (await client("operator").get(URL)).json()
    assert [(s["owner"], s["since_ms"]) for s in said["now"]["stale"]] == [("lift-1a", NOW - 25 * 3_600_000)]


async def test_promises_are_counted_by_day_and_by_system(client: Client, station: FakeStation) -> None:
    opened = IncidentOpened("lift-entrapment", "lift-1a", 1)
    station.write(
        [
            Record(NOW - 60_000, Kind.INCIDENT_OPENED, "incident:1", opened, request="o"),
            Record(NOW - 1_000, Kind.PROMISE_BROKEN, "incident:1", PromiseBroken("lift_arrival", NOW), request="b"),
        ]
    )
    (one,) = (await client("operator").get(URL)).json()["promises"]
    assert (one["kept"], one["broken"], one["median_ms"], one["plan"]) == (0, 1, None, None)
    assert one["name"]["zh"]
    assert (await client("operator").get(f"{URL}?console=power")).json()["promises"] == []
