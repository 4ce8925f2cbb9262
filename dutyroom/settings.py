"""How this instance is run: from the command line, or from the environment as DUTYROOM_<NAME>."""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from facility.text import Text

SECRET_BYTES = 32
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


EXIT_UNWRITABLE = 74
"""What the process ends with when the disk cannot be written: starting again helps when somebody has looked at it."""


class SettingsError(Exception):
    """The service cannot be run like this; `text` says why and what to do, `code` is what the process ends with."""

    def __init__(self, text: Text, code: int = 1) -> None:
        super().__init__(f"{text.zh} {text.en}")
        self.text, self.code = text, code


class Settings(BaseSettings):
    """One instance of the service."""

    model_config = SettingsConfigDict(env_prefix="DUTYROOM_", extra="forbid", frozen=True)

    site_folder: Path
    data: Path = Path(".data/site")
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    base_url: str = ""
    behind_proxy: bool = False
    """Somebody in front of us does TLS: only then may we be bound to more than loopback."""
    demo: bool = False
    demo_users: tuple[str, ...] = ()
    secret: bytes = b""
    smtp_host: str = ""
    smtp_port: int = 587
    smtp_from: str = ""
    smtp_user: str = ""
    smtp_starttls: bool = True
    heartbeat_url: str = ""
    """Where a sign of life goes each half minute: `/beat/<site>` of a `dutyroom watch`, or a receiver of one's own."""
    ntp_servers: str = ""
    """Time servers to hold the clock against, parted by spaces or commas; without one the system's own word counts."""
    modem: str = ""
    """Path of the serial port of a 4G or GSM modem, for a room without internet."""
    dingtalk_card_template: str = ""
    """Of an interactive card with the buttons accept, cannot and arrived; empty: work notifications with a link."""
    aliyun_sms_sign: str = ""
    aliyun_sms_template: str = ""
    aliyun_voice_template: str = ""
    aliyun_voice_shown: str = ""
    """The number that a call shows; empty in the provider's shared mode."""
    aliyun_voice_thanks: str = ""
    """Template spoken after a key was pressed; with it calls ask for one. It needs a number shown, and a queue."""
    aliyun_queues: str = ""
    """Queues through which keys pressed and replies by text message come back, with spaces between."""
    raw_days: int = Field(default=90, ge=1)
    rollup_days: int = Field(default=1100, ge=1)
    history: Literal["archive", "influx"] = "archive"
    """Who keeps and answers history. With "archive" an InfluxDB server, if named, gets everything as well."""
    spool_mb: int = Field(default=4096, ge=16)
    """How much readings may take that a store behind the spool has not got; beyond it the oldest are given up."""
    influx_url: str = ""
    influx_version: Literal["1", "2"] = "2"
    influx_org: str = ""
    influx_bucket: str = "dutyroom"
    """Of a 1.x server: the database, or database/retention policy."""
    influx_token: SecretStr = SecretStr("")
    influx_user: str = ""
    influx_password: SecretStr = SecretStr("")

    def of_site(self, said: Mapping[str, str]) -> "Settings":
        """Return these settings with what neither command line nor environment said taken from site.toml."""
        told = {key: value for key, value in said.items() if key in Settings.model_fields}
        told["smtp_starttls"] = str(said.get("smtp_security", "starttls") == "starttls")
        mine = {key: getattr(self, key) for key in self.model_fields_set if getattr(self, key) != ""}
        return Settings.model_validate({**{k: v for k, v in told.items() if v}, **mine})

    def checked(self) -> "Settings":
        """Return these settings with what is derived filled in; raise SettingsError for what must not be."""
        if self.host not in LOOPBACK and not self.behind_proxy:
            raise SettingsError(
                Text(
                    f"拒绝监听 {self.host}：对外监听需要前置 TLS 代理。请设置 --behind-proxy，或监听 127.0.0.1。",
                    f"Refusing to listen on {self.host}: beyond loopback a TLS proxy must stand in front."
                    " Set --behind-proxy, or listen on 127.0.0.1.",
                )
            )
        if self.history == "influx" and not self.influx_url:
            raise SettingsError(
                Text(
                    "历史数据设为 InfluxDB，但没有地址。请设置 DUTYROOM_INFLUX_URL，或改用 history=archive。",
                    "History is to be in InfluxDB, but there is no address."
                    " Set DUTYROOM_INFLUX_URL, or use history=archive.",
                )
            )
        base = self.base_url or f"http://{self.host}:{self.port}"
        return self.model_copy(update={"base_url": base.rstrip("/"), "secret": self.secret or _site_secret(self.data)})


def _site_secret(data: Path) -> bytes:
    """Return the secret behind phone links; made once, kept beside the data, readable by us alone."""
    try:
        return _kept_secret(data)
    except OSError as error:
        why = error.strerror or str(error)
        raise SettingsError(
            Text(
                f"数据目录 {data} 无法使用（{why}）。请检查路径、权限和磁盘空间，或用 --data 另选目录。",
                f"The data folder {data} cannot be used ({why})."
                " Check path, permissions and free space, or choose another with --data.",
            )
        ) from error


def _kept_secret(data: Path) -> bytes:
    path = data / "secret"
    data.mkdir(parents=True, exist_ok=True)
    found = path.read_bytes() if path.exists() else b""
    if len(found) >= SECRET_BYTES:
        return found
    # Whole or not at all: half a secret, left by a full disk, would open the phone pages to anybody who guesses it.
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    part.write_bytes(made := secrets.token_bytes(SECRET_BYTES))
    part.replace(path)
    return made
