"""Tests of the keeping of the service: each file is named after the fault that it stages (faults.md 3.4)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # killing and serving, beside us
