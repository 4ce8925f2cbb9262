"""What is known of a line: for the console, for health, for the engineer who looks for a broken wire."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from facility.scan import Reason, Scan
from facility.text import Text


@dataclass(frozen=True, slots=True)
class LineStatus:
    """One line at one moment. `failures` counts missed reads by reason.

    `remarks` say what somebody has to put right, as long as it stands: what a broker denies, a certificate that ran
    out, a second client under our name.
    """

    line: str
    transport: str
    connected: bool
    last_good_ms: int | None
    reads: int
    failures: Mapping[str, int]
    dead_letters: int
    overruns: int = 0
    connects: int = 0
    demoted: tuple[str, ...] = ()
    remarks: tuple[Text, ...] = ()


@dataclass(slots=True)
class Tally:
    """Counts what a line does."""

    reads: int = 0
    last_good_ms: int | None = None
    dead_letters: int = 0
    overruns: int = 0
    connects: int = 0
    failures: Counter[Reason] = field(default_factory=Counter)

    def good(self, scan: Scan) -> None:
        """Count a scan that the device itself gave."""
        self.reads += 1
        self.last_good_ms = scan.received_ms

    def status(
        self,
        line: str,
        transport: str,
        *,
        connected: bool,
        demoted: tuple[str, ...] = (),
        remarks: tuple[Text, ...] = (),
    ) -> LineStatus:
        """Return it as it stands."""
        return LineStatus(
            line=line,
            transport=transport,
            connected=connected,
            last_good_ms=self.last_good_ms,
            reads=self.reads,
            failures={reason.name.lower(): n for reason, n in self.failures.items()},
            dead_letters=self.dead_letters,
            overruns=self.overruns,
            connects=self.connects,
            demoted=demoted,
            remarks=remarks,
        )
