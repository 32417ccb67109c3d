"""Toy voices that learn in milliseconds."""

from __future__ import annotations

from typing import Any

import torch

from speech.networks.config import DecoderConfig, GeneratorConfig, SemanticConfig
from speech.networks.discriminators import Discriminators
from speech.networks.semantic import SemanticModel
from speech.training.batches import SAMPLES_PER_TOKEN, DecoderBatch, Features, SemanticBatch
from speech.training.decoder import DecoderStep, Networks
from speech.training.kinds import train_decoder, train_semantic
from speech.training.options import DecoderOptions, SemanticOptions
from speech.training.semantic import SemanticStep
from speech.training.trainer import Trainer
from tests.speech.training import drawn

DECODER = DecoderConfig(
    n_phonemes=20, codebook_size=30, content_width=10, width=8, latent_width=8, filter_width=12, n_layers=2,
    crossing_width=12, crossing_heads=2, style_hidden=6, style_width=12, flow_layers=1, posterior_layers=2,
    generator=GeneratorConfig(
        width=16, rates=(10, 8, 8), kernels=(16, 8, 8), block_kernels=(3,), block_dilations=((1,),)
    ),
)  # fmt: skip
SEMANTIC = SemanticConfig(
    width=16, n_heads=4, n_layers=2, n_phonemes=20, n_tokens=31, linguistic_width=6, n_positions=200
)


def recordings(n: int, config: DecoderConfig = DECODER, *, first: int = 0) -> list[Features]:
    """Recordings of half a second, each of another length."""
    made = []
    for i in range(first, first + n):
        n_tokens = 11 + i % 4
        made.append(
            Features(
                name=f"recording {i}",
                sound=drawn.sound(f"toy {i}", n_tokens * SAMPLES_PER_TOKEN),
                tokens=drawn.integers(f"toy tokens {i}", 30, n_tokens),
                phonemes=drawn.integers(f"toy phonemes {i}", 20, 6 + i % 3),
                linguistic=drawn.normal(f"toy linguistic {i}", 6 + i % 3, 6) if i % 2 else None,
                speaker=drawn.normal(f"toy {i}", config.speaker_width) if config.speaker_width else None,
            )
        )
    return made


def decoder_step(config: DecoderConfig = DECODER, **options: Any) -> DecoderStep:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        networks = Networks.fresh(config, Discriminators((3,), widest=64))
    plain: dict[str, Any] = {"n_lanes": 2, "crop_frames": 4, "epochs": 2, "least_per_epoch": 1, "rate": 1e-3}
    return DecoderStep(networks, DecoderOptions(**(plain | options)))


def decoder_trainer(n: int = 6, n_held_out: int = 2, **options: Any) -> Trainer[DecoderBatch]:
    step = decoder_step(**({"look_every": 3} | options))
    return train_decoder(step, recordings(n), recordings(n_held_out, first=n))


def semantic_step(**options: Any) -> SemanticStep:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = SemanticModel(SEMANTIC)
    plain: dict[str, Any] = {"n_lanes": 2, "n_passes": 1, "epochs": 2, "least_per_epoch": 1, "rate": 1e-3}
    return SemanticStep(model, SemanticOptions(**(plain | options)))


def semantic_trainer(n: int = 6, n_held_out: int = 2, **options: Any) -> Trainer[SemanticBatch]:
    step = semantic_step(**({"look_every": 3} | options))
    return train_semantic(step, recordings(n), recordings(n_held_out, first=n))


def weights(trainer: Trainer[Any]) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in trainer.step.named.items()}


def distance(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """Of all the tensors together, in proportion to the first."""
    assert one.keys() == other.keys()
    squares = [((one[name] - other[name]).square().sum(), one[name].square().sum()) for name in one]
    return float(sum(of for of, _ in squares) / sum(whole for _, whole in squares)) ** 0.5


def same_bits(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
