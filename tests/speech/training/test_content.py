"""A content encoder learns to tell tones apart, and a stop leaves no trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from speech.errors import TrainingError
from speech.networks.config import ContentConfig
from speech.networks.content import HOP, ContentEncoder
from speech.training import checkpoint
from speech.training.content import PhoneBatch, PhoneFeatures, train_content
from speech.training.loop import Outcome, run
from speech.training.options import ContentOptions
from speech.training.trainer import Trainer

HERTZ = (300, 900, 2000, 4500)
CONTENT = ContentConfig(n_classes=len(HERTZ), n_mels=20, width=16, expansion=2, kernel=3, dilations=(1,))


def tones(index: int, n_tones: int = 5) -> PhoneFeatures:
    """Tones of 100 to 180 ms, one after another."""
    generator = torch.Generator().manual_seed(index)
    phones = torch.randint(0, len(HERTZ), (n_tones,), generator=generator)
    lengths = torch.randint(1600, 2900, (n_tones,), generator=generator)
    sound = torch.cat(
        [
            torch.sin(torch.arange(int(n)) * (2 * torch.pi * HERTZ[int(phone)] / 16_000))
            for phone, n in zip(phones, lengths, strict=True)
        ]
    )
    return PhoneFeatures.of(f"tones {index}", (8000 * sound).to(torch.int16), phones, lengths.cumsum(0))


def trainer(**options: Any) -> Trainer[PhoneBatch]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = ContentEncoder(CONTENT)
    plain = {"epochs": 20, "n_lanes": 4, "least_per_epoch": 1, "warm_up": 5, "crop_frames": 20, "rate": 1e-2}
    learnt, held_out = [tones(i) for i in range(12)], [tones(i) for i in range(12, 15)]
    return train_content(encoder, ContentOptions(**{**plain, **options}), learnt, held_out)


def test_each_frame_has_the_phone_in_its_middle() -> None:
    sound = torch.zeros(4 * HOP + 100, dtype=torch.int16)
    ends = torch.tensor([160, 161, 900, 4 * HOP + 100])
    features = PhoneFeatures.of("x", sound, torch.tensor([3, 1, 2, 0]), ends)
    assert features.classes.tolist() == [1, 2, 2, 0]  # middles are samples 160, 480, 800 and 1120
    with pytest.raises(TrainingError, match="x: 1380 samples"):
        PhoneFeatures.of("x", sound, torch.tensor([3]), torch.tensor([500]))


def test_a_batch_holds_stretches_and_counts_no_filling() -> None:
    long, short = tones(1, n_tones=9), tones(2, n_tones=1)
    batch = PhoneBatch.of([long, short], ["a", "b"], crop_frames=12)
    n = short.n_frames
    assert batch.sound.shape == (2, 12 * HOP)
    assert batch.n_samples.tolist() == [12 * HOP, n * HOP]
    assert batch.classes[1].tolist() == [*short.classes.tolist(), *[-100] * (12 - n)]
    assert not batch.sound[1, n * HOP :].any()
    places = [i for i in range(long.n_frames - 11) if torch.equal(long.classes[i : i + 12], batch.classes[0])]
    assert any(
        torch.equal(long.sound[i * HOP : (i + 12) * HOP].float() / 32768, batch.sound[0]) for i in places
    )
    assert not torch.equal(PhoneBatch.of([long], ["c"], 12).sound[0], batch.sound[0])


def test_tones_are_told_apart(tmp_path: Path) -> None:
    training, told = trainer(look_every=30), list[dict[str, float]]()
    assert run(training, tmp_path, report=lambda _, losses: told.append(losses)) == Outcome.DONE
    assert told[0]["right"] < 0.5
    assert told[-1]["right"] > 0.9
    assert training.progress.looks[-1][1] < 0.5 * told[0]["phone"]


def test_a_stop_leaves_no_trace(tmp_path: Path) -> None:
    run(trainer(epochs=3), tmp_path / "undisturbed")
    asked = iter([False, False, True])
    assert run(trainer(epochs=3), tmp_path / "stopped", must_stop=lambda: next(asked)) == Outcome.STOPPED
    run(trainer(epochs=3), tmp_path / "stopped")
    last = [max(checkpoint.names(tmp_path / name)) for name in ("undisturbed", "stopped")]
    assert last[0] == last[1]  # the name holds the digest of the bytes
    with pytest.raises(TrainingError, match="other recordings, options"):
        run(trainer(epochs=4), tmp_path / "stopped")


def test_the_rate_rises_and_falls() -> None:
    step: Any = trainer(epochs=5, rate=1.0).step
    rates = [step.rate_of(number) for number in range(step.n_updates)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert rates[-1] < 0.05


def test_a_phone_without_a_class_is_refused() -> None:
    stranger = PhoneFeatures("strange", torch.zeros(640, dtype=torch.int16), torch.tensor([0, 4]))
    with pytest.raises(TrainingError, match="strange: phone 4 is not below 4"):
        train_content(ContentEncoder(CONTENT), ContentOptions(), [stranger])
