"""Fault 45 in full: the service is frozen for 60 s in the middle of an escalation, and thawed.

`python -m tests.torture.freeze [--seconds 60]`; its short form is tests/faults/keeping/test_f45_frozen.py.
"""

import argparse
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS / "faults" / "keeping"), str(TESTS / "faults"), str(TESTS)]


def main() -> int:
    """Freeze once; an assertion says what must not be."""
    from test_f45_frozen import freeze

    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--seconds", type=float, default=60.0)
    seconds = asked.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        freeze(Path(folder), seconds)
    print(f"frozen for {seconds:.0f} s: nothing escalated twice, no burst, the pause is in the book, gaps are rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
