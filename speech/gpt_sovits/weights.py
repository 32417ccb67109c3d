"""A voice's weights at rest: two safetensors files that hold what upstream's pair of files held.

Every tensor keeps upstream's name, dtype and value; the rest of upstream's container stands as JSON in the
file's metadata under `CONTAINER`: `{"config": ..., "info": ..., "tag": ...}`. So a voice can be given back
to upstream exactly as it came, and every name in an error is one its owner knows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from speech.errors import VoiceError
from speech.gpt_sovits.files import CONTAINER, DECODER, SEMANTIC, version_of_shapes
from speech.networks import semantic
from speech.networks.config import SemanticConfig
from speech.networks.decoder import Decoder
from speech.networks.semantic import SemanticModel
from speech.networks.weights import load


def load_semantic(folder: Path, device: torch.device) -> SemanticModel:
    """The semantic model of the voice in this folder, in float32, ready to decode.

    Raises:
        VoiceError: the file is missing or broken, or a tensor is missing, surplus or of another shape.
    """
    tensors, container = read_weights(folder / SEMANTIC)
    return semantic_of(container, tensors).to(device)


def load_decoder(folder: Path, device: torch.device) -> Decoder:
    """The decoder of the voice in this folder, in float32, ready to speak.

    Raises:
        VoiceError: the file is missing or broken, or a tensor is missing, surplus or of another shape.
    """
    tensors, container = read_weights(folder / DECODER)
    return decoder_of(container, tensors).to(device)


def version_of(folder: Path) -> str:
    """Which of `VERSIONS` the voice in this folder is; reads the decoder's header alone.

    Raises:
        VoiceError: the file is missing or broken, or holds no decoder of these versions.
    """
    path = folder / DECODER
    try:
        with safe_open(path, framework="pt") as file:
            return version_of_shapes({name: file.get_slice(name).get_shape() for name in file.offset_keys()})
    except (OSError, SafetensorError) as error:
        raise VoiceError(f"{path}: {_line(error)}") from error


def has_posterior(folder: Path) -> bool:
    """Whether the voice in this folder has what a decoder learns with; reads the header alone.

    Bases as they were published have it, and what was trained here; voices that upstream trained have not.

    Raises:
        VoiceError: the file is missing or broken.
    """
    path = folder / DECODER
    try:
        with safe_open(path, framework="pt") as file:
            return any(name.startswith("enc_q.") for name in file.offset_keys())
    except (OSError, SafetensorError) as error:
        raise VoiceError(f"{path}: {_line(error)}") from error


def semantic_of(container: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> SemanticModel:
    """The semantic model that upstream's container and tensors describe; raises as `load_semantic`."""
    model = SemanticModel(semantic_config(container))
    load(model, tensors, semantic.UPSTREAM_NAMES)
    return model.eval()


def decoder_of(container: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Decoder:
    """The decoder that upstream's container and tensors describe; raises as `load_decoder`."""
    return Decoder.of_upstream(decoder_hparams(container), tensors)


def decoder_hparams(container: Mapping[str, Any]) -> dict[str, Any]:
    """What upstream's container says of the decoder's shape; raises as `load_decoder`."""
    # Upstream sets this field at every load, whatever the file says: files older than it are about.
    return {**_hparams_of(container, "decoder"), "semantic_frame_rate": "25hz"}


def semantic_config(container: Mapping[str, Any]) -> SemanticConfig:
    """What upstream's container says of the semantic model's shape; raises as `load_semantic`."""
    return SemanticConfig.of_upstream(_hparams_of(container, "semantic model"))


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of one of the two files, as they are, and upstream's container without them.

    Raises:
        VoiceError: there is no such file, it is broken, or it has no container in its metadata.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.offset_keys()}
    except (OSError, SafetensorError) as error:
        raise VoiceError(f"{path}: {_line(error)}") from error
    return tensors, _container_of(metadata, path)


def _container_of(metadata: Mapping[str, str], path: Path) -> dict[str, Any]:
    try:
        container = json.loads(metadata[CONTAINER])
    except KeyError:
        raise VoiceError(f"{path}: its metadata lacks {CONTAINER!r}") from None
    except ValueError as error:
        raise VoiceError(f"{path}: its metadata {CONTAINER!r} is no JSON: {error}") from error
    if not isinstance(container, dict):
        raise VoiceError(f"{path}: its metadata {CONTAINER!r} is no JSON object")
    return container


def _hparams_of(container: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    config = container.get("config")
    hparams = config.get("model") if isinstance(config, dict) else None
    if not isinstance(hparams, dict):
        raise VoiceError(f"the {what}'s config lacks 'model'")
    return hparams


def _line(error: Exception) -> str:
    return "no such file" if isinstance(error, FileNotFoundError) else " ".join(str(error).split())
