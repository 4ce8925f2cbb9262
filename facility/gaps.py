"""The gaps of a report's words: {site} {place} {equipment} {opened} {people} {plan} {answer:STEP}."""

import re
from collections.abc import Callable, Iterator

GAPS = frozenset({"site", "place", "equipment", "opened", "people", "plan"})
"""What is filled in beside the answers to a plan's questions."""

_GAP = re.compile(r"\{([^{}]*)\}")
_ANSWER = "answer:"


def gaps(text: str) -> Iterator[str]:
    """Yield what stands between braces."""
    yield from _GAP.findall(text)


def answer_to(gap: str) -> str | None:
    """Return the step whose answer a gap takes; None when it takes something else."""
    return gap.removeprefix(_ANSWER) if gap.startswith(_ANSWER) else None


def filled(text: str, known: Callable[[str], str], unknown: str) -> str:
    """Return the words with every gap filled; `known` gives "" for what nobody knows, which reads `unknown`."""
    return _GAP.sub(lambda found: known(found[1]) or unknown, text)
