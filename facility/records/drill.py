"""What records say of drills beyond what they say of every incident."""

from dataclasses import dataclass

from facility.records.payload import Payload


@dataclass(frozen=True, slots=True)
class DrillAttended(Payload):
    """Somebody was there, as written down by hand; `present` False takes it back."""

    person: str
    present: bool = True
