"""Twenty kills and stops in one training."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.speech.training.mortal import INTERVAL

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
def test_a_training_killed_and_stopped_twenty_times_ends_with_the_same_bits(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.speech.training.mortal", tmp_path, "20", "5"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert told["died"] + told["stopped"] == 20
    assert told["died"] >= 8
    # A file's name holds the digest of its bytes: weights, both optimisers, looks and all.
    assert told["mortal"][-1] == told["undisturbed"][-1]
    assert 0 <= told["run"] - told["updates"] <= INTERVAL * told["died"]
    assert told["left"] == []
