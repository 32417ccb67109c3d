"""The published repository in small: the same paths, the same formats, random numbers."""

from __future__ import annotations

import io
import json
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertForMaskedLM

from models_store.hub.catalogue import OFFICIAL
from speech.gpt_sovits.weights import DECODER, SEMANTIC, read_weights
from tests.speech.gpt_sovits.toys import CHARACTERS, write_backbones, write_weights

COMMIT = "5eed" * 10
REPOSITORY = OFFICIAL.repository


class HParams:
    """Upstream's bag of settings; its pickles name it `utils.HParams`."""

    __module__ = "utils"

    def __init__(self, **settings: Any) -> None:
        for name, value in settings.items():
            setattr(self, name, HParams(**value) if isinstance(value, dict) else value)


def saved(content: Any) -> bytes:
    """What `torch.save` writes."""
    upstream = ModuleType("utils")
    upstream.HParams = HParams  # type: ignore[attr-defined]
    sys.modules["utils"] = upstream
    try:
        file = io.BytesIO()
        torch.save(content, file)
    finally:
        del sys.modules["utils"]
    return file.getvalue()


@cache
def backbone_files() -> dict[str, bytes]:
    """The backbones' files by their paths."""
    with tempfile.TemporaryDirectory() as name:
        folder = write_backbones(Path(name))
        content = load_file(folder / "content" / "model.safetensors")
        content_config = (folder / "content" / "config.json").read_bytes()
        roberta_config = BertConfig.from_pretrained(folder / "linguistic")
        spoken = load_file(folder / "speaker" / "model.safetensors")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *CHARACTERS]
    roberta = BertForMaskedLM(roberta_config).half().state_dict()
    first, last = "bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight"
    assert roberta[first].data_ptr() == roberta[last].data_ptr(), "tied, as in the published file"
    tokenizer = {
        "version": "1.0",
        "model": {"type": "WordPiece", "vocab": {word: number for number, word in enumerate(words)}},
    }
    return {
        "chinese-hubert-base/pytorch_model.bin": saved(content),
        "chinese-hubert-base/config.json": content_config,
        "chinese-hubert-base/preprocessor_config.json": b"{}",
        "chinese-roberta-wwm-ext-large/pytorch_model.bin": saved(roberta),
        "chinese-roberta-wwm-ext-large/config.json": json.dumps(roberta_config.to_dict()).encode(),
        "chinese-roberta-wwm-ext-large/tokenizer.json": json.dumps(tokenizer).encode(),
        "sv/pretrained_eres2netv2w24s4ep4.ckpt": saved(spoken),
    }


@cache
def base_files(name: str) -> dict[str, bytes]:
    """The pair of a base, by their paths."""
    base = OFFICIAL.bases[name]
    with tempfile.TemporaryDirectory() as folder:
        written = write_weights(Path(folder), base.version)
        semantic, semantic_container = read_weights(written / SEMANTIC)
        decoder, decoder_container = read_weights(written / DECODER)
    return {
        base.semantic.path: saved(
            {"weight": semantic, "config": semantic_container["config"], "info": "GPT-e1"}
        ),
        base.decoder.path: saved(
            {"weight": decoder, "config": HParams(**decoder_container["config"]), "info": "1epoch_1iteration"}
        ),
    }


def write_folder(folder: Path, files: dict[str, bytes]) -> Path:
    """The files below the folder."""
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder
