"""Faults 18 and 19: kill -9 of the service between receipt and store, and of the broker; nothing is lost in silence.

The long form, 200 kills and more than 100,000 readings, is `python -m tests.torture.kills_mqtt`.
"""

import shutil
from pathlib import Path

import pytest

from tests.torture.kills_mqtt import MOSQUITTO, Trial

pytestmark = [pytest.mark.real, pytest.mark.skipif(not Path(MOSQUITTO).exists(), reason="mosquitto is not installed")]

TINY = {"keepers": 2, "counters": 2, "plains": 1, "every_ms": 40}


def test_six_kills_lose_nothing_that_was_kept_and_record_every_gap_of_the_others(tmp_path):
    trial = Trial(tmp_path, 18, **TINY)
    try:
        trial.start()
        trial.torment(6, (0.1, 0.7), patience=0.3)
        trial.finish()
        verdict = trial.judge()
    finally:
        trial.close()
    print(dict(trial.killed), verdict)
    assert verdict.wrong == []
    assert set(trial.killed) >= {"broker", "service"}
    assert verdict.said["keeper"] > 50
    assert verdict.missing["counter"] > 0, "the kills were to cost somebody something"
    assert verdict.gaps["counter"] > 0
    assert verdict.gaps["plain"] > 0
    shutil.rmtree(tmp_path, ignore_errors=True)
