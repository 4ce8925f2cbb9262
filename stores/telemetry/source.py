"""What the archive needs of the spool: given by the spool itself, and by its view from another process."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from facility.ports import Layout
from stores.telemetry.batch import Batch
from stores.telemetry.spool import Pending

CURSOR = "archive"
"""The name under which the spool knows the archive."""


class Source(Protocol):
    """Rows of scans, in order; layouts by device and by id."""

    @property
    def id(self) -> int:
        """Which file it is: its rows are numbered from here."""

    @property
    def last_row(self) -> int:
        """The newest row."""

    def layouts(self) -> Mapping[str, Layout]:
        """Return the newest layout of every device."""

    def layout_of(self, id: int) -> Layout:
        """Return a layout by its id, however old."""

    def places_of(self, point: str, layouts: Iterable[int]) -> dict[int, int]:
        """Return in which of these layouts a point is, and where."""

    def pending(self, after_row: int) -> Pending:
        """Count what lies after a row."""

    def batches(self, after_row: int, max_scans: int) -> list[tuple[int, Batch]]:
        """Return the rows after a row, at least one and then up to `max_scans` scans; a damaged row is empty."""

    def row_before(self, after_row: int, at_ms: int) -> int:
        """Return the last row, not before `after_row`, of those that were committed before a moment."""
