"""A toy base voice that can be trained: with a posterior, discriminators, and the symbols of version 2."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from speech.gpt_sovits.files import CONTAINER, DECODER, JUDGES, SEMANTIC
from speech.networks.discriminators import Discriminators
from speech.networks.semantic import SemanticModel
from speech.training.decoder import Networks
from speech.training.published import decoder_tensors, judge_tensors, semantic_tensors
from tests.speech.training.toys import DECODER as TOY
from tests.speech.training.toys import SEMANTIC as TOY_SEMANTIC

CONTENT_WIDTH, N_TOKENS = 12, 30
HPARAMS: dict[str, Any] = {
    "resblock": "1", "semantic_frame_rate": "25hz", "hidden_channels": 8, "inter_channels": 8,
    "filter_channels": 12, "n_heads": 2, "n_layers": 2, "kernel_size": 3, "gin_channels": 12,
    "upsample_initial_channel": 16, "upsample_rates": [10, 8, 8], "upsample_kernel_sizes": [16, 8, 8],
    "resblock_kernel_sizes": [3], "resblock_dilation_sizes": [[1]],
}  # fmt: skip


def write_base(folder: Path, *, seed: int = 0) -> Path:
    """The three files of a base that fits the backbones of `toys.write_backbones`."""
    folder.mkdir(parents=True, exist_ok=True)
    config = replace(
        TOY, n_phonemes=732, content_width=CONTENT_WIDTH, crossing_heads=4, flow_layers=4, posterior_layers=16
    )
    semantic = replace(
        TOY_SEMANTIC, n_phonemes=732, linguistic_width=1024, n_positions=4000, n_heads=4, n_layers=2
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        networks = Networks.fresh(config, Discriminators(widest=64))
        model = SemanticModel(semantic)
        torch.nn.init.normal_(networks.decoder.quantiser.codebook)
    hparams = {"hidden_dim": 16, "embedding_dim": 16, "head": 4, "n_layer": 2, "vocab_size": N_TOKENS + 1}
    _write(folder / DECODER, decoder_tensors(networks.decoder, networks.posterior), HPARAMS)
    _write(
        folder / SEMANTIC,
        semantic_tensors(model),
        {**hparams, "phoneme_vocab_size": 732, "dropout": 0, "EOS": N_TOKENS},
    )
    _write(folder / JUDGES, judge_tensors(networks.discriminators), {})
    return folder


def _write(path: Path, tensors: dict[str, Tensor], model: dict[str, Any]) -> None:
    container = {"config": {"model": model}, "info": "toy", "tag": "PK"}
    save_file({k: v.contiguous() for k, v in tensors.items()}, path, {CONTAINER: json.dumps(container)})
