"""Makes the passwords that docker compose needs, once; keeps those that are there.

`python3 deploy/prepare.py`                 writes .env (mode 0600) and deploy/mosquitto/passwords
`python3 deploy/prepare.py gateway NAME`    adds a gateway to the broker and prints its password, once

Needs nothing but Python. What it writes is never committed.
"""

# ruff: noqa: INP001, T201 - a script that stands alone

import base64
import hashlib
import os
import secrets
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAMES = ("INFLUX_ADMIN_PASSWORD", "INFLUX_TOKEN", "MQTT_PASSWORD")
_ROUNDS = 101  # as mosquitto_passwd does; the passwords here are random anyway
_BROKER_UID = 1883


def main(folder: Path, words: list[str]) -> int:
    """Do what the words ask for below a folder; return the exit code."""
    env, passwords = folder / ".env", folder / "deploy" / "mosquitto" / "passwords"
    if words[:1] == ["gateway"] and len(words) > 1 and words[1].replace("-", "").isalnum():
        print(f"{words[1]} {_user(passwords, words[1])}")
        return 0
    if words:
        print(__doc__, file=sys.stderr)
        return 2
    known = dict(line.split("=", 1) for line in env.read_text().splitlines() if "=" in line) if env.exists() else {}
    made = [name for name in NAMES if name not in known]
    known |= {name: secrets.token_urlsafe(32) for name in made}
    _write(env, "".join(f"{name}={value}\n" for name, value in known.items()), 0o600)
    if "MQTT_PASSWORD" in made or not _has(passwords, "dutyroom"):
        _user(passwords, "dutyroom", known["MQTT_PASSWORD"])
    print(f"made: {', '.join(made) or 'nothing, all was there'}")
    return 0


def _user(passwords: Path, name: str, password: str = "") -> str:
    """Add a user to the broker's password file, or give it a new password; return that."""
    password = password or secrets.token_urlsafe(24)
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS)
    line = f"{name}:$7${_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
    others = [old for old in _lines(passwords) if not old.startswith(f"{name}:")]
    _write(passwords, "\n".join([*others, line, ""]), 0o640)
    # The broker of the image runs under its own id; where we may not give it the file, it must be readable.
    try:
        os.chown(passwords, _BROKER_UID, _BROKER_UID)
    except PermissionError:
        passwords.chmod(0o644)
    return password


def _has(passwords: Path, name: str) -> bool:
    return any(line.startswith(f"{name}:") for line in _lines(passwords))


def _lines(passwords: Path) -> list[str]:
    return passwords.read_text().splitlines() if passwords.exists() else []


def _write(path: Path, text: str, mode: int) -> None:
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    part.touch(mode=mode)
    part.write_text(text)
    part.replace(path)


if __name__ == "__main__":
    sys.exit(main(HERE.parent, sys.argv[1:]))
