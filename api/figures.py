"""Figures for Prometheus: what the web itself counts, and the text they leave as."""

from collections import Counter
from collections.abc import Mapping


class Figures:
    """Counts what passes through the web; names end in `_total` where they only rise."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def count(self, name: str, by: int = 1) -> None:
        """Add to a figure."""
        self._counts[name] += by

    def read(self) -> Mapping[str, float]:
        """Return all of them."""
        return {name: float(value) for name, value in self._counts.items()}


def render(figures: Mapping[str, float]) -> str:
    """Return the figures in the text format; a name may carry its labels: `line_up{line="x"}`."""
    families: dict[str, list[str]] = {}
    for name, value in figures.items():
        family, brace, labels = name.partition("{")
        families.setdefault(family, []).append(f"dutyroom_{family}{brace}{labels} {value:g}")
    out: list[str] = []
    for family, samples in sorted(families.items()):
        out.append(f"# TYPE dutyroom_{family} {'counter' if family.endswith('_total') else 'gauge'}")
        out += samples
    return "\n".join(out) + "\n"
