"""Since when a proof has been shown without a break.

It is known from readings, and written down once it has lasted, so that a restart takes it up again: unless nobody
looked for longer than a minute, or the first reading after it shows otherwise.
"""

from facility.records import ProofLost, ProofShown
from response.incident import Incident
from response.plans.showing import Seen

WRITTEN_MS = 60_000
"""What was shown for so long is written down; what flickers is not, and after a restart it begins anew."""

UNSEEN_MS = 60_000
"""Where nobody looked for longer than this, it may have been otherwise meanwhile: the time begins anew."""


class Steady:
    """Moments (UTC milliseconds) since which things were shown, by incident and what it is."""

    def __init__(self) -> None:
        self._since: dict[str, dict[str, int]] = {}
        self._carried: dict[str, dict[str, int]] = {}  # written before the start, and not looked at since
        self._until_ms = 0

    def until(self, at_ms: int) -> None:
        """Say until when telemetry was looked at before this start."""
        self._until_ms = at_ms

    def look(self, incident: Incident, what: str, seen: Seen | None, now: int, *, heard: bool) -> None:
        """Take what telemetry shows now; None: it does not, and the time begins anew.

        `heard` says whether there is a reading at all of every point: after a start that takes a moment.
        """
        if incident.id not in self._since:
            self._since[incident.id], self._carried[incident.id] = {}, dict(incident.claims.shown)
        known, carried = self._since[incident.id], self._carried[incident.id]
        if what in carried and (heard or now > self._until_ms + UNSEEN_MS):
            since = carried.pop(what)
            if seen is not None and now <= self._until_ms + UNSEEN_MS:
                known[what] = since
        if seen is None:
            known.pop(what, None)
        else:
            known.setdefault(what, seen[0])

    def news(self, incident: Incident, now: int) -> ProofShown | ProofLost | None:
        """Return what is to be written down next of an incident that was looked at: what lasted, what ended."""
        known, written = self._since.get(incident.id, {}), incident.claims.shown
        for what, since in written.items():
            if known.get(what) != since and what not in self._carried.get(incident.id, {}):
                return ProofLost(what)
        lasted = (ProofShown(w, at) for w, at in known.items() if w not in written and now - at >= WRITTEN_MS)
        return next(lasted, None)

    def since(self, incident: str, what: str) -> int | None:
        """Return since when it was shown; None when it is not."""
        return self._since.get(incident, {}).get(what)

    def forget(self, incident: str) -> None:
        """Let go of a closed incident."""
        self._since.pop(incident, None)
        self._carried.pop(incident, None)
