"""Weights are judged by their headers, with no torch at hand."""

from __future__ import annotations

import json
import pickle
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from models_store.headers import WeightsError, languages_of, read_header
from speech.errors import VoiceError
from tests.models_store.making import write_weights


def pack(header: Any, n_data: int = 0) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(n_data)


def entry(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def test_a_header_says_names_shapes_and_metadata(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(
        pack({"__metadata__": {"a": "b"}, "one": entry(), "two": entry("F16", [1, 3], [8, 14])}, 14)
    )
    header = read_header(path)
    assert header.shapes == {"one": (2,), "two": (1, 3)}
    assert header.metadata == {"a": "b"}


def test_it_reads_what_the_library_writes(tmp_path: Path) -> None:
    numpy = pytest.importorskip("safetensors.numpy")
    import numpy as np

    arrays = {"a": np.zeros((3, 2), np.float16), "b": np.zeros((), np.float32), "c": np.zeros((0, 4))}
    numpy.save_file(arrays, tmp_path / "x", metadata={"k": "v"})
    header = read_header(tmp_path / "x")
    assert header.shapes == {name: array.shape for name, array in arrays.items()}
    assert header.metadata == {"k": "v"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no safetensors file"),
        (b"\0" * 100, "is no safetensors file"),
        (b"\xff" * 100, "is no safetensors file"),
        (struct.pack("<Q", 50) + b"{}", "is no safetensors file"),
        (b"PK\x03\x04" + b"\0" * 100, "is a pickle, not safetensors"),
        (pickle.dumps({"weight": [1.0]}), "is a pickle, not safetensors"),
        (pack(b"{]"), "its header is no JSON: "),
        (pack(b"[" * 100_000), "its header is no JSON: "),
        (pack(b'{"a": 1, "a": 2}'), "a name stands twice"),
        (pack([]), "its header is no JSON object"),
        (pack({"__metadata__": {"a": 1}}), "__metadata__ is not text by name"),
        (pack({"__metadata__": []}), "__metadata__ is not text by name"),
        (pack({"a": 1}), "weight a: not dtype, shape and data_offsets"),
        (pack({"a": entry() | {"x": 1}}, 8), "weight a: not dtype, shape and data_offsets"),
        (pack({"a": entry("F8")}, 8), "weight a: dtype 'F8' is none of BF16, F16, F32"),
        (pack({"a": entry([])}, 8), "weight a: dtype '[]' is none of"),
        (pack({"a": entry(shape=[-2])}, 8), "weight a: its shape is none"),
        (pack({"a": entry(shape=[True])}, 8), "weight a: its shape is none"),
        (pack({"a": entry(shape=2)}, 8), "weight a: its shape is none"),
        (pack({"a": entry(shape=[1] * 9)}, 8), "weight a: its shape is none"),
        (pack({"a": entry(offsets=[0])}, 8), "weight a: data_offsets is no pair"),
        (pack({"a": entry(offsets=[8, 0])}, 8), "weight a: -8 bytes do not hold F32 of shape [2]"),
        (pack({"a": entry(offsets=[0, 4])}, 4), "weight a: 4 bytes do not hold F32 of shape [2]"),
        (pack({"a": entry(shape=[2**40, 2**40])}, 8), "8 bytes do not hold F32"),
        (pack({"a": entry(offsets=[4, 12])}, 12), "weight a begins at byte 4"),
        (pack({"a": entry(), "b": entry()}, 8), "weight b begins at byte 0"),
        (pack({"a": entry()}, 7), "is cut off or has a tail: "),
        (pack({"a": entry()}, 9), "is cut off or has a tail: "),
    ],
)
def test_a_broken_file_is_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(VoiceError) as caught:
        read_header(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("version", "languages"),
    [
        ("v1", ("en", "ja", "zh")),
        ("v2", ("en", "ja", "ko", "yue", "zh")),
        ("v2Pro", ("en", "ja", "ko", "yue", "zh")),
        ("v2ProPlus", ("en", "ja", "ko", "yue", "zh")),
    ],
)
def test_each_version_is_told_by_its_shapes(tmp_path: Path, version: str, languages: tuple[str, ...]) -> None:
    assert languages_of(*write_weights(tmp_path, version)) == languages


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"decoder": {"enc_p.text_embedding.weight": None}}, "decoder: the decoder lacks the weight enc_p."),
        ({"decoder": {"enc_p.text_embedding.weight": (5, 2)}}, "decoder: weight enc_p.text_embedding.weight"),
        ({"decoder": {"quantizer.vq.layers.0._codebook.embed": None}}, "decoder: lacks the weight quantizer"),
        ({"decoder": {"quantizer.vq.layers.0._codebook.embed": (9,)}}, "has shape [9]"),
        ({"decoder": {"quantizer.vq.layers.0._codebook.embed": (9, 2)}}, "semantic: draws 8 tokens, and "),
        (
            {"semantic": {"model.ar_text_embedding.word_embeddings.weight": None}},
            "semantic: lacks the weight",
        ),
        (
            {"semantic": {"model.ar_text_embedding.word_embeddings.weight": (512, 2)}},
            "semantic: knows 512 phonemes, and the decoder is of v2",
        ),
        ({"semantic": {"metadata": {}}}, "semantic: its metadata lacks 'lectorium.container'"),
        ({"decoder": {"metadata": {"lectorium.container": "{"}}}, "decoder: its metadata "),
        ({"decoder": {"metadata": {"lectorium.container": "[]"}}}, "is no JSON object"),
        ({"decoder": {"metadata": {"lectorium.container": "{}"}}}, "decoder: its config lacks 'model'"),
        (
            {"semantic": {"metadata": {"lectorium.container": '{"config": {"model": {"n_layer": 1e9}}}'}}},
            "semantic: its config has an impossible n_layer",
        ),
    ],
)
def test_what_is_no_voice_is_refused_with_its_part(
    tmp_path: Path, changes: dict[str, dict[str, Any]], message: str
) -> None:
    with pytest.raises(WeightsError) as caught:
        languages_of(*write_weights(tmp_path, "v2", **changes))
    assert message in str(caught.value)
    assert caught.value.part == str(caught.value).partition(":")[0]
    assert "\n" not in str(caught.value)


def test_it_needs_no_torch() -> None:
    code = "import sys, models_store.adding; print([m for m in ('torch', 'safetensors') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout == "[]\n"
