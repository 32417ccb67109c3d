"""The pace of a training is counted over all the workers that had a hand in it."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from speech.training.options import DecoderOptions, SemanticOptions
from worker.pacing import Pacer

DECODER = DecoderOptions(n_lanes=2, n_passes=1)
SEMANTIC = SemanticOptions(n_lanes=2, n_passes=2)
SECONDS = [4.0, 6.0]


def pacer(folder: Path, device: str = "cpu", tick: float = 10.0) -> Pacer:
    """One whose clock moves on so many seconds whenever it is looked at."""
    ticks = count()
    return Pacer(folder, device, clock=lambda: next(ticks) * tick)


def test_another_worker_goes_on_counting(tmp_path: Path) -> None:
    first = pacer(tmp_path)
    first.add("decoder", 1.0)
    first.add("decoder", 3.0)
    first.write()  # 10 s have passed
    second = pacer(tmp_path)
    second.add("semantic", 5.0)
    assert second.update_seconds() == {"decoder": 2.0, "semantic": 5.0}
    told = second.pace("ab", SECONDS, DECODER, SEMANTIC, kwh=20 * 50 / 3.6e6)  # 10 s more
    assert (told.device, told.weights_digest) == ("cpu", "ab")
    assert told.decoder_seconds == pytest.approx(2.0 / 2)  # for each of two lanes
    assert told.semantic_seconds == pytest.approx(5.0 / (4 * 5.0))  # of four recordings of five seconds
    assert told.watts == pytest.approx(50)


def test_what_another_device_did_does_not_count(tmp_path: Path) -> None:
    first = pacer(tmp_path, "NVIDIA H200")
    first.add("decoder", 1.0)
    first.write()
    second = pacer(tmp_path)
    second.add("semantic", 5.0)
    told = second.pace("ab", SECONDS, DECODER, SEMANTIC, kwh=1.0)
    assert told.decoder_seconds is None
    assert told.semantic_seconds == pytest.approx(0.25)
    assert told.watts is None
    second.write()
    assert pacer(tmp_path).pace("ab", SECONDS, DECODER, SEMANTIC, kwh=1.0).watts is None


def test_a_decoder_that_does_not_learn_has_no_pace(tmp_path: Path) -> None:
    told = pacer(tmp_path).pace("ab", SECONDS, None, SEMANTIC, kwh=0.0)
    assert (told.decoder_seconds, told.semantic_seconds) == (None, None)
