"""Toy pairs in the files that GPT-SoVITS itself writes, and what such a file holds."""

from __future__ import annotations

import io
import sys
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from speech.gpt_sovits.weights import DECODER, SEMANTIC, read_weights
from tests.speech.gpt_sovits.toys import write_weights

TAGS = {"v2Pro": b"05", "v2ProPlus": b"06"}


class HParams:
    """Upstream's bag of settings, by upstream's name."""

    __module__ = "utils"

    def __init__(self, **fields: Any) -> None:
        for name, value in fields.items():
            setattr(self, name, HParams(**value) if isinstance(value, dict) else value)

    def plain(self) -> dict[str, Any]:
        return {k: v.plain() if isinstance(v, HParams) else v for k, v in vars(self).items()}


def saved(content: Any, tag: bytes = b"PK") -> bytes:
    """What upstream writes: `torch.save`, and the tag over the zip's first two bytes."""
    upstream = ModuleType("utils")
    upstream.HParams = HParams  # type: ignore[attr-defined]
    sys.modules["utils"] = upstream
    try:
        file = io.BytesIO()
        torch.save(content, file)
    finally:
        del sys.modules["utils"]
    return tag + file.getvalue()[2:]


@dataclass(frozen=True)
class Loaded:
    """All that stands in one of upstream's files."""

    tag: bytes
    keys: list[str]
    weight: dict[str, Tensor]
    config: dict[str, Any]
    is_hparams: bool
    remark: str
    more: dict[str, Any]


def loaded(path: Path) -> Loaded:
    """The file as torch reads it."""
    content = path.read_bytes()
    with torch.serialization.safe_globals([(HParams, "utils.HParams")]):
        top = torch.load(io.BytesIO(b"PK" + content[2:]), weights_only=True)
    config = top["config"]
    return Loaded(
        tag=content[:2],
        keys=list(top),
        weight=top["weight"],
        config=config.plain() if isinstance(config, HParams) else config,
        is_hparams=isinstance(config, HParams),
        remark=top["info"],
        more={key: value for key, value in top.items() if key not in {"weight", "config", "info"}},
    )


def halves(folder: Path, version: str, *, ends: bool = True) -> tuple[dict[str, Any], dict[str, Any]]:
    """What upstream would pickle of a toy voice: the GPT half's content and the SoVITS half's."""
    written = write_weights(folder, version, ends=ends)
    semantic, gpt = read_weights(written / SEMANTIC)
    decoder, sovits = read_weights(written / DECODER)
    half = {name: tensor.half() for name, tensor in reversed(decoder.items())}  # in no safetensors' order
    half["ssl_proj.bias"] = half["ssl_proj.bias"].float()  # a few published files keep some in full
    return (
        {
            "weight": OrderedDict((name, tensor.half()) for name, tensor in reversed(semantic.items())),
            "config": {**gpt["config"], "output_dir": "logs/né", "train": {"lr": 1e-4, "seed": None}},
            "info": "GPT-e15",
        },
        {
            "weight": half,
            "config": {**sovits["config"], "train": {"betas": [0.8, 0.99], "fp16_run": True}, "name": "né"},
            "info": "8epoch_400iteration",
        },
    )


def write_pair(folder: Path, version: str, *, ends: bool = True) -> tuple[Path, Path]:
    """A toy voice as its owner has it, `voice-e15.ckpt` and `voice_e8_s400.pth`; `ends`: see there."""
    gpt, sovits = halves(folder / "written", version, ends=ends)
    paths = folder / "voice-e15.ckpt", folder / "voice_e8_s400.pth"
    paths[0].write_bytes(saved(OrderedDict(gpt)))
    tagged = OrderedDict({**sovits, "config": HParams(**sovits["config"])})
    paths[1].write_bytes(saved(tagged, TAGS.get(version, b"PK")))
    return paths
