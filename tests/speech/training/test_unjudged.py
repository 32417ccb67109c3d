"""A decoder with an iSTFT head learns from spectra alone, with no discriminators."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from speech.errors import TrainingError
from speech.networks.config import SpectralConfig
from speech.networks.decoder import Decoder
from speech.networks.discriminators import Discriminators
from speech.training import losses
from speech.training.decoder import DecoderStep, Networks
from speech.training.kinds import train_decoder
from speech.training.loop import Outcome, run
from speech.training.options import DecoderOptions
from speech.training.published import decoder_tensors
from tests.speech.training import drawn
from tests.speech.training.toys import DECODER, recordings, same_bits, weights

SPECTRAL = replace(DECODER, crossing_heads=4, generator=SpectralConfig(width=16, n_blocks=2, expansion=2))
PLAIN: dict[str, Any] = {
    "n_lanes": 2, "crop_frames": 8, "epochs": 6, "least_per_epoch": 1, "rate": 3e-3, "look_every": 3,
    "judged": False, "windows": (256, 1024), "warm_up": 4, "anneal": True,
}  # fmt: skip


def step(n_updates: int = 24, **options: Any) -> DecoderStep:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        networks = Networks.fresh(SPECTRAL, Discriminators((3,), widest=64))
    return DecoderStep(networks, DecoderOptions(**(PLAIN | options)), n_updates)


def test_spectra_are_learnt_and_discriminators_left_alone(tmp_path: Path) -> None:
    trainer = train_decoder(step(), recordings(8), recordings(2, first=8))
    before = [p.clone() for p in trainer.step.networks.discriminators.parameters()]  # type: ignore[attr-defined]
    told: list[dict[str, float]] = []
    assert run(trainer, tmp_path, report=lambda _, said: told.append(said)) == Outcome.DONE
    assert set(told[0]) == {"mel", "spectral", "divergence", "gradient"}
    assert told[-1]["spectral"] < 0.9 * told[0]["spectral"]
    assert trainer.progress.looks[-1][1] < trainer.progress.looks[0][1]
    assert not any(name.startswith("discriminators") for name in trainer.step.named)
    after = trainer.step.networks.discriminators.parameters()  # type: ignore[attr-defined]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_it_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    whole = train_decoder(step(), recordings(4))
    run(whole, tmp_path / "whole")
    n_asked = 0

    def after_five() -> bool:
        nonlocal n_asked
        n_asked += 1
        return n_asked > 5

    first = train_decoder(step(), recordings(4))
    assert run(first, tmp_path / "parts", must_stop=after_five) == Outcome.STOPPED
    second = train_decoder(step(), recordings(4))
    run(second, tmp_path / "parts")
    assert same_bits(weights(whole), weights(second))


def test_the_rate_rises_and_falls() -> None:
    annealed = step(n_updates=24)
    rates = [annealed.rate_of(number, 0) for number in range(24)]
    assert rates[:4] == pytest.approx([0.25 * 3e-3, 0.5 * 3e-3, 0.75 * 3e-3, 3e-3])
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert rates[-1] < 0.01 * 3e-3
    level = step(anneal=False)
    assert [level.rate_of(number, 0) for number in (0, 3, 23)] == pytest.approx([0.25 * 3e-3, 3e-3, 3e-3])


def test_spectral_loss_tells_what_differs() -> None:
    real = drawn.sound("real", 6400)[None]
    windows = (256, 512, 1024)
    assert float(losses.spectral_loss(real, real, windows)) == pytest.approx(0, abs=1e-5)
    a_little, a_lot = (
        float(losses.spectral_loss(real, real + share * drawn.normal("noise", 1, 6400), windows))
        for share in (0.001, 0.1)
    )
    assert 0 < a_little < a_lot


def test_spectral_loss_has_a_gradient_in_silence() -> None:
    """Where nothing is made yet, the loss still says what is missing."""
    made = torch.zeros(1, 6400, requires_grad=True)
    losses.spectral_loss(drawn.sound("real", 6400)[None], made + 1e-6, (512,)).backward()  # type: ignore[no-untyped-call]
    assert made.grad is not None
    assert torch.isfinite(made.grad).all()
    assert made.grad.abs().max() > 0


@pytest.mark.parametrize("windows", [(32,), (256, 511)])
def test_windows_that_cannot_be_are_refused(windows: tuple[int, ...]) -> None:
    with pytest.raises(TrainingError, match=rf"windows: {windows[-1]} is no multiple of 4 from 64 on"):
        DecoderOptions(windows=windows)


def test_a_published_decoder_says_its_own_shape() -> None:
    """The iSTFT head, and layers that upstream hard-codes, are read off the tensors."""
    networks = step().networks
    tensors = decoder_tensors(networks.decoder, networks.posterior)
    hparams = SPECTRAL.to_upstream()
    decoder = Decoder.of_upstream(hparams, tensors)
    assert decoder.config == SPECTRAL
    latents, style = drawn.normal("latents", 1, 8, 20), drawn.normal("style", 1, 12, 1)
    with torch.inference_mode():
        spoken = decoder.generator(latents, style)
        learnt = networks.decoder.generator.eval()(latents, style)
    torch.testing.assert_close(spoken, learnt, atol=2e-2, rtol=0)
    assert spoken.abs().max() > 0.01
    second = Networks.of_upstream(hparams, tensors, None)
    assert second.decoder.config == SPECTRAL
