"""A voice of adapters goes out whole: what they learnt is in the weights that upstream's files hold."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from cli.main import run
from models_store.publishing import publish
from models_store.shelf import Shelf
from models_store.upstream.merging import whole_weights
from speech.errors import VoiceError
from speech.gpt_sovits.files import ADAPTERS, DECODER, SEMANTIC
from speech.gpt_sovits.weights import load_semantic, read_weights
from speech.voice import VoiceSource
from tests.models_store.test_publishing import put_base, trained
from tests.models_store.upstream.pairs import loaded
from tests.speech.gpt_sovits.test_adapters import adapters

_LAYERS = {
    "qkv": "self_attn.in_proj_weight",
    "out": "self_attn.out_proj.weight",
    "expand": "linear1.weight",
    "contract": "linear2.weight",
}


def test_exported_weights_are_the_bases_with_the_adapters_in_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LECTORIUM_HOME", str(tmp_path / "home"))
    shelf = Shelf(tmp_path / "home" / "shelf")
    base, weights = put_base(shelf, tmp_path)
    learnt = adapters(load_semantic(weights, torch.device("cpu")).config, 3)
    save_file(learnt, tmp_path / ADAPTERS)
    publish(shelf, trained(shelf, tmp_path, base, {ADAPTERS: tmp_path / ADAPTERS}), weights)
    gpt, sovits = tmp_path / "a.ckpt", tmp_path / "a.pth"
    assert run(["voice", "export", "anna", "--gpt", str(gpt), "--sovits", str(sovits)]) == 0
    before, of_decoder = (read_weights(weights / name)[0] for name in (SEMANTIC, DECODER))
    after = loaded(gpt).weight
    assert after.keys() == before.keys()
    changed = {}
    for number in range(2):
        for ours, theirs in _LAYERS.items():
            name = f"model.h.layers.{number}.{theirs}"
            down, up = (learnt[f"blocks.{number}.{ours}.{side}"].float() for side in ("down", "up"))
            changed[name] = (before[name].float() + up @ down).half()
    for name, tensor in after.items():
        torch.testing.assert_close(tensor, changed.get(name, before[name]), rtol=0, atol=2e-3)
    assert not any(torch.equal(after[name], before[name]) for name in changed)
    decoder = loaded(sovits).weight
    assert all(torch.equal(tensor, of_decoder[name]) for name, tensor in decoder.items())


def test_a_voice_without_weights_has_none_to_merge(tmp_path: Path) -> None:
    source = VoiceSource("ab" * 32, {}, tmp_path)
    with pytest.raises(VoiceError, match="has no weights"), whole_weights(source):
        pass
