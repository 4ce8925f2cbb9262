"""Who may log in: users, roles, passwords and sessions. Mutable, in a file of its own, and never in the log book.

There is no default account: `dutyroom user add` makes the first one.
"""

import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from facility.text import Text
from stores.accountfile import AccountFile
from stores.bucket import Buckets
from stores.errors import StoreError

if TYPE_CHECKING:
    from pwdlib import PasswordHash

HOUR = 3_600_000
SHORTEST = 8

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
_SEEN_EVERY_MS = 300_000
_USER = "SELECT id, name, role, person, disabled FROM user"


class Role(StrEnum):
    """What somebody may do; the rights of each stand in `api/rights.py`."""

    OPERATOR = "operator"
    TECHNICIAN = "technician"
    ENGINEER = "engineer"
    MANAGER = "manager"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may log in; `person` is who they are on the roster, or empty."""

    id: str
    name: str
    role: str
    person: str
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """A log-in that worked. `token` goes into the cookie and is kept nowhere; it ends at `until_ms` at the latest."""

    token: str
    user: User
    until_ms: int


@dataclass(frozen=True, slots=True)
class Denied:
    """A log-in that did not work; `wait_ms` above 0: too many tries, nothing was compared."""

    wait_ms: int
    why: Text


class AccountRefusedError(StoreError):
    """An account cannot be made or changed as asked; the message says why."""


_WRONG = Text(
    "用户名或密码不正确。请核对后重试；忘记密码请找管理员。",
    "User name or password is wrong. Check them and try again; an administrator can set a new password.",
)


class Accounts:
    """The accounts of one site, in one SQLite file; safe from several threads.

    Every password check takes about 30 ms of one core, one at a time: call `login` in a thread. `idle_ms` and
    `absolute_ms` are the longest a session may be unused, and last: by default one shift of 12 hours.
    """

    def __init__(self, path: Path, *, idle_ms: int = 12 * HOUR, absolute_ms: int = 12 * HOUR) -> None:
        """Open the file, making it (readable by its owner only) when there is none.

        A damaged file is kept as `….damaged` and replaced by the copy made at the last change of a user; `repaired`
        says so.

        Raises:
            StoreNewerError, StoreUnwritableError.
        """
        self.idle_ms = idle_ms
        self.absolute_ms = absolute_ms
        self._using = Lock()
        self._hashing = Lock()
        self._of_user = Buckets(5, 30_000)
        self._of_address = Buckets(20, 5_000)
        self._known: set[tuple[str, str]] = set()  # who has logged in from where since the start
        self._unwritten: dict[bytes, tuple[str, int]] = {}  # sessions that a full disk did not take
        self._file = AccountFile(path)

    @property
    def repaired(self) -> bool:
        """Whether the file was damaged at the opening and its last copy serves."""
        return self._file.repaired

    def login(self, user: str, password: str, address: str, now_ms: int) -> Session | Denied:
        """Check a password and begin a session.

        A user has 5 tries, then one every 30 s; an address 20, then one every 5 s; good ones are not counted. An
        address from which the user has logged in before is counted by itself, so that a stranger's tries never
        shut out the duty desk.
        """
        counted = f"{user}@{address}" if (user, address) in self._known else user
        with self._using:
            wait = max(self._of_user.wait_ms(counted, now_ms), self._of_address.wait_ms(address, now_ms))
            if wait:
                return Denied(wait, _too_many(wait))
            self._of_user.take(counted, now_ms)
            self._of_address.take(address, now_ms)
        found = self._file.query("SELECT password, disabled FROM user WHERE id = ?", user)
        stored, disabled = found[0] if found else (self._nobody, 1)
        with self._hashing:
            right, better = self._hasher.verify_and_update(password, stored)
        if not right or disabled:
            return Denied(0, _WRONG)
        with self._using:
            self._of_user.give_back(counted)
            self._of_address.give_back(address)
            self._known.add((user, address))
        if better is not None:
            with suppress(StoreError):  # the disk may be full; the old hash serves as well
                self._file.change("UPDATE user SET password = ? WHERE id = ?", better, user)
        return self._begin(user, now_ms)

    def user_of(self, token: str, now_ms: int) -> User | None:
        """Return whose session this is; None when it has ended, was revoked or never was."""
        key = _key(token)
        row = self._file.query("SELECT user, began_ms, seen_ms FROM session WHERE token = ?", key)
        if row:
            id, began_ms, seen_ms = row[0]
        elif key in self._unwritten:
            id, began_ms = self._unwritten[key]
            seen_ms = now_ms
        else:
            return None
        if now_ms - began_ms >= self.absolute_ms or now_ms - seen_ms >= self.idle_ms:
            self.logout(token)
            return None
        if now_ms - seen_ms >= min(_SEEN_EVERY_MS, self.idle_ms // 4):
            with suppress(StoreError):
                self._file.change("UPDATE session SET seen_ms = ? WHERE token = ?", now_ms, key)
        user = self.user(id)
        return user if user and not user.disabled else None

    def logout(self, token: str) -> None:
        """End a session. Harmless when there is none."""
        key = _key(token)
        self._unwritten.pop(key, None)
        self._file.change("DELETE FROM session WHERE token = ?", key)

    def revoke(self, user: str) -> None:
        """End all sessions of a user."""
        for key in [key for key, (whose, _) in self._unwritten.items() if whose == user]:
            self._unwritten.pop(key, None)
        self._file.change("DELETE FROM session WHERE user = ?", user)

    def users(self) -> list[User]:
        """Return everybody, by id."""
        return [_user(row) for row in self._file.query(_USER + " ORDER BY id")]

    def user(self, id: str) -> User | None:
        """Return one user."""
        rows = self._file.query(_USER + " WHERE id = ?", id)
        return _user(rows[0]) if rows else None

    def user_add(self, id: str, name: str, role: str, password: str, *, person: str = "", demo: bool = False) -> User:
        """Add somebody who may log in; the password has 8 characters or more, except in the demo.

        Raises:
            AccountRefusedError: the id is taken or not ASCII, the role is unknown, the password too short.
        """
        _refuse_odd(id, name, role)
        if not demo:
            _refuse_weak(id, password)
        hashed = self._hash(password)
        added = self._file.change(
            "INSERT OR IGNORE INTO user (id, name, role, person, password) VALUES (?, ?, ?, ?, ?)",
            id,
            name,
            role,
            person,
            hashed,
        )
        if not added:
            raise AccountRefusedError(
                Text(f"用户 {id} 已存在。请另选用户名。", f"The user {id} exists already. Choose another id.")
            )
        self._file.keep_copy()
        return User(id, name, role, person)

    def set_password(self, id: str, password: str) -> None:
        """Give a user a new password and end all sessions begun with the old one.

        Raises:
            AccountRefusedError: no such user, or the password is too short.
        """
        _refuse_weak(id, password)
        if not self._file.change("UPDATE user SET password = ? WHERE id = ?", self._hash(password), id):
            raise _nobody(id)
        self.revoke(id)
        self._file.keep_copy()

    def disable(self, id: str, *, disabled: bool = True) -> None:
        """Shut a user out at once, or let them in again.

        Raises:
            AccountRefusedError: no such user.
        """
        if not self._file.change("UPDATE user SET disabled = ? WHERE id = ?", int(disabled), id):
            raise _nobody(id)
        self.revoke(id)
        self._file.keep_copy()

    def close(self) -> None:
        """Let the file go. Safe to repeat."""
        self._file.close()

    @cached_property
    def _hasher(self) -> "PasswordHash":
        # Loaded when first needed. OWASP's second choice for argon2id (19 MiB, 2 rounds, 1 lane): measured 29 ms on
        # the reference machine, where the library's default takes 183 ms on four lanes.
        from pwdlib import PasswordHash
        from pwdlib.hashers.argon2 import Argon2Hasher

        return PasswordHash((Argon2Hasher(time_cost=2, memory_cost=19_456, parallelism=1),))

    @cached_property
    def _nobody(self) -> str:
        # Compared for unknown users, so that the time of the answer does not tell who exists.
        return self._hash(secrets.token_urlsafe(16))

    def _hash(self, password: str) -> str:
        with self._hashing:
            return self._hasher.hash(password)

    def _begin(self, user: str, now_ms: int) -> Session | Denied:
        known = self.user(user)
        if known is None:
            return Denied(0, _WRONG)
        token = secrets.token_urlsafe(32)
        try:
            self._file.change("DELETE FROM session WHERE began_ms <= ?", now_ms - self.absolute_ms)
            self._file.change("INSERT INTO session VALUES (?, ?, ?, ?)", _key(token), user, now_ms, now_ms)
        except StoreError:
            # The duty desk must get in when the disk is full; the session then ends with the process.
            self._unwritten[_key(token)] = (user, now_ms)
        return Session(token, known, now_ms + self.absolute_ms)


def _key(token: str) -> bytes:
    # The token has 256 random bits: a plain hash is enough, and a stolen file opens no session.
    return sha256(token.encode("utf-8", "replace")).digest()


def _user(row: tuple[str, str, str, str, int]) -> User:
    return User(row[0], row[1], row[2], row[3], bool(row[4]))


def _too_many(wait_ms: int) -> Text:
    seconds = -(-wait_ms // 1000)
    return Text(f"尝试次数过多，请在 {seconds} 秒后重试。", f"Too many tries. Try again in {seconds} s.")


def _nobody(id: str) -> AccountRefusedError:
    return AccountRefusedError(Text(f"没有用户 {id}。", f"There is no user {id}."))


def _refuse_odd(id: str, name: str, role: str) -> None:
    if not _ID.fullmatch(id):
        raise AccountRefusedError(
            Text(
                f"用户名 {id!r} 无效。请用小写字母、数字和 . _ -，最多 40 个字符。",
                f"The user id {id!r} cannot be used. Take lower-case letters, digits and . _ -, at most 40.",
            )
        )
    if not name.strip():
        raise AccountRefusedError(Text("请填写姓名。", "Give the person's name."))
    if role not in set(Role):
        known = ", ".join(Role)
        raise AccountRefusedError(
            Text(f"没有角色 {role!r}。可用：{known}。", f"There is no role {role!r}. There are: {known}.")
        )


def _refuse_weak(id: str, password: str) -> None:
    if len(password) < SHORTEST or password.lower() == id or len(set(password)) == 1:
        raise AccountRefusedError(
            Text(
                f"密码太弱：至少 {SHORTEST} 个字符，不能与用户名相同，也不能只用一个字符。",
                f"The password is too weak: {SHORTEST} characters or more, not the user id,"
                " not one character repeated.",
            )
        )
