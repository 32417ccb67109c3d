"""Stage 3: a codebook over content features, and what every sentence of the corpus is in its tokens.

Two files come out. `quantiser.safetensors` holds the weights of `speech.networks.quantiser.Quantiser`;
`readings.safetensors` holds `tokens/NAME` and `phonemes/NAME` of every entry of the corpus, by its name. Both
say in their metadata what they follow from, and are made anew only if that has changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from models_store.manifest import ManifestFile
from speech.backbones import ContentBackbone
from speech.errors import TrainingError
from speech.gpt_sovits.company import Backbones
from speech.gpt_sovits.front import Front
from speech.networks.config import DecoderConfig
from speech.networks.quantiser import Quantiser
from speech.networks.weights import load
from speech.text.lexicon import Lexicon
from speech.text.utterance import Span
from speech.training.content import PhoneFeatures
from starter.corpus import Corpus, Entry
from starter.recipe import TokenRecipe
from starter.stage_files import STATE, state_in, write_file

QUANTISER: Final = "quantiser.safetensors"
READINGS: Final = "readings.safetensors"
SYMBOLS: Final = "v2"
"""Whose phonemes the starter reads: upstream's second table."""

_STRIDE: Final = 2  # content features of a token
_FULL_SCALE: Final = 32768
_RIDGE: Final = 1e-3  # of the mean variance, so that a direction nobody uses is not blown up
_TINY: Final = torch.finfo(torch.float32).tiny


@dataclass(frozen=True, slots=True)
class Reading:
    """A sentence of the corpus as the networks read it."""

    tokens: Tensor
    """`int64[S]`, one for every 640 samples of 16 kHz; what is left at the end has none."""
    phonemes: Tensor
    """`int64[P]`, ids of the symbols v2, by our own English front end."""


def read_readings(folder: Path) -> dict[str, Reading]:
    """What stage 3 left in `folder`: the readings by the entries' names.

    Raises:
        TrainingError: it has not been there.
    """
    path = folder / READINGS
    if not path.is_file():
        raise TrainingError(f"there is no {path}: first run the stage tokens")
    tensors = load_file(path)
    names = [name.removeprefix("tokens/") for name in tensors if name.startswith("tokens/")]
    return {
        name: Reading(tensors[f"tokens/{name}"].long(), tensors[f"phonemes/{name}"].long()) for name in names
    }


def read_quantiser(folder: Path) -> Quantiser:
    """The quantiser that stage 3 left in `folder`.

    Raises:
        TrainingError: it has not been there.
        VoiceError: the file is none of ours.
    """
    path = folder / QUANTISER
    if not path.is_file():
        raise TrainingError(f"there is no {path}: first run the stage tokens")
    return quantiser_of(load_file(path))


def quantiser_of(tensors: Mapping[str, Tensor]) -> Quantiser:
    """A quantiser with these weights: `content_in.weight`, `content_in.bias` and `codebook`.

    Raises:
        VoiceError: they are not of one shape.
    """
    n_codes, width = tensors["codebook"].shape
    quantiser = Quantiser(
        DecoderConfig(codebook_size=n_codes, content_width=width, content_stride=_STRIDE)
    ).eval()
    load(quantiser, tensors)
    return quantiser


def make(
    recipe: TokenRecipe,
    corpus: Corpus,
    content: Path,
    folder: Path,
    *,
    must_stop: Callable[[], bool] = lambda: False,
    report: Callable[[int, int, str], None] = lambda _n, _of, _more: None,
) -> bool:
    """Makes the codebook and all readings; whether they are there now.

    Args:
        recipe: of the codebook.
        corpus: made.
        content: the folder of the content backbone.
        folder: where both files go.
        must_stop: asked before each sentence; what was heard until then is heard again next time.
        report: told how far it is.

    Raises:
        TrainingError: there is no content backbone, or the corpus is not whole.
        VoiceError: the backbone is none.
    """
    state = _state_of(recipe, corpus, content)
    if all(state_in(folder / name) == state for name in (QUANTISER, READINGS)):
        return True
    hear, entries = ContentBackbone(content), list(corpus.entries())
    front = Front(SYMBOLS, 1, Backbones(content.parent, torch.device("cpu")))
    heard: list[Tensor] = []
    spoken: list[Tensor] = []
    phonemes: list[Tensor] = []
    for n, entry in enumerate(entries, start=1):
        if must_stop():
            return False
        heard.append(pairs_of(hear, entry))
        spoken.append(phones_of(entry)[: len(heard[-1])])
        phonemes.append(torch.tensor(front.phonemise([Span(entry.text, "en")], Lexicon()).ids))
        report(n, len(entries), "heard")
    if state_in(folder / QUANTISER) == state:  # networks may have learnt these very codes
        weights = load_file(folder / QUANTISER)
    else:
        learnt = [place for place, entry in enumerate(entries) if not entry.is_held_out]
        weights = codebook_of(recipe, [heard[place] for place in learnt], [spoken[place] for place in learnt])
    quantiser = quantiser_of(weights)
    readings: dict[str, Tensor] = {}
    with torch.inference_mode():
        for entry, pairs, read in zip(entries, heard, phonemes, strict=True):
            content_frames = pairs.reshape(-1, pairs.shape[1] // _STRIDE).T[None]  # [1, C, F]
            readings[f"tokens/{entry.name}"] = quantiser(content_frames)[0].to(torch.int16)
            readings[f"phonemes/{entry.name}"] = read.to(torch.int16)
    write_file(folder / QUANTISER, weights, {STATE: state})
    write_file(folder / READINGS, readings, {STATE: state})
    return True


@torch.inference_mode()
def pairs_of(hear: ContentBackbone, entry: Entry) -> Tensor:
    """What the backbone hears, `[S, 2 C]`: the features of a token's first frame, then of its second."""
    content = hear(entry.spoken.sound.float() / _FULL_SCALE)[0].T  # [F, C]
    n_tokens = content.shape[0] // _STRIDE
    return content[: n_tokens * _STRIDE].reshape(n_tokens, -1)


def phones_of(entry: Entry) -> Tensor:
    """The phones of both frames of each token, `int64[S, 2]`."""
    spoken = entry.spoken
    classes = PhoneFeatures.of(entry.name, spoken.sound, spoken.phones, spoken.ends).classes
    return classes[: len(classes) // _STRIDE * _STRIDE].reshape(-1, _STRIDE)


def codebook_of(recipe: TokenRecipe, heard: Sequence[Tensor], spoken: Sequence[Tensor]) -> dict[str, Tensor]:
    """The quantiser's weights: `content_in` looks where phones differ, and `codebook` divides what it sees.

    Args:
        recipe: of the codebook.
        heard: pairs of content features of each sentence, `[S, 2 C]`.
        spoken: the phones of each pair, `int64[S, 2]`.

    Raises:
        TrainingError: there are fewer pairs than codes.
    """
    pairs, phones = torch.cat(list(heard)), torch.cat(list(spoken))  # [n, 2 C], [n, 2]
    if len(pairs) < recipe.n_codes:
        raise TrainingError(f"n_codes: {recipe.n_codes} are more than the corpus has tokens, {len(pairs)}")
    width = pairs.shape[1] // _STRIDE
    generator = torch.Generator().manual_seed(recipe.seed)
    drawn = torch.randperm(len(pairs), generator=generator)[: recipe.n_points]
    middle = pairs.mean(dim=0)
    looks = discriminants(pairs[drawn] - middle, phones[drawn], min(recipe.n_directions, width))  # [d, 2 C]
    weight = functional.pad(looks, (0, 0, 0, width - len(looks)))  # [C, 2 C]
    bias = -weight @ middle
    points = pairs[drawn] @ weight.T + bias
    return {
        "content_in.weight": weight.reshape(width, _STRIDE, width).transpose(1, 2).contiguous(),  # [C, C, 2]
        "content_in.bias": bias,
        "codebook": cluster(points, recipe.n_codes, recipe.n_rounds, generator),
    }


def discriminants(pairs: Tensor, phones: Tensor, n: int) -> Tensor:
    """The `n` directions `[n, D]` of `[m, D]` in which the phones `[m, 2]` differ most, for their spread.

    Linear discriminant analysis (Rao 1948) over the pairs of phones. What one pair sounds like by turns
    (narrator, neighbours) counts little in what comes out, so that tokens follow from a text as far as can.
    All directions together have a mean square of 1.
    """
    names, places, counts = torch.unique(phones, dim=0, return_inverse=True, return_counts=True)
    middles = torch.zeros(len(names), pairs.shape[1]).index_add_(0, places, pairs) / counts[:, None]
    apart = pairs - middles[places]
    within = apart.T @ apart / len(pairs)
    within += _RIDGE * within.diagonal().mean() * torch.eye(len(within))
    values, vectors = torch.linalg.eigh(within)
    whiten = vectors * values.rsqrt() @ vectors.T
    between = middles @ whiten * (counts / len(pairs)).sqrt()[:, None]
    directions = torch.linalg.svd(between, full_matrices=False).Vh[:n] @ whiten  # [n, D]
    scaled: Tensor = directions / (pairs @ directions.T).square().mean().sqrt()
    return scaled


def cluster(points: Tensor, n: int, n_rounds: int, generator: torch.Generator) -> Tensor:
    """The middles `[n, C]` of `n` clusters of points `[m, C]`: k-means (Lloyd 1982).

    It begins with points drawn far from one another (k-means++, Arthur & Vassilvitskii 2007). A cluster that
    loses all its points begins anew at the point that lies farthest from its middle.
    """
    squares = points.square().sum(dim=1)  # [m]
    first = int(torch.randint(len(points), (1,), generator=generator))
    chosen = [first]
    nearest = _distances(points, squares, points[[first]])[:, 0]  # [m], from the chosen one next to it
    for _ in range(n - 1):
        weights = nearest + _TINY  # where all points are chosen already, any may be chosen again
        chosen.append(int(torch.multinomial(weights, 1, generator=generator)))
        nearest = torch.minimum(nearest, _distances(points, squares, points[chosen[-1:]])[:, 0])
    middles = points[chosen]
    for _ in range(n_rounds):
        apart, places = _distances(points, squares, middles).min(dim=1)
        sums = torch.zeros_like(middles).index_add_(0, places, points)
        counts = torch.bincount(places, minlength=n)
        empty = counts == 0
        middles = sums / counts.clamp_min(1)[:, None]
        middles[empty] = points[apart.topk(int(empty.sum())).indices]
    return middles


def _distances(points: Tensor, squares: Tensor, middles: Tensor) -> Tensor:
    """Squared distances `[m, n]` of points `[m, C]` from `[n, C]`; `squares` are the points' own, `[m]`."""
    products = points @ middles.T
    return (squares[:, None] - 2 * products + middles.square().sum(dim=1)).clamp_min(0)


def _state_of(recipe: TokenRecipe, corpus: Corpus, content: Path) -> str:
    path = content / "model.safetensors"
    if not path.is_file():
        raise TrainingError(f"there is no content backbone in {content}: first run the stage content")
    weights = ManifestFile.of(path).sha256
    return json.dumps({"corpus": corpus.digest, "content": weights, "tokens": asdict(recipe)}, sort_keys=True)
