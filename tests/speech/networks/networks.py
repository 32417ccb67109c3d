"""Toy networks, and lanes of different length to put through them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from speech.decode import SemanticRequest
from speech.networks.config import DecoderConfig, GeneratorConfig, SemanticConfig
from speech.networks.decoder import Decoder, SoundRequest
from speech.networks.semantic import SemanticModel
from speech.sampling import TokenSampling

SEMANTIC = SemanticConfig(
    width=16, n_heads=4, n_layers=3, n_phonemes=20, n_tokens=31, linguistic_width=6, n_positions=400
)
GENERATOR = GeneratorConfig(
    width=16, rates=(5, 4), kernels=(9, 8), block_kernels=(3, 7), block_dilations=((1, 3), (1, 5))
)
DECODER = DecoderConfig(
    n_phonemes=20, codebook_size=30, content_width=10, width=8, latent_width=8, filter_width=12, n_layers=2,
    crossing_width=12, crossing_heads=2, style_bins=9, style_hidden=6, style_width=12, flow_layers=2,
    posterior_layers=3, spectrogram_bins=11, generator=GENERATOR,
)  # fmt: skip


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def randomise(network: nn.Module, seed: int = 0, scale: float = 1.0) -> None:
    """Gives every tensor of the network values that keep signals alive through it."""
    generator = seeded(seed)
    with torch.no_grad():
        for tensor in [*network.parameters(), *network.buffers()]:
            if tensor.is_floating_point():
                fan_in = max(tensor[0].numel(), 1) if tensor.dim() > 1 else 25
                tensor.copy_(torch.randn(tensor.shape, generator=generator) * scale / fan_in**0.5)


def semantic_model(seed: int = 10) -> SemanticModel:
    model = SemanticModel(SEMANTIC).eval()
    tables = {name: buffer.clone() for name, buffer in model.named_buffers()}
    randomise(model, seed, scale=1.5)
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            buffer.copy_(tables[name])
        for name, parameter in model.named_parameters():
            if "norm" in name and name.endswith("weight"):
                parameter.fill_(1)
        model.head.weight.mul_(3)  # sure enough of itself for different tokens to be drawn
        model.head.weight[-1] *= 1.5  # this seed ends some utterances early and some never
    return model


def decoder(seed: int = 0) -> Decoder:
    network = Decoder(DECODER).eval()
    randomise(network, seed)
    return network


def semantic_requests(n: int, seed: int = 0, **sampling: float) -> list[SemanticRequest]:
    """Requests of different length; every third has no prompt."""
    generator = seeded(seed)

    def length(low: int, high: int) -> int:
        return int(torch.randint(low, high, (), generator=generator))

    requests = []
    for i in range(n):
        n_phonemes, n_prompt = length(1, 14), 0 if i % 3 == 2 else length(1, 9)
        requests.append(
            SemanticRequest(
                key=f"utterance {i}",
                phonemes=torch.randint(0, SEMANTIC.n_phonemes, (n_phonemes,), generator=generator),
                linguistic=torch.randn(n_phonemes, SEMANTIC.linguistic_width, generator=generator),
                prompt=torch.randint(0, SEMANTIC.end_token, (n_prompt,), generator=generator),
                sampling=TokenSampling(max_tokens=40, **sampling),  # type: ignore[arg-type]  # numbers, by name
            )
        )
    return requests


def sound_requests(
    n: int, seed: int = 0, speeds: tuple[float, ...] = (1.0,), noise_scale: float = 0.5
) -> list[SoundRequest]:
    """Requests of different length."""
    generator = seeded(seed)

    def ids(n_ids: int, high: int) -> Tensor:
        return torch.randint(
            0, n_ids, (int(torch.randint(1, high, (), generator=generator)),), generator=generator
        )

    return [
        SoundRequest(
            key=f"utterance {i}",
            tokens=ids(DECODER.codebook_size, 12),
            phonemes=ids(DECODER.n_phonemes, 15),
            style=torch.randn(DECODER.style_width, generator=generator),
            speed=speeds[i % len(speeds)],
            noise_scale=noise_scale,
        )
        for i in range(n)
    ]
