"""What was recorded, again: under the rules of then, the alarms of then, to the millisecond."""

import asyncio
import random
from dataclasses import replace
from pathlib import Path

import pytest
from building import DEMO, Building, demo_site

from dutyroom.replay import opened, replay
from facility.commands import (
    AcknowledgeAlarm,
    EndPermit,
    IssuePermit,
    ResetAlarm,
    ShelveAlarm,
    UnshelveAlarm,
)
from facility.records import Kind, Record, ServiceStarted
from facility.scan import Reason, Scan, missed
from facility.site import Site
from stores.telemetry.archive import Archive

HOUR_MS = 3_600_000


class Life:
    """A night in which everything fails at random: values, clocks, lines, people and the service itself."""

    def __init__(self, building: Building, seed: int) -> None:
        self.building, self.roll = building, random.Random(seed)
        self.values = {d.id: [0.0] * len(d.points) for d in building.site.devices.values()}
        # Few machines, so that much happens to each of them.
        self.devices = self.roll.sample(sorted(self.values), 9)
        self.archive = Archive(building.folder / "archive", building.spool)

    async def passes(self, hours: float) -> None:
        clock = self.building.clock
        end = clock.time + int(hours * HOUR_MS)
        while clock.time < end:
            await self.time_passes(self.roll.choice((1, 250, 1_000, 7_000, 20_000, 45_000)))
            what = self.roll.random()
            if what < 0.7:
                self.speaks(self.roll.choice(self.devices))
            elif what < 0.78:
                await self.chatters()
            elif what < 0.95:
                await self.somebody_acts()
            elif what < 0.97:
                await self.restarts()
            else:
                while self.archive.compact(self.building.spool, clock.time):
                    pass
                self.building.spool.trim(clock.time)
            await self.building.turn()

    async def time_passes(self, ms: int) -> None:
        building = self.building
        end = building.clock.time + ms
        while (at := building.desk._next_moment()) is not None and at <= end:
            building.clock.time = max(building.clock.time + 1, at)
            await building.turn()
        building.clock.time = max(end, building.clock.time)

    def speaks(self, device: str) -> None:
        now, values, roll = self.building.clock.time, self.values[device], self.roll
        if roll.random() < 0.12:
            self.building.desk.scan(missed(device, now, len(values), roll.choice((Reason.NO_ANSWER, Reason.SILENT))))
            return
        for _ in range(roll.randrange(3)):
            values[roll.randrange(len(values))] = roll.choice((0.0, 0.0, 1.0, 1.0, 2.0, 30.0, 75.0, 120.0, 300.0, 71.0))
        at = now - roll.choice((0, 0, 0, 40, 3_000, 90_000))
        reasons = bytearray(len(values))
        if roll.random() < 0.15:
            reasons[roll.randrange(len(values))] = roll.choice((Reason.CLOCK, Reason.NOT_GIVEN, Reason.SENTINEL))
        self.building.desk.scan(Scan(device, at, now, tuple(values), bytes(reasons)))

    async def chatters(self) -> None:
        device = self.roll.choice(self.devices)
        position = self.roll.randrange(len(self.values[device]))
        low, high = self.roll.choice(((0.0, 1.0), (20.0, 130.0), (1.0, 0.0)))
        for n in range(self.roll.choice((6, 9))):
            await self.time_passes(2_000)
            self.values[device][position] = high if n % 2 else low
            now = self.building.clock.time
            self.building.desk.scan(Scan(device, now, now, tuple(self.values[device]), bytes(len(self.values[device]))))
            await self.building.turn()

    async def somebody_acts(self) -> None:
        building, roll = self.building, self.roll
        await self.time_passes(1)
        alarms = sorted(building.desk.standing.alarms)
        if alarms and roll.random() < 0.7:
            alarm = roll.choice(alarms)
            how = roll.randrange(5)
            if how < 2:
                await building.ask(AcknowledgeAlarm, "user:chen", alarm=alarm)
            elif how == 2:
                await building.ask(UnshelveAlarm, "user:chen", alarm=alarm)
            elif how == 3:
                await building.ask(ResetAlarm, "user:chen", alarm=alarm)
            else:
                minutes, until_clear = roll.choice((5, 15, 60)), roll.random() < 0.4
                await building.ask(
                    ShelveAlarm, "user:chen", alarm=alarm, reason="test", minutes=minutes, until_clear=until_clear
                )
        elif permits := sorted(building.desk.standing.permits):
            await building.ask(EndPermit, "user:chen", permit=roll.choice(permits))
        else:
            machine = building.site.devices[roll.choice(self.devices)].points[0].partition("/")[0]
            now = building.clock.time
            await building.ask(
                IssuePermit, "user:chen", work="permit", equipment=(machine,), holder="he-jun", from_ms=now + 1_000,
                until_ms=now + 40 * 60_000, task="test",
            )  # fmt: skip
        await self.time_passes(1)

    async def restarts(self) -> None:
        """kill -9, some time, and the service begins again and says so."""
        self.archive.close()
        self.building.clock.time += self.roll.choice((3_000, 90_000))
        self.building = building = self.building.again()
        self.archive = Archive(building.folder / "archive", building.spool)
        data = ServiceStarted("0", building.desk.replayed, clean=False)
        building.desk.report(Record(building.clock.time, Kind.SERVICE_STARTED, f"site:{building.site.id}", data))
        await building.turn()
        await self.time_passes(1)


async def lived(folder: Path, seed: int, hours: float, site: Site | None = None) -> tuple[Building, int]:
    site = site or demo_site()
    quick = {
        r.id: replace(r, on_delay_ms=r.on_delay_ms // 20, off_delay_ms=r.off_delay_ms // 20)
        for r in site.rules.values()
    }
    # Nobody is called here: what people are asked is another story, and a long one.
    building = await Building.open(folder, "02:00", replace(site, plans={}, rules=quick))
    life = Life(building, seed)
    await life.passes(hours)
    await life.building.close()
    return life.building, building.clock.time


@pytest.mark.parametrize("seed", [12, 21, 23])
async def test_the_rules_of_then_tell_the_alarms_of_then(seed: int, tmp_path: Path) -> None:
    building, end = await lived(tmp_path, seed, 1)
    recording, book = opened(tmp_path)
    for start in (end - HOUR_MS, end - HOUR_MS // 3):  # with all that was before, and from its midst
        outcome = await asyncio.to_thread(replay, building.site, recording, book, start, end)
        assert outcome.different == 0
        assert {r.verdict for r in outcome.raises} == {"same"}
        assert outcome.scans > 20
    kinds = {w.record.kind for w in book.tail(0, 10_000)}
    assert {Kind.ALARM_RAISED, Kind.ALARM_CHATTERING, Kind.ALARM_SETTLED, Kind.ALARM_SHELVED} <= kinds
    assert Kind.SERVICE_STARTED in kinds
    book.close()


async def test_another_rule_tells_other_alarms_and_the_book_stays_as_it_is(tmp_path: Path) -> None:
    building, end = await lived(tmp_path, 23, 0.6)
    recording, book = opened(tmp_path)
    before = book.head()
    start = end - int(0.6 * HOUR_MS)
    raised = [w.record for w in book.find(kinds=[Kind.ALARM_RAISED], limit=1_000)]
    often = max({r.data.rule for r in raised}, key=lambda rule: sum(r.data.rule == rule for r in raised))
    rules = {id: rule for id, rule in building.site.rules.items() if id != often}
    less = await asyncio.to_thread(replay, replace(building.site, rules=rules), recording, book, start, end)
    assert {r.rule for r in less.raises if r.verdict == "gone"} == {often}
    assert less.count("gone") == sum(r.data.rule == often for r in raised)
    slow = {**rules, often: replace(building.site.rules[often], on_delay_ms=400)}
    later = await asyncio.to_thread(replay, replace(building.site, rules=slow), recording, book, start, end)
    assert {r.rule for r in later.raises if r.verdict != "same"} == {often}
    delay = slow[often].on_delay_ms - building.site.rules[often].on_delay_ms
    assert delay in {r.at_ms - r.recorded_ms for r in later.raises if r.verdict == "moved"}
    assert book.head() == before
    book.close()


def said(*words: str) -> tuple[int, str, str]:
    from typer.testing import CliRunner

    from dutyroom.cli import app

    result = CliRunner().invoke(app, ["replay", *words])
    return result.exit_code, result.stdout, result.stderr


def test_what_cannot_be_replayed_is_said_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, error = said(str(DEMO), "--from", "2026-11-22", "--data", str(tmp_path))
    assert (code, "logbook.db" in error, "--data" in error) == (2, True, True)
    code, _, error = said(str(DEMO), "--from", "yesterday", "--data", str(tmp_path))
    assert (code, "yesterday" in error, "2026-11-22T08:00" in error) == (2, True, True)
    monkeypatch.setenv("DUTYROOM_HISTORY", "influx")
    code, _, error = said(str(DEMO), "--from", "2026-11-22", "--data", str(tmp_path))
    assert (code, "InfluxDB" in error) == (2, True)


@pytest.mark.parametrize("page", ["replay.md", "replay.zh-CN.md"])
async def test_the_commands_of_the_guide_run(page: str, tmp_path: Path) -> None:
    """As the page shows them, on a night of our own."""
    building, end = await lived(tmp_path, 21, 0.2, demo_site())
    (tmp_path / "tighter.toml").write_text("", encoding="utf-8")
    text = (DEMO.parents[2] / "docs" / "engineers" / page).read_text(encoding="utf-8")
    lines = [line.partition("#")[0].split() for line in text.splitlines() if line.startswith("dutyroom replay")]
    assert len(lines) == 2
    for words in lines:
        own = {
            "simulators/sites/demo": str(DEMO),
            ".data/demo": str(tmp_path),
            "tighter.toml": str(tmp_path / words[-1]),
        }
        dates = {"2026-11-22": "2026-11-23", "2026-11-23": "2026-11-24", "2026-11-22T08:00": "2026-11-23T01:00"}
        asked = [{**own, **dates}.get(word, word) for word in words[2:]]
        if "--to" not in asked:
            asked += ["--to", "2026-11-24", "--json"]
        code, out, error = await asyncio.to_thread(said, *asked)
        assert (code, error) == (0, ""), out
        assert '"scans"' in out or "scans" in out
    assert building.clock.time == end


async def test_a_restart_takes_the_mark_of_a_gap_for_no_word_of_its_device(tmp_path: Path) -> None:
    building = await Building.open(tmp_path, "02:00")
    device = next(d for d in building.site.devices.values() if d.id.startswith("gw-lift"))
    await building.silent(device.id)
    await building.until("02:05")
    (alarm,) = [a for a in building.desk.standing.alarms.values() if a.owner == device.id]
    assert alarm.active
    lost = missed(device.id, building.clock.time - 1, len(device.points), Reason.LOST)
    lost.received_ms = building.clock.time
    building.spool.commit([lost])
    building = building.again()
    await building.until("02:20")
    assert building.desk.standing.alarms[alarm.subject].active
    await building.close()
