from __future__ import annotations

from pathlib import Path

from speech.training.expect import expect
from speech.training.options import DecoderOptions, SemanticOptions
from speech.training.plots import plot_likeness, plot_losses
from speech.training.trainer import order_of
from tests.speech.training.toys import recordings


def test_updates_are_those_of_the_training_itself() -> None:
    features = recordings(7)
    seconds = [one.n_frames / 50 for one in features]
    decoder, semantic = DecoderOptions(n_lanes=2), SemanticOptions(n_lanes=3)
    found = expect(seconds, decoder, semantic, "cpu")
    assert found.n_decoder_updates == order_of(decoder, features).n_updates
    assert found.n_semantic_updates == order_of(semantic, features).n_updates
    assert found.n_updates == found.n_decoder_updates + found.n_semantic_updates
    assert expect(seconds, None, semantic, "cpu").n_decoder_updates == 0


def test_more_work_takes_longer_and_a_gpu_less() -> None:
    decoder, semantic = DecoderOptions(), SemanticOptions()
    one = expect([5.0] * 10, decoder, semantic, "cpu").seconds
    assert expect([5.0] * 10, DecoderOptions(epochs=16), semantic, "cpu").seconds > 1.5 * one
    assert expect([5.0] * 10, decoder, semantic, "cuda").seconds < one / 20
    assert expect([5.0] * 10, None, semantic, "cpu").seconds < one


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
