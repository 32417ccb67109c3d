"""Stage 5: the semantic model learns which tokens follow from phonemes, alone and after a prompt.

A voice speaks after its prompt: phonemes of prompt and utterance first, then the prompt's tokens, those of a
silence, and what is drawn. So sentences of one voice and pace are joined in pairs in just this way, in other
pairs each time. Pitch and vocal tract may differ in a pair: tokens tell phones and how long they last.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import pad

from models_store.manifest import ManifestFile
from speech.backbones import ContentBackbone
from speech.errors import TrainingError
from speech.gpt_sovits.files import CONTAINER, SEMANTIC
from speech.gpt_sovits.prompt import SILENCE
from speech.gpt_sovits.weights import load_semantic
from speech.networks.quantiser import Quantiser
from speech.networks.semantic import SemanticModel
from speech.networks.weights import load, without_prefix
from speech.noise import seed_of
from speech.training import checkpoint
from speech.training.batches import TokenFeatures
from speech.training.kinds import train_semantic
from speech.training.loop import Outcome, Pace, run
from speech.training.published import semantic_tensors
from speech.training.semantic import SemanticStep
from speech.training.trainer import order_of
from starter.corpus import Corpus, Entry
from starter.curve import Curve
from starter.recipe import SemanticRecipe
from starter.stage_files import STATE, state_in, write_file
from starter.tokens import QUANTISER, read_quantiser, read_readings

_SEED: Final = 6
_FULL_SCALE: Final = 32768
TOKEN_SAMPLES: Final = 640
"""Samples of a token, at 16 kHz."""
_PAUSES: Final = "pauses.safetensors"


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of the corpus as the semantic model reads it."""

    name: str
    narrator: str
    is_held_out: bool
    phonemes: Tensor
    """`int64[P]`"""
    tokens: Tensor
    """`int64[S]`"""
    pause: Tensor
    """`int64[15]`, tokens of the silence that comes after it where it is a prompt."""


def sentences_of_corpus(corpus: Corpus, folder: Path) -> list[Sentence]:
    """The sentences of a corpus whose tokens stage 3 has left in `folder`.

    Raises:
        TrainingError: an earlier stage has not been there, or was there with another corpus.
        VoiceError: what it left is broken.
    """
    readings = read_readings(folder / "tokens")
    content, quantiser = folder / "content" / "content", folder / "tokens" / QUANTISER
    hear = ContentBackbone(content)
    digests = [ManifestFile.of(content / "model.safetensors").sha256, ManifestFile.of(quantiser).sha256]
    state = json.dumps([corpus.digest, *digests])
    pauses = make_pauses(
        corpus.entries(), hear, read_quantiser(folder / "tokens"), state, folder / "semantic"
    )
    sentences = []
    for entry in corpus.entries():
        if entry.name not in readings:
            raise TrainingError(f"sentence {entry.name} has no tokens: first run the stage tokens")
        reading, pause = readings[entry.name], pauses[entry.name]
        tokens, phonemes = reading.tokens, reading.phonemes
        sentences.append(Sentence(entry.name, entry.narrator, entry.is_held_out, phonemes, tokens, pause))
    return sentences


@torch.inference_mode()
def make_pauses(
    entries: Iterable[Entry], hear: ContentBackbone, quantiser: Quantiser, state: str, folder: Path
) -> dict[str, Tensor]:
    """Tokens of the silence after each sentence, `int64[15]`, by its name; heard once and kept in `folder`.

    Args:
        entries: of the corpus.
        hear: the content backbone.
        quantiser: of stage 3.
        state: names all of these; another one makes them anew.
        folder: where they are kept.
    """
    path = folder / _PAUSES
    if state_in(path) == state:
        return {name: tokens.long() for name, tokens in load_file(path).items()}
    pauses = {entry.name: _pause_of(entry, hear, quantiser) for entry in entries}
    write_file(path, {name: tokens.to(torch.int16) for name, tokens in pauses.items()}, {STATE: state})
    return pauses


def lanes_of(sentences: Sequence[Sentence], n_pairings: int) -> list[TokenFeatures]:
    """Each sentence `n_pairings` times: joined to another of its pace, or alone where none is left."""
    by_pace: defaultdict[tuple[str, str], list[Sentence]] = defaultdict(list)
    for sentence in sentences:
        by_pace[_pace_of(sentence.narrator)].append(sentence)
    lanes = []
    for number in range(n_pairings):
        for of_pace in by_pace.values():
            drawn = sorted(of_pace, key=lambda one: seed_of(f"{_SEED}:pair:{number}:{one.name}"))
            pairs = zip(drawn[::2], drawn[1::2], strict=False)
            lanes += [joined(first, second) for first, second in pairs]
            lanes += [alone(one) for one in drawn[len(drawn) // 2 * 2 :]]
    return lanes


def _pace_of(narrator: str) -> tuple[str, str]:
    """A narrator's voice and stretch; the pitch and the tract in its name are left out."""
    name, _, changed = narrator.partition(" stretch ")
    return name.partition("@")[0], changed.partition(" ")[0] or "1"


def alone(sentence: Sentence) -> TokenFeatures:
    """A sentence without a prompt."""
    return TokenFeatures(sentence.name, sentence.tokens, sentence.phonemes)


def joined(prompt: Sentence, sentence: Sentence) -> TokenFeatures:
    """A sentence after a prompt."""
    return TokenFeatures(
        name=f"{prompt.name} {sentence.name}",
        tokens=torch.cat([prompt.tokens, prompt.pause, sentence.tokens]),
        phonemes=torch.cat([prompt.phonemes, sentence.phonemes]),
    )


def train(
    recipe: SemanticRecipe,
    sentences: Sequence[Sentence],
    folder: Path,
    *,
    begun: Path | None = None,
    must_stop: Callable[[], bool] = lambda: False,
    report: Callable[[int, int, dict[str, float]], None] = lambda _n, _of, _losses: None,
) -> Outcome:
    """Trains, or goes on from the newest checkpoint in `folder`, which `learnt` reads.

    Done, `semantic.safetensors` is there, as it stands on a shelf.

    Args:
        recipe: of the model and its training.
        sentences: of the corpus.
        folder: of checkpoints and of what comes out.
        begun: the folder of a `semantic.safetensors` to begin with where there is no checkpoint yet; None:
            from nothing.
        must_stop: asked before each update.
        report: told each update's number, how many there will be, and its losses.

    Raises:
        TrainingError: the checkpoint is of another recipe or corpus, the model has no row for a token, or
            what was begun is of another shape.
        VoiceError: `begun` holds no semantic model.
    """
    lanes = lanes_of([one for one in sentences if not one.is_held_out], recipe.n_pairings)
    held_out = lanes_of([one for one in sentences if one.is_held_out], 1)
    n_updates = order_of(recipe.options, lanes).n_updates
    model = _fresh(recipe) if begun is None else _begun(recipe, begun)
    step = SemanticStep(model, recipe.options, n_updates)
    base = "" if begun is None else ManifestFile.of(begun / SEMANTIC).sha256
    trainer = train_semantic(step, lanes, held_out, base=base)
    found = checkpoint.latest(folder / "checkpoints")
    curve = Curve(folder / "losses.jsonl", 0 if found is None else found.progress.update)

    def told(number: int, losses: dict[str, float]) -> None:
        curve.add(number, losses)
        report(number, n_updates, losses)

    outcome = run(
        trainer,
        folder / "checkpoints",
        must_stop=must_stop,
        report=told,
        saved=curve.write,
        pace=Pace(seconds=180.0),
    )
    if outcome is not Outcome.STOPPED:
        write(model, folder / SEMANTIC)
    return outcome


def write(model: SemanticModel, path: Path) -> None:
    """The model as it stands on a shelf.

    Raises:
        VoiceError: a weight is too large for half precision, or not finite.
    """
    container = {"config": {"model": model.config.to_upstream()}, "info": "trained with Lectorium"}
    write_file(path, semantic_tensors(model), {CONTAINER: json.dumps(container)})


def learnt(recipe: SemanticRecipe, folder: Path) -> tuple[SemanticModel, int]:
    """The model as it was at the newest checkpoint in `folder`, and after how many updates that is.

    Raises:
        TrainingError: there is none yet.
        VoiceError: it is of another shape.
    """
    found = checkpoint.latest(folder / "checkpoints")
    if found is None:
        raise TrainingError(f"there is no checkpoint in {folder}: first run the stage semantic")
    model = _fresh(recipe).eval()
    load(model, without_prefix(found.tensors, "weights/"))
    return model, found.progress.update


def _fresh(recipe: SemanticRecipe) -> SemanticModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        return SemanticModel(recipe.model)


def _begun(recipe: SemanticRecipe, folder: Path) -> SemanticModel:
    model = load_semantic(folder, torch.device("cpu"))
    if model.config != recipe.model:
        raise TrainingError(f"{folder / SEMANTIC}: {model.config} is not the recipe's {recipe.model}")
    return model


def _pause_of(entry: Entry, hear: ContentBackbone, quantiser: Quantiser) -> Tensor:
    sound = entry.spoken.sound.float() / _FULL_SCALE
    tokens: Tensor = quantiser(hear(pad(sound, (0, SILENCE))))[0]
    return tokens[-(SILENCE // TOKEN_SAMPLES) :].cpu()
