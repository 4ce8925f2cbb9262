"""What every payload is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Payload:
    """What a record of one kind carries."""
