"""Since when a proof has been shown without a break; known from readings alone, and counted anew after a restart."""

from response.plans.showing import Seen


class Steady:
    """Moments (UTC milliseconds) since which things were shown, by incident and what it is."""

    def __init__(self) -> None:
        self._since: dict[str, dict[str, int]] = {}

    def look(self, incident: str, what: str, seen: Seen | None) -> None:
        """Take what telemetry shows now; None: it does not, and the time begins anew."""
        if seen is not None:
            self._since.setdefault(incident, {}).setdefault(what, seen[0])
        elif incident in self._since:
            self._since[incident].pop(what, None)

    def since(self, incident: str, what: str) -> int | None:
        """Return since when it was shown; None when it is not."""
        return self._since.get(incident, {}).get(what)

    def forget(self, incident: str) -> None:
        """Let go of a closed incident."""
        self._since.pop(incident, None)
