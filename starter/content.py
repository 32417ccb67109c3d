"""Stage 2: the content encoder learns to tell the phones of the corpus apart."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import save_file

from speech.backbones import describe_content
from speech.networks.content import ContentEncoder
from speech.training.content import PhoneBatch, PhoneFeatures, train_content
from speech.training.loop import Outcome, Pace, run
from speech.training.trainer import Trainer
from starter.corpus import Entry
from starter.recipe import Recipe

_SEED: Final = 6


def features_of(entries: Iterable[Entry]) -> tuple[list[PhoneFeatures], list[PhoneFeatures]]:
    """What is learnt from and what is held out."""
    learnt: list[PhoneFeatures] = []
    held_out: list[PhoneFeatures] = []
    for entry in entries:
        spoken = entry.spoken
        features = PhoneFeatures.of(entry.name, spoken.sound, spoken.phones, spoken.ends)
        (held_out if entry.is_held_out else learnt).append(features)
    return learnt, held_out


def train(
    recipe: Recipe,
    entries: Iterable[Entry],
    folder: Path,
    *,
    must_stop: Callable[[], bool] = lambda: False,
    report: Callable[[int, int, dict[str, float]], None] = lambda _n, _of, _losses: None,
) -> Outcome:
    """Trains, or goes on from the newest checkpoint in `folder`; done, the backbone is in `folder/content`.

    Args:
        recipe: of the encoder and its training.
        entries: of the corpus.
        folder: of checkpoints and of what comes out.
        must_stop: asked before each update.
        report: told each update's number, how many there will be, and its losses.

    Raises:
        TrainingError: the checkpoint is of another recipe or corpus.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        encoder = ContentEncoder(recipe.content)
    trainer = train_content(encoder, recipe.content_options, *features_of(entries))
    n_updates = trainer.order.n_updates
    outcome = run(
        trainer,
        folder / "checkpoints",
        must_stop=must_stop,
        report=lambda number, losses: report(number, n_updates, losses),
        pace=Pace(seconds=60.0),
    )
    if outcome is not Outcome.STOPPED:
        publish(encoder, folder / "content")
        _write_curve(trainer, folder / "curve.json")
    return outcome


def publish(encoder: ContentEncoder, folder: Path) -> None:
    """Writes the encoder as a content backbone that `speech.backbones` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(describe_content(encoder.config), encoding="utf-8")
    tensors = {name: tensor.contiguous() for name, tensor in encoder.state_dict().items()}
    save_file(tensors, folder / "model.safetensors")


def _write_curve(trainer: Trainer[PhoneBatch], path: Path) -> None:
    """The looks at the held-out sentences, `[[update, loss], …]`."""
    path.write_text(json.dumps(trainer.progress.looks), encoding="utf-8")
