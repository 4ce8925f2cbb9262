"""watch.toml: which sites an outside watcher listens for, and whom it tells when one falls silent."""

from pathlib import Path

from pydantic import Field

from facility.person import Channel
from sitefolder.document import read
from sitefolder.finding import Problems
from sitefolder.peoplefile import ChannelTable
from sitefolder.sitefile import SettingsTable
from sitefolder.strict import Filled, Id, Strict


class WatchedTable(Strict):
    """[[site]]: a site, and the secret that signs its signs of life (`heartbeat_secret` there)."""

    id: Id
    secret: Filled


class WatchFile(Strict):
    """The whole of watch.toml; it holds secrets, so it must be readable by its owner alone.

    `channel` are told all at once; `settings` and `secrets` are what these channels need, as in a site folder.
    """

    site: list[WatchedTable] = Field(min_length=1)
    channel: list[ChannelTable] = Field(min_length=1)
    settings: SettingsTable = SettingsTable()
    secrets: dict[str, str] = Field(default_factory=dict)

    def channels(self) -> list[Channel]:
        """Return whom to tell, in the language of the facility."""
        return [table.channel() for table in self.channel]


def load_watch(path: Path, problems: Problems) -> WatchFile | None:
    """Read the file; None, and every reason noted, when it cannot be used."""
    document = read(path, path.name, problems)
    if document is None:
        return None
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        document.error((), f"权限是 {mode:04o}，必须是 0600", f"its mode is {mode:04o} and must be 0600")
        return None
    return document.model(WatchFile)
