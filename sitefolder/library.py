"""Reads the library's kinds and words: what every site's files are checked against."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from facility.point import Kind, PointType
from facility.text import Text
from sitefolder.document import Document, read
from sitefolder.finding import Problems
from sitefolder.kindfile import KindFile
from sitefolder.strict import Words
from sitefolder.wordsfile import WordsFile

LIBRARY = Path(__file__).parent.parent / "library"


@dataclass
class Library:
    """The vocabulary: kinds of equipment, and the ids that roles, certificates, promises and channels may have."""

    kinds: Mapping[str, Kind] = field(default_factory=dict)
    roles: Mapping[str, Text] = field(default_factory=dict)
    party_roles: Mapping[str, Text] = field(default_factory=dict)
    certificates: Mapping[str, Text] = field(default_factory=dict)
    promises: Mapping[str, Text] = field(default_factory=dict)
    channels: Mapping[str, Text] = field(default_factory=dict)
    doubted: set[str] = field(default_factory=set)  # kinds whose file was refused: nobody else complains of them
    hashes: list[tuple[str, str]] = field(default_factory=list)  # of the files read, for the site's hash


def read_library(folder: Path, problems: Problems) -> Library:
    """Read `library/kinds` and `library/words.toml`."""
    library = Library()
    document = read(folder / "words.toml", "library/words.toml", problems)
    words = document.model(WordsFile) if document else None
    if document and words:
        library.hashes.append((document.file, document.hash))
        library.roles = _texts(words.roles)
        library.party_roles = _texts(words.party_roles)
        library.certificates = _texts(words.certificates)
        library.promises = _texts(words.promises)
        library.channels = _texts(words.channels)
    kinds = {}
    for path in sorted((folder / "kinds").glob("*.toml")):
        document = read(path, f"library/kinds/{path.name}", problems)
        table = document.model(KindFile) if document else None
        if document is None or table is None:
            library.doubted.add(path.stem)
        else:
            kinds[path.stem] = table.kind(path.stem)
            library.hashes.append((document.file, document.hash))
            _check_kind(document, kinds[path.stem])
    library.kinds = kinds
    return library


def _texts(words: Mapping[str, Words]) -> dict[str, Text]:
    return {name: label.text() for name, label in words.items()}


def _check_kind(document: Document, kind: Kind) -> None:
    for key in ("conducts", "selects"):
        point = getattr(kind, key)
        if point is not None and point not in kind.points:
            document.error((key,), f"没有点位 {point}", f"there is no point {point}")
    for point in kind.points.values():
        if point.type in (PointType.STATE, PointType.ENUM) and not point.codes:
            document.error(("points", point.name, "codes"), "状态和枚举点位必须写 codes", "a state or enum needs codes")
        if point.low is not None and point.high is not None and point.low >= point.high:
            document.error(("points", point.name, "low"), "low 必须小于 high", "low must be less than high")
