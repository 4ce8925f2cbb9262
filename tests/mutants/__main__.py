"""`python -m tests.mutants [WORD]`: plant each bug (of whose idea or file the word is part) and run its tests.

The product is copied to a temporary folder; whatever the tests do there, this tree stays as it is. Ends with 1 when a
bug survives.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from tests.mutants.seeded import ROOT, Mutant, mutants

_LEFT = shutil.ignore_patterns(
    ".git", ".venv", ".cache", ".data", "node_modules", "__pycache__", "static", ".*_cache", "e2e"
)
_MOST_S = 180


def caught(tree: Path, mutant: Mutant) -> bool:
    """Plant a bug, run its tests until one fails, and take it out again."""
    path = tree / mutant.file
    source = path.read_text(encoding="utf-8")
    path.write_text(mutant.applied(source), encoding="utf-8")
    try:
        return run(tree, mutant.tests) != 0
    except subprocess.TimeoutExpired:
        return True  # what never ends is noticed
    finally:
        path.write_text(source, encoding="utf-8")


def run(tree: Path, tests: Iterable[str]) -> int:
    """Run tests of a copy until one fails; return pytest's exit code: 0, or 1 for a failure.

    Raises:
        AssertionError: they could not be run at all.
    """
    env = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    said = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests],
        cwd=tree, env=env, capture_output=True, text=True, timeout=_MOST_S, check=False,
    )  # fmt: skip
    assert said.returncode in {0, 1}, said.stdout + said.stderr
    return said.returncode


def main() -> int:
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    asked = [m for m in mutants() if word in m.idea or word in m.file]
    survived = []
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=_LEFT)
        assert run(tree, dict.fromkeys(test for m in asked for test in m.tests)) == 0, "without any bug a test fails"
        for mutant in asked:
            began = time.monotonic()
            good = caught(tree, mutant)
            print(
                f"{'caught  ' if good else 'SURVIVED'} {time.monotonic() - began:5.1f} s  {mutant.file}: {mutant.idea}",
                flush=True,
            )
            survived += [] if good else [mutant]
    print(f"{len(asked) - len(survived)} of {len(asked)} caught")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
