from __future__ import annotations

from pathlib import Path

import pytest

from speech.training.expect import START_SECONDS, Pace, expect
from speech.training.options import DecoderOptions, SemanticOptions
from speech.training.plots import plot_likeness, plot_losses
from speech.training.trainer import order_of
from tests.speech.training.toys import recordings


def test_updates_are_those_of_the_training_itself() -> None:
    features = recordings(7)
    seconds = [one.n_frames / 50 for one in features]
    decoder, semantic = DecoderOptions(n_lanes=2), SemanticOptions(n_lanes=3)
    found = expect(seconds, decoder, semantic, Pace.assumed())
    assert found.n_decoder_updates == order_of(decoder, features).n_updates
    assert found.n_semantic_updates == order_of(semantic, features).n_updates
    assert found.n_updates == found.n_decoder_updates + found.n_semantic_updates
    assert expect(seconds, None, semantic, Pace.assumed()).n_decoder_updates == 0


def test_more_work_takes_longer_and_a_gpu_less() -> None:
    decoder, semantic, slow = DecoderOptions(), SemanticOptions(), Pace.assumed()
    one = expect([5.0] * 10, decoder, semantic, slow).seconds
    assert expect([5.0] * 10, DecoderOptions(epochs=16), semantic, slow).seconds > 1.5 * one
    assert expect([5.0] * 10, decoder, semantic, Pace.assumed(gpu_speedup=100)).seconds < one / 20
    assert expect([5.0] * 10, None, semantic, slow).seconds < one


def test_what_was_measured_goes_before_what_is_assumed() -> None:
    decoder, semantic = DecoderOptions(n_lanes=2, n_passes=3), SemanticOptions(n_lanes=4)
    assumed = Pace.assumed()
    assert not expect([5.0] * 10, decoder, semantic, assumed).is_measured
    half = assumed.but(None, 0.25)
    assert not expect([5.0] * 10, decoder, semantic, half).is_measured
    assert expect([5.0] * 10, None, semantic, half).is_measured
    found = expect([4.0, 6.0], decoder, semantic, half.but(0.5, None))
    assert found.is_measured
    work = found.n_decoder_updates * 2 * 3 * 0.5
    work += found.n_semantic_updates * 4 * semantic.n_passes * 5.0 * 0.25
    assert found.seconds == pytest.approx(work + START_SECONDS, abs=0.1)


def test_pictures_are_drawn(tmp_path: Path) -> None:
    rows = [{"stage": "decoder", "update": n, "mel": 1 / n} for n in range(1, 9)]
    rows += [{"stage": "semantic", "update": n, "token": 9 / n} for n in range(1, 5)]
    rows[-1]["held_out"] = 3.0
    plot_losses(rows, tmp_path / "losses.png")
    plot_likeness(
        {
            "new": {"rate": 1.1, "spectral_db": 4.0, "similarity": None},
            "base": {"rate": 0.9, "spectral_db": 7.0},
        },
        tmp_path / "likeness.png",
    )
    for path in (tmp_path / "losses.png", tmp_path / "likeness.png"):
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) > 5_000
