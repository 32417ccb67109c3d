"""Whatever people take for a voice: one line says what it is, and what is wanted."""

from __future__ import annotations

import io
import json
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save, save_file

from models_store.upstream.confine import read_confined
from models_store.upstream.container import check
from models_store.upstream.contents import GPT, SOVITS
from models_store.upstream.convert import check_pair
from models_store.upstream.errors import HostileFileError, UpstreamFileError
from speech.gpt_sovits.files import CONTAINER, DECODER, SEMANTIC
from speech.gpt_sovits.weights import read_weights
from tests.models_store.upstream.pairs import halves, saved
from tests.speech.gpt_sovits.toys import write_weights

LINEAR = torch.nn.Linear(2, 2)


def resumed() -> dict[str, Any]:
    """What upstream's SoVITS training writes as `G_*.pth`."""
    optimizer = torch.optim.AdamW(LINEAR.parameters())
    LINEAR(torch.ones(2)).sum().backward()
    optimizer.step()
    return {
        "model": LINEAR.state_dict(),
        "iteration": 3,
        "optimizer": optimizer.state_dict(),
        "learning_rate": 1e-4,
    }


def lightning() -> dict[str, Any]:
    """What its GPT training resumes from, with a path and a class in it."""
    return {"epoch": 1, "pytorch-lightning_version": "2.4.0", "state_dict": {}, "callbacks": {"dir": Path()}}


def half(weight: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"weight": weight, "config": {"model": {}}, "info": "x", **more}


ONE = torch.zeros(1)
OTHERS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "sound": (b"RIFF\0\0\0\0WAVEfmt ", "is a sound file"),
    "web page": (b"<!DOCTYPE html><html>", "is a web page"),
    "Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
    "safetensors": (save({"a": ONE}), "is a safetensors file"),
    "safetensors of nothing": (struct.pack("<Q", 2) + b"{}", "is a safetensors file"),
    "PyTorch before 1.6": (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "is a pickle outside a zip"),
    "text": (b"hello, world", "is no file that PyTorch wrote"),
    "cut short": (saved(half({"model.ar_x": ONE}))[:-40], "is cut short or damaged"),
    "cut in the middle": (saved(half({"model.ar_x": ONE}))[:500], "is cut short or damaged"),
    "zip of something else": (b"PK\x05\x06" + bytes(18), "none that PyTorch wrote"),
    "unknown tag": (b"07" + saved(half({"model.ar_x": ONE}))[2:], "is no file that PyTorch wrote"),
    "GPT checkpoint": (saved(lightning()), "GPT training resumes from"),
    "SoVITS checkpoint": (saved(resumed()), "SoVITS training resumes from (G_*.pth, D_*.pth)"),
    "LoRA by its tag": (saved(half({"cfm.a": ONE}), b"03"), "is a LoRA of v3 or v4"),
    "LoRA by its rank": (saved(half({"bridge.a": ONE}, lora_rank=32)), "is a LoRA of v3 or v4"),
    "LoRA by its names": (saved(half({"cfm.x.lora_A.default.weight": ONE})), "is a LoRA of v3 or v4"),
    "v3": (
        saved(half({"cfm.estimator.a": ONE})),
        "is of v3 or v4; v1, v2, v2Pro and v2ProPlus are supported",
    ),
    "v3 by its tag": (saved(half({"enc_p.a": ONE}), b"02"), "is tagged as v3"),
    "state dict": (saved({"bert.a": ONE, "bert.b": ONE}), "holds 'bert.a', 'bert.b', not a voice's weight"),
    "tensor": (saved(ONE), "holds something other than a voice's"),
    "nothing": (saved({}), "holds nothing"),
    "another network": (saved(half({"encoder.a": ONE})), "of neither a GPT nor a SoVITS half: 'encoder.a'"),
    "weights that are numbers": (
        saved(half({"model.ar_x": 1.0})),
        "has a weight 'model.ar_x' that is no tensor",
    ),
    "no config": (saved({"weight": {"model.ar_x": ONE}, "info": "x"}), "has no config"),
    "no info": (saved({"weight": {"model.ar_x": ONE}, "config": {}}), "has no info"),
    "tensor in the config": (
        saved(half({"model.ar_x": ONE}, config={"a": ONE})),
        "has a value in config.a that is no plain text or number",
    ),
    "numbers as names": (
        saved(half({"model.ar_x": ONE}, config={1: 2})),
        "has names in config that are no text",
    ),
    "the other half": (
        saved(half({"dec.a": ONE})),
        "is a voice's SoVITS half (the decoder, the .pth); its GPT",
    ),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_voice_is_called_by_its_name(kind: str) -> None:
    content, complaint = OTHERS[kind]
    with pytest.raises(UpstreamFileError) as refused:
        check(io.BytesIO(content), GPT)
    assert complaint in str(refused.value)
    assert type(refused.value) is UpstreamFileError, "nobody is called hostile for a mistake"


@pytest.mark.parametrize("name", ["absent.ckpt", "folder"])
def test_file_that_is_none_is_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(UpstreamFileError, match=r"^absent\.ckpt: no such file$|^folder: is a folder$"):
        read_confined(tmp_path / name, GPT, tmp_path / "out")


def test_every_prefix_of_a_voice_is_refused_in_one_line() -> None:
    content = saved(OrderedDict(half({"model.ar_x": torch.arange(6.0)})))
    for n in range(0, len(content), 7):
        with pytest.raises(UpstreamFileError) as refused:
            check(io.BytesIO(content[:n]), GPT)
        assert not isinstance(refused.value, HostileFileError)


def rewrite(path: Path, *, model: dict[str, Any] | None = None, **weights: torch.Tensor | None) -> None:
    """Changes fields of the config's model and weights of a voice's file; None takes a weight out."""
    tensors, container = read_weights(path)
    container["config"]["model"].update(model or {})
    for name, tensor in weights.items():
        tensors.pop(name, None)
        if tensor is not None:
            tensors[name] = tensor
    save_file(tensors, path, metadata={CONTAINER: json.dumps(container)})


PHONEMES = "model.ar_text_embedding.word_embeddings.weight"
WRONG_PAIRS: dict[str, tuple[str, dict[str, Any], str]] = {
    "weight missing": (DECODER, {"ssl_proj.bias": None}, "a.pth: the weights lack quantiser.content_in.bias"),
    "weight surplus": (SEMANTIC, {"model.more": ONE}, "a.ckpt: the network has no use for model.more"),
    "another shape": (
        DECODER,
        {"ssl_proj.bias": torch.zeros(3)},
        "a.pth: weight ssl_proj.bias has shape [3]",
    ),
    "not finite": (SEMANTIC, {"model.bert_proj.bias": torch.full((32,), torch.inf)}, "bias is not finite"),
    "unknown symbols": (DECODER, {"enc_p.text_embedding.weight": torch.zeros(99, 8)}, "has 99 rows, not 322"),
    "no symbols": (SEMANTIC, {PHONEMES: None}, f"a.ckpt: the weights lack {PHONEMES}"),
    "half of v1": (
        SEMANTIC,
        {PHONEMES: torch.zeros(512, 32)},
        "a.ckpt: has an embedding of 512 phonemes: it is half of a voice of v1, and a.pth of v2",
    ),
    "absurd width": (DECODER, {"model": {"hidden_channels": 10**9}}, "an impossible hidden_channels"),
    "absurd depth": (SEMANTIC, {"model": {"n_layer": 10**6}}, "an impossible n_layer"),
    "width that is text": (DECODER, {"model": {"n_heads": "many"}}, "a.pth: its config describes no network"),
    "width of nothing": (DECODER, {"model": {"n_heads": None}}, "a.pth: its config describes no network"),
    "no width": (DECODER, {"model": {"hidden_channels": 0}}, "a.pth: "),
}


@pytest.mark.parametrize("kind", WRONG_PAIRS)
def test_pair_that_does_not_load_is_refused_by_the_name_of_what_is_wrong(kind: str, tmp_path: Path) -> None:
    file, changes, complaint = WRONG_PAIRS[kind]
    write_weights(tmp_path, "v2")
    assert check_pair(tmp_path, "a.ckpt", "a.pth") == "v2"
    rewrite(tmp_path / file, **changes)
    with pytest.raises(UpstreamFileError) as refused:
        check_pair(tmp_path, "a.ckpt", "a.pth")
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


def test_halves_of_different_codebooks_do_not_belong_together(tmp_path: Path) -> None:
    write_weights(tmp_path, "v2")
    name = "model.ar_audio_embedding.word_embeddings.weight"
    tensors, _container = read_weights(tmp_path / SEMANTIC)
    n_tokens = tensors[name].shape[0] + 1
    more = {
        key: torch.cat([tensor, tensor[:1]])
        for key, tensor in tensors.items()
        if key in {name, "model.ar_predict_layer.weight"}
    }
    rewrite(tmp_path / SEMANTIC, model={"vocab_size": n_tokens, "EOS": n_tokens - 1}, **more)
    with pytest.raises(UpstreamFileError, match=rf"a\.ckpt: draws {n_tokens - 1} tokens, and a\.pth knows"):
        check_pair(tmp_path, "a.ckpt", "a.pth")


def test_container_says_all_but_the_numbers(tmp_path: Path) -> None:
    _, sovits = halves(tmp_path, "v2Pro")
    _, found = check(io.BytesIO(saved(sovits, b"05")), SOVITS)
    assert found.container["names"] == list(sovits["weight"])
    assert (found.container["tag"], found.container["hparams"]) == ("05", False)
    assert {name: tensor.shape for name, tensor in found.tensors.items()} == {
        name: tuple(tensor.shape) for name, tensor in sovits["weight"].items()
    }
