"""Voices that share the weights of one base and add adapters of their own."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from models_store.cache import VoiceCache
from models_store.publishing import Trained, publish
from models_store.shelf import Shelf
from speech.errors import VoiceError
from speech.gpt_sovits import open_weights
from speech.gpt_sovits.adapters import n_bytes_of, read_adapters, wear
from speech.gpt_sovits.files import ADAPTERS
from speech.gpt_sovits.weights import load_semantic
from speech.networks.config import SemanticConfig
from speech.networks.packed import pack
from speech.networks.semantic import Prefix, SemanticModel
from speech.training.lora import put_on
from speech.voice import Voice
from tests.models_store.test_publishing import lineage, prompt_of, put_base
from tests.speech.gpt_sovits.toys import request, source_of, write_backbones

N_VOICES = 50


def adapters(config: SemanticConfig, rank: int, seed: int = 0, scale: float = 0.3) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    width = config.width
    shapes = {"qkv": (width, 3 * width), "out": (width, width)}
    shapes |= {"expand": (width, 4 * width), "contract": (4 * width, width)}
    return {
        f"blocks.{number}.{name}.{side}": (
            torch.randn((rank, n_in) if side == "down" else (n_out, rank), generator=generator) * scale
        ).half()
        for number in range(config.n_layers)
        for name, (n_in, n_out) in shapes.items()
        for side in ("down", "up")
    }


@pytest.mark.parametrize("is_packed", [False, True])
def test_what_is_worn_says_what_was_learnt(toy_shelf: Path, is_packed: bool) -> None:
    folder = source_of(toy_shelf).folder
    assert folder is not None
    learnt, shared = (load_semantic(folder, torch.device("cpu")) for _ in range(2))
    prefix = Prefix.of([torch.arange(9)], [torch.zeros(9, shared.config.linguistic_width)], [torch.arange(5)])
    plain = shared(prefix)
    tensors = adapters(shared.config, 3)
    put_on(learnt, tensors)
    if is_packed:
        pack(shared)
    worn = wear(shared, tensors)
    with torch.inference_mode():
        torch.testing.assert_close(worn(prefix), learnt(prefix), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(shared(prefix), plain, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(worn(prefix), plain, atol=1e-2)
    assert worn.head.weight is shared.head.weight


def test_adapters_that_do_not_fit_are_named(tmp_path: Path) -> None:
    model = SemanticModel(SemanticConfig(width=16, n_heads=4, n_layers=2, n_phonemes=9, n_tokens=9))
    tensors = adapters(model.config, 2)
    lacking = {name: tensor for name, tensor in tensors.items() if name != "blocks.1.out.up"}
    for changed, complaint in (
        (lacking, "the adapters lack blocks.1.out.up"),
        (tensors | {"blocks.2.out.up": torch.zeros(1)}, "the adapters have no place for blocks.2.out.up"),
        (tensors | {"blocks.0.qkv.down": torch.zeros(2, 15)}, "has shape [2, 15], not [2, 16]"),
        (tensors | {"blocks.0.out.up": torch.full((16, 2), torch.nan)}, "blocks.0.out.up is not finite"),
    ):
        with pytest.raises(VoiceError) as raised:
            wear(model, changed)
        assert complaint in str(raised.value)
    (tmp_path / ADAPTERS).write_bytes(b"no")
    with pytest.raises(VoiceError, match=ADAPTERS):
        read_adapters(tmp_path)
    assert read_adapters(tmp_path / "absent") == {}


def test_real_ones_of_rank_16_take_less_than_15_megabytes() -> None:
    config = SemanticConfig()
    n_numbers = config.n_layers * 16 * sum((4 * config.width, 2 * config.width, *(2 * [5 * config.width])))
    assert (
        n_bytes_of(adapters(dataclasses.replace(config, n_layers=1), 16), torch.float32) * 24 == 4 * n_numbers
    )
    assert 4 * n_numbers < 15e6


def test_fifty_on_one_base_share_its_weights_in_the_voice_cache(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf")
    write_backbones(shelf.root / "_backbones")
    base, weights = put_base(shelf, tmp_path)
    config = load_semantic(weights, torch.device("cpu")).config
    manifests = []
    for number in range(N_VOICES):
        path = tmp_path / ADAPTERS
        save_file(adapters(config, 2, seed=number), path)
        prompt, recording = prompt_of(tmp_path)
        trained = Trained(
            f"voice-{number}", base, {ADAPTERS: path}, prompt, recording, lineage(base), "They agreed."
        )
        manifests.append(publish(shelf, trained, weights))
    assert {manifest.weights_digest for manifest in manifests} == {base.weights_digest}
    cache = VoiceCache(budget_bytes=10**9, idle_seconds=900)
    sounds = []
    for manifest in manifests:
        with cache.use(shelf, manifest) as voice:
            if len(sounds) < 3:
                sounds.append(say(voice))
    assert cache.figures.n_loads == 1
    alone = open_weights(shelf.source(base)).n_bytes
    each = (cache.used_bytes - alone) / N_VOICES
    assert each == n_bytes_of(adapters(config, 2), torch.float32)
    assert len({sound.tobytes() for sound in sounds}) == 3
    with cache.use(shelf, manifests[0]) as voice:
        assert np.array_equal(say(voice), sounds[0])
    cache.close()


def say(voice: Voice) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    (take,) = voice.speak(iter([request("It was late.", key="k")]))
    return take.samples
