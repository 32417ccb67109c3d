"""The frozen backbones all voices share: content (HuBERT), linguistic (RoBERTa), speaker (ERes2NetV2).

They are read from folders with safetensors, in float32 whatever the files hold, and strictly. The first two
are transformers' networks in its layout; the third is ours, and its shape is read off its tensors. A content
encoder of our own may stand in HuBERT's place; `config.json` says which it is.
transformers' own `from_pretrained` is left aside: it would keep half precision even on a CPU, fill what is
missing with noise, and open pickles.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.utils.parametrize import remove_parametrizations
from transformers import BertConfig, BertModel, HubertConfig, HubertModel

from speech.errors import SpeechError, VoiceError
from speech.networks import fbank, speaker
from speech.networks.config import ContentConfig, SpeakerConfig
from speech.networks.content import HOP, ContentEncoder
from speech.networks.lane_norm import LaneNorm
from speech.networks.masks import pad_lanes, valid_of
from speech.networks.speaker import SpeakerEncoder
from speech.networks.weights import Names, load, rename

CONTENT_SAMPLE_RATE: Final = 16_000

_LAYERS_UNUSED: Final = 2
"""Upstream takes the third-last hidden state: what stands after it in the file never runs here."""

_KIND: Final = "model_type"
_CONTENT_ENCODER: Final = "lectorium-content"

_WEIGHT_NORM_NAMES: Names = (
    ("parametrizations.weight.original0", "weight_g"),
    ("parametrizations.weight.original1", "weight_v"),
)
"""The positional convolution's weight norm, as newer and as older files name it."""

_FIRST_KERNEL, _FIRST_STRIDE = 10, 5  # of HuBERT's first layer, the one that norms over time

Hear = Callable[[Tensor, Tensor | None], tuple[Tensor, list[int]]]
"""Sound `[B, N]` and samples of each lane, None where all are full: features `[B, C, F]`, frames of each."""

_BERT_NAMES: Names = (("bert.", ""), (".gamma", ".weight"), (".beta", ".bias"))


class ContentBackbone:
    """HuBERT, or a content encoder of our own: a recording becomes content features, 50 a second."""

    def __init__(self, folder: Path, device: torch.device | None = None) -> None:
        self._device = device or torch.device("cpu")
        config = _config_of(folder)
        is_own = config.get(_KIND) == _CONTENT_ENCODER
        self._hear = (_content_encoder if is_own else _hubert)(config, _tensors_of(folder), self._device)

    def __call__(self, sound: Tensor) -> Tensor:
        """Content features of one recording `[N]` at 16 kHz: `[1, C, F]`.

        F is (N - 400) // 320 + 1 of HuBERT, N // 320 of our own encoder: one more at most. The recording goes
        in as it is: upstream does not normalise it either.
        """
        return self.hear_all([sound])[0][None]

    @torch.inference_mode()
    def hear_all(self, sounds: Sequence[Tensor]) -> list[Tensor]:
        """Those of several recordings, `[C, F]` each, in one pass; no recording hears another's filling."""
        for sound in sounds:
            assert sound.dim() == 1, f"sound is {list(sound.shape)}, not [N]"
        lanes, n_samples = pad_lanes([sound.to(self._device) for sound in sounds])  # [B, N]
        is_even = bool((n_samples == lanes.shape[1]).all())
        features, n_frames = self._hear(lanes, None if is_even else n_samples)  # [B, C, F]
        return [row[:, :n] for row, n in zip(features, n_frames, strict=True)]


def describe_content(config: ContentConfig) -> str:
    """The `config.json` of a content encoder's folder; its weights stand beside it in `model.safetensors`."""
    return json.dumps({_KIND: _CONTENT_ENCODER, **asdict(config)}, indent=2)


def _content_encoder(config: Mapping[str, Any], tensors: Mapping[str, Tensor], device: torch.device) -> Hear:
    shape = {name: value for name, value in config.items() if name != _KIND}
    try:
        network = ContentEncoder(ContentConfig(**shape | {"dilations": tuple(shape["dilations"])}))
    except (KeyError, TypeError) as error:
        raise VoiceError(f"the content encoder's config.json does not describe one: {error}") from None
    load(network, tensors)
    network.eval().to(device)

    def hear(sound: Tensor, n_samples: Tensor | None) -> tuple[Tensor, list[int]]:
        features: Tensor = network(sound, n_samples)
        n = [sound.shape[1]] * len(sound) if n_samples is None else n_samples.tolist()
        return features, [samples // HOP for samples in n]

    return hear


def _hubert(config: dict[str, Any], tensors: Mapping[str, Tensor], device: torch.device) -> Hear:
    network: Any = HubertModel(HubertConfig.from_dict(config))
    remove_parametrizations(network.encoder.pos_conv_embed.conv, "weight")
    load(network, {rename(name, _WEIGHT_NORM_NAMES): tensor for name, tensor in tensors.items()})
    network.eval().to(device)
    first = network.feature_extractor.conv_layers[0]
    norm: LaneNorm | None = None
    if config.get("feat_extract_norm", "group") == "group":  # the other kind norms each frame for itself
        first.layer_norm = norm = LaneNorm(first.layer_norm)

    def hear(sound: Tensor, n_samples: Tensor | None) -> tuple[Tensor, list[int]]:
        if norm is not None:
            n_first = None if n_samples is None else (n_samples - _FIRST_KERNEL) // _FIRST_STRIDE + 1
            norm.n_valid = n_first
        attended = None if n_samples is None else valid_of(n_samples, sound.shape[1]).long()
        states: Tensor = network(sound, attention_mask=attended).last_hidden_state  # [B, F, C]
        n = torch.tensor([sound.shape[1]] * len(sound)) if n_samples is None else n_samples
        # what HuBERT itself reckons from its kernels and strides
        return states.transpose(1, 2), network._get_feat_extract_output_lengths(n).tolist()  # noqa: SLF001

    return hear


class LinguisticBackbone:
    """RoBERTa: Chinese text becomes a row of features for each character."""

    def __init__(self, folder: Path, device: torch.device | None = None) -> None:
        config = BertConfig.from_dict(_config_of(folder))
        n_layers = config.num_hidden_layers
        config.num_hidden_layers = n_layers - _LAYERS_UNUSED
        network: Any = BertModel(config, add_pooling_layer=False)
        unused = [f"bert.encoder.layer.{n_layers - 1 - i}.*" for i in range(_LAYERS_UNUSED)]
        load(
            network,
            _tensors_of(folder),
            _BERT_NAMES,
            unused=[*unused, "cls.*", "bert.pooler.*", "*.position_ids"],
        )
        self._network = network.eval().to(device or torch.device("cpu"))
        self._longest = config.max_position_embeddings - 2  # characters, between the tokens at both ends
        words = _text_of(folder / "vocab.txt").removesuffix("\n").split("\n")  # splitlines knows more ends
        self._ids = {word: i for i, word in enumerate(words)}

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str]) -> list[Tensor]:
        """A row for each character of each text, `[n, W]`; texts do not hear one another.

        Raises:
            SpeechError: a text is longer than the backbone holds.
        """
        for text in texts:
            if len(text) > self._longest:
                raise SpeechError(
                    f"{len(text)} characters from {text[:20]!r} on; RoBERTa holds {self._longest}"
                )
        device = self._network.device
        ids, lengths = pad_lanes([torch.tensor(self._token_ids(text)) for text in texts])  # [B, T]
        attended = valid_of(lengths, ids.shape[1]).to(device)
        states = self._network(ids.to(device), attention_mask=attended).last_hidden_state  # [B, T, W]
        return [row[1 : len(text) + 1] for row, text in zip(states, texts, strict=True)]

    def _token_ids(self, text: str) -> list[int]:
        """One token for each character, between the two that stand at the ends of every text."""
        unknown = self._ids["[UNK]"]
        characters = [self._ids.get(character.lower(), unknown) for character in text]
        return [self._ids["[CLS]"], *characters, self._ids["[SEP]"]]


class SpeakerBackbone:
    """ERes2NetV2: a recording becomes the speaker embedding of v2Pro and v2ProPlus."""

    def __init__(self, folder: Path, device: torch.device | None = None) -> None:
        tensors = _tensors_of(folder)
        network = SpeakerEncoder(_speaker_config_of(tensors))
        load(network, tensors, unused=speaker.UPSTREAM_UNUSED)
        self._device = device or torch.device("cpu")
        self._network = network.eval().to(self._device)

    @torch.inference_mode()
    def __call__(self, sound: Tensor) -> Tensor:
        """The speaker embedding `[W]` of one recording `[N]` at 16 kHz."""
        assert sound.dim() == 1, f"sound is {list(sound.shape)}, not [N]"
        embedding: Tensor = self._network(fbank.mel_energies(sound[None].to(self._device)))[0]
        return embedding

    @torch.inference_mode()
    def hear_all(self, sounds: Sequence[Tensor]) -> Tensor:
        """Those of several recordings, `[B, W]`, in one pass; no recording hears another's filling."""
        for sound in sounds:
            assert sound.dim() == 1, f"sound is {list(sound.shape)}, not [N]"
        lanes, n_samples = pad_lanes([sound.to(self._device) for sound in sounds])  # [B, N]
        n_frames = (n_samples - fbank.WINDOW) // fbank.HOP + 1
        is_even = bool((n_samples == lanes.shape[1]).all())
        embeddings: Tensor = self._network(fbank.mel_energies(lanes), None if is_even else n_frames)
        return embeddings


def _speaker_config_of(tensors: Mapping[str, Tensor]) -> SpeakerConfig:
    """The shape of the network these tensors are of.

    Raises:
        VoiceError: a tensor that tells it is missing.
    """
    try:
        width = tensors["conv1.weight"].shape[0]
        branch = tensors["layer1.0.convs.0.weight"].shape[0]
        out = tensors["layer1.0.conv3.weight"].shape[0]
    except KeyError as missing:
        raise VoiceError(f"the speaker backbone lacks {missing}") from None

    def count(start: str) -> int:
        """How many numbers stand after `start` in the names."""
        return len({name[len(start) :].split(".")[0] for name in tensors if name.startswith(start)})

    first, second, third, fourth = (count(f"layer{stage}.") for stage in (1, 2, 3, 4))
    return SpeakerConfig(
        width=width,
        base_width=64 * branch // width,
        scale=count("layer1.0.convs."),
        expansion=out // width,
        depths=(first, second, third, fourth),
    )


def _config_of(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(_text_of(folder / "config.json"))
    return config


def _tensors_of(folder: Path) -> dict[str, Tensor]:
    path = folder / "model.safetensors"
    if not path.is_file():
        raise VoiceError(f"the backbone in {folder} has no {path.name}")
    tensors: dict[str, Tensor] = load_file(path)
    return tensors


def _text_of(path: Path) -> str:
    if not path.is_file():
        raise VoiceError(f"the backbone in {path.parent} has no {path.name}")
    return path.read_text(encoding="utf-8")
