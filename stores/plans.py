"""Every version of every plan that ever ran here: an incident keeps the one it began with, whatever is edited since."""

from collections.abc import Iterable
from pathlib import Path

import msgspec
import structlog

from facility.plan import Plan
from stores.snapshot import to_disk

log = structlog.get_logger(__name__)


class PlanStore:
    """A folder with one small JSON file for each version of a plan, never rewritten."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, plans: Iterable[Plan]) -> None:
        """Keep these versions durably; one that is kept already is left as it is.

        Raises:
            OSError: the disk does not take them.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        new = [(plan, path) for plan in plans if not (path := self._path(plan)).exists()]
        for plan, path in new:
            part = path.with_suffix(".part")
            with part.open("wb") as file:
                file.write(msgspec.json.encode(plan))
            to_disk(part)
            part.replace(path)
        if new:
            to_disk(self.folder)

    def all(self) -> dict[tuple[str, str], Plan]:
        """Return what is kept, by id and version; a file that cannot be read is left out, and said to be."""
        found: dict[tuple[str, str], Plan] = {}
        for path in sorted(self.folder.glob("*.json")):
            try:
                plan = msgspec.json.decode(path.read_bytes(), type=Plan)
            except (OSError, msgspec.DecodeError) as error:
                log.error("a kept version of a plan cannot be read", file=path.name, why=str(error))
                continue
            found[plan.id, plan.version] = plan
        return found

    def _path(self, plan: Plan) -> Path:
        return self.folder / f"{plan.id}@{plan.version}.json"
