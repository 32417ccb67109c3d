"""Stage 4: the decoder learns to speak the corpus, from tokens, phonemes and how a recording sounds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch

from models_store.manifest import ManifestFile
from speech.errors import TrainingError
from speech.gpt_sovits.files import CONTAINER, DECODER
from speech.gpt_sovits.recording import resample
from speech.gpt_sovits.weights import decoder_hparams, read_weights
from speech.networks.discriminators import Discriminators
from speech.networks.quantiser import Quantiser
from speech.networks.weights import load
from speech.training import checkpoint
from speech.training.batches import SAMPLES_PER_TOKEN, Features
from speech.training.decoder import DecoderStep, Networks, periods_of
from speech.training.features import prepare
from speech.training.kinds import train_decoder
from speech.training.loop import Outcome, Pace, run
from speech.training.published import decoder_tensors
from speech.training.trainer import order_of
from speech.units import SAMPLE_RATE
from starter import flite
from starter.corpus import Entry
from starter.curve import Curve
from starter.recipe import Recipe
from starter.stage_files import write_file
from starter.tokens import Reading, read_quantiser, read_readings

CURVE: Final = "curve.jsonl"
_POLISHED: Final = "polished"
_CHECKPOINTS: Final = "checkpoints"
_JUDGES_WIDEST: Final = 256  # a quarter of the published discriminators; they learn in a later phase
_SEED: Final = 6
_FULL_SCALE: Final = 32768


def features_of(entry: Entry, reading: Reading) -> Features:
    """What the decoder reads of a sentence: at 32 kHz, levelled as fine-tuning levels, whole tokens."""
    sound = entry.spoken.sound.float() / _FULL_SCALE
    prepared = prepare(resample(sound, flite.SAMPLE_RATE, SAMPLE_RATE).numpy())
    n_tokens = min(len(reading.tokens), len(prepared) // SAMPLES_PER_TOKEN)
    return Features(
        name=entry.name,
        sound=(prepared[: n_tokens * SAMPLES_PER_TOKEN] * _FULL_SCALE).to(torch.int16),
        tokens=reading.tokens[:n_tokens],
        phonemes=reading.phonemes,
    )


def all_features(
    entries: Iterable[Entry], readings: Mapping[str, Reading], crop_frames: int
) -> tuple[list[Features], list[Features]]:
    """What is learnt from and what is held out; sentences no longer than a crop are passed over.

    Raises:
        TrainingError: the readings are of another corpus.
    """
    learnt: list[Features] = []
    held_out: list[Features] = []
    for entry in entries:
        if entry.name not in readings:
            raise TrainingError(f"{entry.name}: the tokens lack it: first run the stage tokens")
        features = features_of(entry, readings[entry.name])
        if features.n_frames > crop_frames:
            (held_out if entry.is_held_out else learnt).append(features)
    return learnt, held_out


def networks_of(recipe: Recipe, quantiser: Quantiser, begun: Path | None) -> Networks:
    """Networks that have learnt nothing but the codebook, or what a file that `write` wrote holds.

    Raises:
        TrainingError: the file's codebook is another one.
        VoiceError: the file holds no decoder.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        judges = Discriminators(periods_of(recipe.decoder), _JUDGES_WIDEST)
        networks = Networks.fresh(recipe.decoder, judges)
    if begun is not None:
        tensors, container = read_weights(begun)
        others = Networks.of_upstream(decoder_hparams(container), tensors, None)
        networks = replace(networks, decoder=others.decoder, posterior=others.posterior)
        if not torch.equal(networks.decoder.quantiser.codebook, quantiser.codebook.half().float()):
            raise TrainingError(f"{begun}: it has learnt other tokens than those of the stage tokens")
        return networks
    load(networks.decoder.quantiser, quantiser.state_dict())
    return networks


def train(
    recipe: Recipe,
    entries: Iterable[Entry],
    tokens: Path,
    folder: Path,
    *,
    begun: Path | None = None,
    must_stop: Callable[[], bool] = lambda: False,
    report: Callable[[int, int, dict[str, float]], None] = lambda _n, _of, _losses: None,
) -> Outcome:
    """Trains, or goes on from the newest checkpoint in `folder`; done, `decoder.safetensors` is there.

    Args:
        recipe: of the decoder and its training.
        entries: of the corpus.
        tokens: the folder of stage 3.
        folder: of checkpoints, of the curve and of what comes out.
        begun: a decoder to begin with where there is no checkpoint yet; None: from nothing.
        must_stop: asked before each update.
        report: told each update's number, how many there will be, and its losses.

    Raises:
        TrainingError: stage 3 is missing, or the checkpoint is of another recipe or corpus.
    """
    networks = networks_of(recipe, read_quantiser(tokens), begun)
    options = recipe.decoder_options
    learnt, held_out = all_features(entries, read_readings(tokens), options.crop_frames)
    n_updates = order_of(options, learnt).n_updates
    base = "" if begun is None else ManifestFile.of(begun).sha256
    trainer = train_decoder(DecoderStep(networks, options, n_updates), learnt, held_out, base=base)
    found = checkpoint.latest(folder / _CHECKPOINTS)
    curve = Curve(folder / CURVE, found.progress.update if found else 0)

    def note(number: int, losses: dict[str, float]) -> None:
        curve.add(number, losses)
        report(number, n_updates, losses)

    outcome = run(
        trainer, folder / _CHECKPOINTS, must_stop=must_stop, report=note, saved=curve.write, pace=Pace()
    )
    if outcome is not Outcome.STOPPED:
        write(networks, folder / DECODER)
    return outcome


def polish(
    recipe: Recipe,
    entries: Iterable[Entry],
    tokens: Path,
    folder: Path,
    *,
    must_stop: Callable[[], bool] = lambda: False,
    report: Callable[[int, int, dict[str, float]], None] = lambda _n, _of, _losses: None,
) -> Outcome:
    """Trains on what `train` left in `folder`, with discriminators now, or goes on with that; args as there.

    Spectra alone leave the phases of high harmonics to chance, and what comes out is hoarse. Discriminators
    hear that, and cost too much to begin with.

    Raises:
        TrainingError: `train` has not come to its end, or the checkpoint is of another recipe or corpus.
    """
    if not (folder / DECODER).is_file():
        raise TrainingError(f"there is no {folder / DECODER}: first run the stage decoder to its end")
    return train(
        _polishing(recipe),
        entries,
        tokens,
        folder / _POLISHED,
        begun=folder / DECODER,
        must_stop=must_stop,
        report=report,
    )


def newest(recipe: Recipe, tokens: Path, folder: Path) -> tuple[Networks, int]:
    """What `train` and, where it has begun, `polish` left in `folder`, and the updates of both.

    Raises:
        TrainingError: there is none yet, or it is of another recipe.
    """
    networks, n_updates = learnt(recipe, tokens, folder)
    if checkpoint.latest(folder / _POLISHED / _CHECKPOINTS) is None:
        return networks, n_updates
    networks, n_polished = learnt(_polishing(recipe), tokens, folder / _POLISHED)
    return networks, n_updates + n_polished


def _polishing(recipe: Recipe) -> Recipe:
    return replace(recipe, decoder_options=recipe.polish_options)


def learnt(recipe: Recipe, tokens: Path, folder: Path) -> tuple[Networks, int]:
    """The networks as they were at the newest checkpoint in `folder`, and after how many updates that is.

    Raises:
        TrainingError: there is none yet, or it is of another recipe.
    """
    found = checkpoint.latest(folder / _CHECKPOINTS)
    if found is None:
        raise TrainingError(f"there is no checkpoint in {folder}: first run the stage decoder")
    networks = networks_of(recipe, read_quantiser(tokens), None)
    named = DecoderStep(networks, recipe.decoder_options, 1).named
    with torch.no_grad():
        for name, parameter in named.items():
            tensor = found.tensors.get(f"weights/{name}")
            if tensor is None or tensor.shape != parameter.shape:
                raise TrainingError(f"the checkpoint in {folder} is of another recipe: it lacks {name}")
            parameter.copy_(tensor)
    return networks, found.progress.update


def write(networks: Networks, path: Path) -> None:
    """Decoder and posterior as they stand on a shelf.

    Raises:
        VoiceError: a weight is too large for half precision, or not finite.
    """
    container = {"config": {"model": networks.decoder.config.to_upstream()}, "info": "trained with Lectorium"}
    tensors = decoder_tensors(networks.decoder, networks.posterior)
    write_file(path, tensors, {CONTAINER: json.dumps(container)})
