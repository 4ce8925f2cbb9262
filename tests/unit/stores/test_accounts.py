"""Who gets in, who does not, and who waits."""

import sqlite3
import stat

import pytest

from stores.accounts import HOUR, AccountRefusedError, Accounts, Denied, Session
from stores.bucket import Buckets

GOOD = "open sesame"
DESK = "192.0.2.10"
STRANGER = "203.0.113.9"
MORNING = 1_790_000_000_000


@pytest.fixture
def accounts(tmp_path):
    accounts = Accounts(tmp_path / "accounts.db")
    accounts.user_add("wang", "王", "operator", GOOD, person="wang-op")
    yield accounts
    accounts.close()


def test_the_right_password_opens_a_session_that_names_its_user(accounts):
    session = accounts.login("wang", GOOD, DESK, MORNING)
    assert isinstance(session, Session)
    assert len(session.token) == 43
    user = accounts.user_of(session.token, MORNING + 1)
    assert (user.id, user.name, user.role, user.person) == ("wang", "王", "operator", "wang-op")


@pytest.mark.parametrize(
    ("user", "password"), [("wang", "open sesamE"), ("nobody", GOOD), ("", ""), ("wang\0", "é" * 500)]
)
def test_a_wrong_pair_is_denied_with_one_and_the_same_answer(accounts, user, password):
    denied = accounts.login(user, password, DESK, MORNING)
    assert denied.wait_ms == 0
    assert "不正确" in denied.why.zh


def test_tries_are_limited_before_anything_is_compared(accounts):
    for _ in range(5):
        assert accounts.login("wang", "wrong-one", STRANGER, MORNING).wait_ms == 0
    denied = accounts.login("wang", GOOD, STRANGER, MORNING)
    assert isinstance(denied, Denied)
    assert 0 < denied.wait_ms <= 30_000
    assert isinstance(accounts.login("wang", GOOD, STRANGER, MORNING + denied.wait_ms), Session)


def test_a_stranger_cannot_shut_out_the_desk_that_has_logged_in_before(accounts):
    assert isinstance(accounts.login("wang", GOOD, DESK, MORNING), Session)
    for _ in range(6):
        accounts.login("wang", "wrong-one", STRANGER, MORNING)
    assert accounts.login("wang", GOOD, STRANGER, MORNING).wait_ms > 0
    assert isinstance(accounts.login("wang", GOOD, DESK, MORNING), Session)


def test_an_address_that_tries_many_names_waits_too(accounts):
    for i in range(20):
        assert accounts.login(f"name{i}", "wrong-one", STRANGER, MORNING).wait_ms == 0
    assert accounts.login("wang", GOOD, STRANGER, MORNING).wait_ms > 0


def test_good_log_ins_of_a_whole_team_do_not_use_up_the_tries(accounts):
    for _ in range(8):
        assert isinstance(accounts.login("wang", GOOD, DESK, MORNING), Session)


def test_a_session_ends_after_twelve_hours_however_much_it_is_used(accounts):
    session = accounts.login("wang", GOOD, DESK, MORNING)
    for hour in range(12):
        assert accounts.user_of(session.token, MORNING + hour * HOUR)
    assert accounts.user_of(session.token, MORNING + 12 * HOUR) is None
    assert accounts.user_of(session.token, MORNING + 1) is None, "it is gone, not asleep"


def test_a_session_that_is_not_used_ends_earlier(tmp_path):
    accounts = Accounts(tmp_path / "a.db", idle_ms=HOUR)
    accounts.user_add("wang", "王", "operator", GOOD)
    session = accounts.login("wang", GOOD, DESK, MORNING)
    assert accounts.user_of(session.token, MORNING + HOUR - 1)
    assert accounts.user_of(session.token, MORNING + 2 * HOUR - 2)
    assert accounts.user_of(session.token, MORNING + 3 * HOUR) is None
    accounts.close()


def test_sessions_survive_a_restart_and_only_their_hashes_are_stored(tmp_path):
    accounts = Accounts(tmp_path / "a.db")
    accounts.user_add("wang", "王", "operator", GOOD)
    session = accounts.login("wang", GOOD, DESK, MORNING)
    accounts.close()
    accounts.close()
    stored = (tmp_path / "a.db").read_bytes()
    assert session.token.encode() not in stored
    assert GOOD.encode() not in stored
    assert b"$argon2id$" in stored
    assert stat.S_IMODE((tmp_path / "a.db").stat().st_mode) == 0o600
    again = Accounts(tmp_path / "a.db")
    assert again.user_of(session.token, MORNING).id == "wang"
    again.close()


def test_logging_out_revoking_disabling_and_a_new_password_end_sessions(accounts):
    def fresh():
        return accounts.login("wang", GOOD, DESK, MORNING).token

    token = fresh()
    accounts.logout(token)
    accounts.logout("never was")
    assert accounts.user_of(token, MORNING) is None
    token = fresh()
    accounts.revoke("wang")
    assert accounts.user_of(token, MORNING) is None
    token = fresh()
    accounts.disable("wang")
    assert accounts.user_of(token, MORNING) is None
    assert isinstance(accounts.login("wang", GOOD, DESK, MORNING), Denied)
    accounts.disable("wang", disabled=False)
    token = fresh()
    accounts.set_password("wang", "another good one")
    assert accounts.user_of(token, MORNING) is None
    assert isinstance(accounts.login("wang", GOOD, DESK, MORNING), Denied)
    assert isinstance(accounts.login("wang", "another good one", DESK, MORNING), Session)


@pytest.mark.parametrize(
    ("id", "name", "role", "password", "why"),
    [
        ("wang", "x", "operator", GOOD, "exists already"),
        ("Wang Li", "x", "operator", GOOD, "lower-case"),
        ("../x", "x", "operator", GOOD, "lower-case"),
        ("li", " ", "operator", GOOD, "name"),
        ("li", "李", "boss", GOOD, "no role"),
        ("li", "李", "operator", "1234567", "too weak"),
        ("li", "李", "operator", "aaaaaaaaaa", "too weak"),
        ("li-chang-jun", "李", "operator", "Li-Chang-Jun", "too weak"),
    ],
)
def test_an_account_that_cannot_be_is_refused_with_the_reason(accounts, id, name, role, password, why):
    with pytest.raises(AccountRefusedError, match=why):
        accounts.user_add(id, name, role, password)
    assert [user.id for user in accounts.users()] == ["wang"]


def test_only_the_demo_may_use_a_short_password(accounts):
    accounts.user_add("demo", "演示", "operator", "demo", demo=True)
    assert isinstance(accounts.login("demo", "demo", DESK, MORNING), Session)


def test_changing_nobody_is_refused(accounts):
    with pytest.raises(AccountRefusedError, match="no user"):
        accounts.set_password("nobody", GOOD)
    with pytest.raises(AccountRefusedError, match="no user"):
        accounts.disable("nobody")


def test_there_is_no_default_account(tmp_path):
    accounts = Accounts(tmp_path / "a.db")
    assert accounts.users() == []
    accounts.close()


def test_a_damaged_file_is_kept_and_its_last_copy_serves(tmp_path):
    path = tmp_path / "a.db"
    accounts = Accounts(path)
    assert not accounts.repaired
    accounts.user_add("wang", "王", "operator", GOOD)
    accounts.close()
    path.write_bytes(b"not a database at all, but longer than a header".ljust(5000, b"."))
    accounts = Accounts(path)
    assert accounts.repaired
    assert isinstance(accounts.login("wang", GOOD, DESK, MORNING), Session)
    assert (tmp_path / "a.db.damaged").read_bytes().startswith(b"not a database")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "a.copy").stat().st_mode) == 0o600
    accounts.close()


def test_the_desk_gets_in_when_the_disk_is_full(accounts):
    connection = accounts._file._connection
    connection.execute(f"PRAGMA max_page_count={connection.execute('PRAGMA page_count').fetchone()[0]}")
    sessions = []
    while not accounts._unwritten and len(sessions) < 500:
        sessions.append(accounts._begin("wang", MORNING))
    assert accounts._unwritten, "the file never got full"
    assert all(accounts.user_of(session.token, MORNING + 1000) for session in sessions)
    accounts.logout(sessions[-1].token)
    assert accounts.user_of(sessions[-1].token, MORNING + 1000) is None


def test_a_newer_file_is_refused(tmp_path):
    Accounts(tmp_path / "a.db").close()
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute("PRAGMA user_version = 7")
    connection.close()
    with pytest.raises(Exception, match="7"):
        Accounts(tmp_path / "a.db")


def test_a_bucket_fills_again_by_time_and_survives_a_clock_that_is_set_back():
    bucket = Buckets(2, 1000)
    assert bucket.wait_ms("a", 5000) == 0
    bucket.take("a", 5000)
    bucket.take("a", 5000)
    assert bucket.wait_ms("a", 5000) == 1000
    assert bucket.wait_ms("a", 5600) == 400
    assert bucket.wait_ms("a", 6000) == 0
    assert bucket.wait_ms("b", 5000) == 0
    bucket.give_back("a")
    assert bucket.wait_ms("a", 5000) == 0
    bucket.give_back("unknown")
    bucket.take("a", 5000)
    assert bucket.wait_ms("a", -10_000_000) <= 1000
