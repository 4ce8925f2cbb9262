"""Escalation on the real clock at the pace of the library's plans: two minutes to a level, sixty seconds to a round.

`python -m tests.torture.on_time [--minutes 10]`; its short form is tests/faults/keeping/test_on_time.py.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS / "faults" / "keeping"), str(TESTS / "faults"), str(TESTS)]


def main() -> int:
    """Escalate once, and say by how much each page was late."""
    from test_on_time import ALLOWED_MS, measure

    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--minutes", type=int, default=10)
    minutes = asked.parse_args().minutes
    with tempfile.TemporaryDirectory() as folder:
        late = sorted(measure(Path(folder), level_s=120, repeat_s=60, seconds=60 * minutes))
    load = os.getloadavg()[0]
    print(
        f"{len(late)} pages: median {late[len(late) // 2]} ms, latest {late[-1]} ms after the moment; load {load:.1f}"
    )
    return 0 if late[0] >= 0 and late[-1] <= ALLOWED_MS else 1


if __name__ == "__main__":
    sys.exit(main())
