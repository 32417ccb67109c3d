from __future__ import annotations

import pytest
import torch

from speech.bench.corpus import sentences
from speech.bench.weights import SHAPES, Networks
from speech.errors import SpeechError
from speech.networks.decoder import Decoder
from speech.networks.semantic import SemanticModel

CPU = torch.device("cpu")


def test_random_weights_are_the_same_each_time_and_leave_the_global_noise_alone() -> None:
    before = torch.random.get_rng_state()
    first, second = (Networks.random("random:toy", CPU, n_voices=2) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first.semantic.head.weight, second.semantic.head.weight)
    assert not torch.equal(first.prompts[0].tokens, first.prompts[1].tokens)


@pytest.mark.parametrize(
    ("weights", "n_semantic", "n_decoder"),
    [
        ("random:v2", 77.6, 42.4),
        ("random:v2Pro", 77.6, 67.4),
        ("random:v2ProPlus", 77.6, 86.3),
    ],
)
def test_random_weights_have_the_published_size(weights: str, n_semantic: float, n_decoder: float) -> None:
    semantic_config, decoder_config = SHAPES[weights]
    with torch.device("meta"):
        semantic, decoder = SemanticModel(semantic_config), Decoder(decoder_config)
    assert sum(p.numel() for p in semantic.parameters()) / 1e6 == pytest.approx(n_semantic, abs=0.2)
    n_found = sum(t.numel() for t in decoder.state_dict().values()) / 1e6
    # Upstream's file also holds the averages that its codebook was trained with.
    n_averages = decoder.config.codebook_size * decoder.config.content_width / 1e6
    assert n_found + n_averages == pytest.approx(n_decoder, abs=0.2)


def test_requests_end_where_their_length_says_and_voices_take_turns() -> None:
    networks = Networks.random("random:toy", CPU, n_voices=2)
    sentence = sentences(1)[0]
    first, second = (networks.semantic_request(index, sentence) for index in (0, 1))
    assert first.sampling.min_tokens == first.sampling.max_tokens == sentence.n_tokens
    assert first.phonemes.shape == (60 + sentence.n_phonemes,)
    assert not torch.equal(first.prompt, second.prompt)


def test_unknown_weights_are_refused() -> None:
    with pytest.raises(SpeechError, match="weights 'random:v9': choose from random:v2,"):
        Networks.random("random:v9", CPU)
