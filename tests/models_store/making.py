"""Toy voices of the family gpt-sovits, with weights that are bytes and prompts that are bytes."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from pathlib import Path
from typing import Any

from models_store.manifest import ManifestFile, ManifestPrompt, VoiceManifest, weights_digest


def write_files(folder: Path, **contents: bytes) -> dict[str, Path]:
    """Files called `name.safetensors`, or `prompt.wav` for `prompt`, with these contents."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for stem, content in contents.items():
        name = f"{stem}.wav" if stem.startswith("prompt") else f"{stem}.safetensors"
        files[name] = folder / name
        files[name].write_bytes(content)
    return files


def manifest_of(
    name: str, files: dict[str, Path], *, base: VoiceManifest | None = None, **changes: Any
) -> VoiceManifest:
    """What stands in these files, as a manifest; weights of `base` if they are its own."""
    described = {name: ManifestFile.of(path) for name, path in files.items()}
    prompts = [
        ManifestPrompt(file=file, transcript="Hello there.", language="en")
        for file in files
        if file.endswith(".wav")
    ]
    content: dict[str, Any] = {
        "name": name,
        "family": "gpt-sovits",
        "weights_digest": base.weights_digest if base else weights_digest(described),
        "languages": ("en",),
        "licence": "MIT",
        "files": described,
        "base": f"{base.name}@{base.version}" if base else "",
        "prompts": tuple(prompts),
    }
    return VoiceManifest(**{**content, **changes})


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write_weights(
    folder: Path,
    version: str = "v2",
    *,
    semantic: dict[str, Any] | None = None,
    decoder: dict[str, Any] | None = None,
    fill: bytes = b"\0",
) -> tuple[Path, Path]:
    """Two safetensors files whose headers are those of a small voice; `semantic`, `decoder`: other shapes."""
    n_decoder, n_semantic = (322, 512) if version == "v1" else (732, 732)
    sounds: dict[str, Any] = {
        "enc_p.text_embedding.weight": (n_decoder, 2),
        "quantizer.vq.layers.0._codebook.embed": (8, 2),
        "dec.ups.0.weight_v": (4, 2, 20 if version == "v2ProPlus" else 16),
    }
    if "Pro" in version:
        sounds["sv_emb.weight"] = (4, 2)
    tokens: dict[str, Any] = {
        "model.ar_text_embedding.word_embeddings.weight": (n_semantic, 2),
        "model.ar_audio_embedding.word_embeddings.weight": (9, 2),
    }
    folder.mkdir(parents=True, exist_ok=True)
    return (
        _write_safetensors(folder / "semantic.safetensors", {**tokens, **(semantic or {})}, fill),
        _write_safetensors(folder / "decoder.safetensors", {**sounds, **(decoder or {})}, fill),
    )


def _write_safetensors(path: Path, shapes: dict[str, Any], fill: bytes) -> Path:
    metadata = shapes.pop("metadata", {"lectorium.container": '{"config": {"model": {"n_layer": 2}}}'})
    header: dict[str, Any] = {"__metadata__": metadata}
    position = 0
    for name, shape in shapes.items():
        if shape is not None:
            end = position + 2 * math.prod(shape)
            header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [position, end]}
            position = end
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + fill * position)
    return path
