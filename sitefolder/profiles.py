"""library/profiles/*.toml and a site's profiles/: what a maker's registers or messages mean.

The id is the name of the file. Addresses are written as the maker prints them, with `base` saying what that counts
from; they leave here resolved to what goes on the wire.
"""

from collections.abc import Collection
from pathlib import Path

from collectors.profile import Profile
from sitefolder.document import Document, read
from sitefolder.finding import Problems
from sitefolder.modbusprofile import modbus_profile
from sitefolder.mqttprofile import mqtt_profile


def read_profiles(folder: Path, problems: Problems, *, only: Collection[object] | None = None) -> dict[str, Profile]:
    """Read the profiles of a folder; a missing folder has none.

    Args:
        folder: where the `*.toml` files stand.
        problems: collects every finding; a profile with an error is left out.
        only: the ids that are wanted; None: all of them.

    Returns:
        The profiles by id, which is the name of the file.
    """
    out = {}
    for path in sorted(folder.glob("*.toml")):
        if only is not None and path.stem not in only:
            continue
        document = read(path, f"{folder.name}/{path.name}", problems)
        profile = document and read_profile(path.stem, document)
        if profile:
            out[profile.id] = profile
    return out


def read_profile(id: str, document: Document) -> Profile | None:
    """Read one profile; None, and the reasons noted, when it cannot be used."""
    before = len(document.problems.errors)
    profile = mqtt_profile(id, document) if "mqtt" in document.data else modbus_profile(id, document)
    return profile if len(document.problems.errors) == before else None
