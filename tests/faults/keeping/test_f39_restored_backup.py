"""Fault 39: a backup is restored. Pages already sent are not sent again, what waited waits for a person, ids go on."""

import io
import json
import sqlite3
import tarfile

import pytest
from building import Building

from dutyroom import restored
from dutyroom.desk import Desk
from dutyroom.notices import held
from facility.commands import Accept, Refused, ReleasePages
from facility.records import Kind
from stores.accounts import Accounts
from stores.backup import back_up
from stores.backupfile import BackupError, verify
from stores.errors import StoreDamagedError
from stores.logbook import LogBook
from stores.restore import restore

TRAPPED = {"doors_closed": 1, "occupied": 1, "running": 0, "door_zone": 0, "fault_code": 71}


class Restored(Building):
    """A building whose service starts as the station starts it on a restored folder."""

    def __init__(self, folder, clock, phones, site) -> None:
        super().__init__(folder, clock, phones, site)
        self.desk.ledger.close()
        self.desk = Desk(site, clock, self.book, self.spool, self.live, {"demo": phones}, self._where)
        newest = restored.newest_incident(self.book, site, clock.now())
        self.desk.restore(self.book.open_records(), newest)
        if owed := restored.record_of(self.book, self.desk.standing.incidents, clock.now()):
            self.desk.report(owed)


async def backed_up(tmp_path) -> tuple[Building, object]:
    """A night in which somebody is trapped, some pages went out and others cannot; backed up at 02:13:10."""
    night = await Building.open(tmp_path / "data", "02:13")
    accounts = Accounts(tmp_path / "data" / "accounts.db")
    accounts.user_add("chen", "陈宇", "operator", "correct horse")
    accounts.close()
    (tmp_path / "data" / "files").mkdir()
    (tmp_path / "data" / "files" / "photo").write_bytes(b"\xff\xd8\xffphoto")
    (tmp_path / "data" / "secret").write_bytes(b"0" * 32)
    night.phones.refuse = lambda m: "engaged" if m.person == "lift-company" else None
    await night.reads("lift-1b", **TRAPPED)
    await night.until("02:13:10")
    assert {p.state for p in night.incident.pages.values()} == {"sent", "refused"}
    manifest = back_up(tmp_path / "data", tmp_path / "night.tar", night.clock.now(), "1")
    return night, manifest


async def test_pages_that_waited_in_a_backup_wait_for_a_person_and_none_goes_out_twice(tmp_path) -> None:
    """Fault 39."""
    night, manifest = await backed_up(tmp_path)
    assert (manifest.seq, manifest.head) == night.book.head()
    before, epoch = {m.key for m in night.pages()}, night.book.epoch
    told = night.incident.id
    await night.until("02:20")  # the life after the backup, which is lost
    await night.close()

    restore(tmp_path / "night.tar", tmp_path / "new", night.clock.now())
    new = Restored(tmp_path / "new", night.clock, night.phones, night.site)
    new.phones.got.clear()
    new.phones.refuse = lambda _m: None
    await new.turn()
    await new.until("02:25")
    (record,) = new.records(Kind.SERVICE_RESTORED)
    assert (record.data.seq, record.data.head, record.data.held) == (manifest.seq, manifest.head, (told,))
    assert new.pages() == [], "minutes of escalation, and nobody was called"
    assert new.book.head()[0] > manifest.seq
    assert new.book.epoch > epoch + 1
    assert new.desk.standing.held == {told}
    (notice,) = held(new.desk.standing.held, 0)
    assert told in notice.text.zh

    again = Restored(new.folder, new.clock, new.phones, new.site)
    await again.turn()
    assert len(again.records(Kind.SERVICE_RESTORED)) == 1, "a restart does not forget that they wait"
    assert again.pages() == []

    await again.reads("lift-2b", **TRAPPED)
    other = next(i for i in again.desk.standing.incidents.values() if i.id != told)
    assert {m.incident for m in again.pages()} == {other.id}, "what happens now is paged at once"
    _, number = other.id.split("-")
    assert int(number) > 100, "no number is given out that the lost life may have given out"
    again.phones.got.clear()

    await again.ask(ReleasePages, "user:chen", incident=told, send=True)
    sent = [m for m in again.pages() if m.incident == told]
    assert sent
    assert not {m.key for m in sent} & before, "what went out before the backup does not go out again"
    assert again.desk.standing.held == frozenset()
    assert again.book.verify().ok
    twice = await again.ask(ReleasePages, "user:chen", incident=told, send=True)
    assert isinstance(twice, Refused)
    await again.close()


async def test_a_matter_that_is_over_by_now_is_dropped_and_nobody_is_called(tmp_path) -> None:
    """Fault 39."""
    night, _ = await backed_up(tmp_path)
    told = night.incident.id
    await night.close()
    restore(tmp_path / "night.tar", tmp_path / "new", night.clock.now())
    new = Restored(tmp_path / "new", night.clock, night.phones, night.site)
    new.phones.got.clear()
    new.phones.refuse = lambda _m: None
    await new.turn()
    await new.ask(Accept, "user:chen", incident=told, person="he-jun", heard_by="chen")
    await new.ask(ReleasePages, "user:chen", incident=told, send=False)
    waiting = [p for p in new.incident.pages.values() if p.state in {"requested", "refused"}]
    assert new.pages() == []
    assert waiting == []
    await new.close()


async def test_everything_comes_back_as_it_was_but_sessions_and_secrets(tmp_path) -> None:
    night, manifest = await backed_up(tmp_path)
    accounts = Accounts(tmp_path / "data" / "accounts.db")
    assert accounts.users()
    accounts.close()
    assert "data/secret" not in manifest.files
    assert (tmp_path / "night.tar").stat().st_mode & 0o777 == 0o600
    restore(tmp_path / "night.tar", tmp_path / "new", night.clock.now())
    assert (tmp_path / "new" / "files" / "photo").read_bytes() == b"\xff\xd8\xffphoto"
    accounts = Accounts(tmp_path / "new" / "accounts.db")
    assert [u.id for u in accounts.users()] == ["chen"]
    accounts.close()
    with sqlite3.connect(tmp_path / "new" / "spool.db") as spool:
        assert spool.execute("SELECT count(*) FROM layout").fetchone()[0] > 10
    spool.close()
    book = LogBook.reader(tmp_path / "new" / "logbook.db")
    assert book.tail(0, 10_000) == night.book.tail(0, manifest.seq)
    book.close()
    await night.close()


def altered(source, target, name, change) -> None:
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for info in old:
            data = old.extractfile(info).read()
            if info.name == name:
                data = change(data)
                if data is None:
                    continue
                info.size = len(data)
            new.addfile(info, fileobj=io.BytesIO(data))


async def test_a_backup_that_is_not_as_it_was_written_is_refused_whole(tmp_path) -> None:
    night, _ = await backed_up(tmp_path)
    good, bad = tmp_path / "night.tar", tmp_path / "bad.tar"

    def less(data):
        told = json.loads(data)
        told["head"] = "0" * 64
        return json.dumps(told).encode()

    for name, change in {
        "data/logbook.db": lambda d: d[:5000] + bytes([d[5000] ^ 1]) + d[5001:],
        "data/accounts.db": lambda _: None,
        "manifest.json": less,
    }.items():
        altered(good, bad, name, change)
        with pytest.raises(StoreDamagedError, match="损坏"):
            restore(bad, tmp_path / "new", 0)
        assert not (tmp_path / "new").exists(), name
    bad.write_bytes(good.read_bytes()[:-20_000])
    with pytest.raises(StoreDamagedError):
        verify(bad)
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "logbook.db").touch()
    with pytest.raises(BackupError, match="不是空目录"):
        restore(good, tmp_path / "used", 0)
    with pytest.raises(BackupError, match="已存在"):
        back_up(tmp_path / "data", good, 0, "1")
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".backup") or p.suffix == ".part"] == []
    await night.close()
