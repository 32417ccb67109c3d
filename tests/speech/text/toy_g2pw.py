"""A real, tiny g2pW model: an ONNX file written field by field, and the tables that go with it.

It adds up a row for the character asked about, one for the token at its place, and one for every token of the
sentence that is heard, where the mask allows it. ONNX files are protocol buffers; the field numbers are those
of onnx.proto3 (ModelProto, GraphProto, NodeProto, TensorProto, ValueInfoProto).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

READINGS = (
    ("长", "ㄔㄤ2"),
    ("长", "ㄓㄤ3"),
    ("長", "ㄔㄤ2"),
    ("長", "ㄓㄤ3"),
    ("行", "ㄏㄤ2"),
    ("行", "ㄒㄧㄥ2"),
    ("一", "ㄧ1"),
)
PINYIN = {"ㄔㄤ": "chang", "ㄓㄤ": "zhang", "ㄏㄤ": "hang", "ㄒㄧㄥ": "xing", "ㄧ": "yi"}
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"孩头發长長行银銀走大子."]

_INT64, _FLOAT = 7, 1


def _varint(value: int) -> bytes:
    written = b""
    while value > 0x7F:
        written += bytes([value & 0x7F | 0x80])
        value >>= 7
    return written + bytes([value])


def _field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    held = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(held)) + held


def _tensor(name: str, array: npt.NDArray[np.generic]) -> bytes:
    kind = _FLOAT if array.dtype == np.float32 else _INT64
    shape = b"".join(_field(1, size) for size in array.shape)
    return shape + _field(2, kind) + _field(8, name) + _field(9, array.tobytes())


def _value(name: str, kind: int, *sizes: str) -> bytes:
    shape = b"".join(_field(1, _field(2, size)) for size in sizes)
    return _field(1, name) + _field(2, _field(1, _field(1, kind) + _field(2, shape)))


def _node(kind: str, inputs: str, output: str) -> bytes:
    return b"".join(_field(1, name) for name in inputs.split()) + _field(2, output) + _field(4, kind)


Table = npt.NDArray[np.float32]


def _model(by_token: Table, by_place: Table, by_character: Table) -> bytes:
    """A model that hears all six inputs; each table has a column for each label."""
    nodes = [
        _node("Gather", "tokens input_ids", "rows"),  # [B, T, labels]
        _node("Sub", "attention_mask token_type_ids", "heard"),
        _node("Cast", "heard", "weights"),
        _node("Unsqueeze", "weights last", "columns"),
        _node("Mul", "rows columns", "weighed"),
        _node("ReduceSum", "weighed middle", "context"),  # [B, 1, labels]
        _node("Unsqueeze", "position_ids middle", "at"),
        _node("GatherElements", "input_ids at", "there"),  # [B, 1]
        _node("Gather", "places there", "place"),  # [B, 1, labels]
        _node("Add", "context place", "inside"),
        _node("Squeeze", "inside middle", "sentence"),
        _node("Gather", "characters char_ids", "own"),
        _node("Add", "sentence own", "scores"),
        _node("Exp", "scores", "positive"),
        _node("Mul", "positive phoneme_mask", "probabilities"),
    ]
    to_float = _field(5, _field(1, "to") + _field(3, _FLOAT) + _field(20, 2))
    along = _field(5, _field(1, "axis") + _field(3, 1) + _field(20, 2))
    nodes[2] += to_float
    nodes[7] += along
    graph = b"".join(_field(1, node) for node in nodes) + _field(2, "toy")
    for name, array in {
        "tokens": by_token,
        "places": by_place,
        "characters": by_character,
        "last": np.array([2]),
        "middle": np.array([1]),
    }.items():
        graph += _field(5, _tensor(name, array))
    for name in ("input_ids", "token_type_ids", "attention_mask"):
        graph += _field(11, _value(name, _INT64, "B", "T"))
    for name in ("char_ids", "position_ids"):
        graph += _field(11, _value(name, _INT64, "B"))
    graph += _field(11, _value("phoneme_mask", _FLOAT, "B", "L"))
    graph += _field(12, _value("probabilities", _FLOAT, "B", "L"))
    return _field(1, 8) + _field(7, graph) + _field(8, _field(1, "") + _field(2, 13))


def write_toy(folder: Path, *, of_characters: bool = False) -> Path:
    """Writes the model and its tables; where its vocabulary lies.

    It reads 長 as "zhang3" in a sentence with 大 or 孩, 行 as "hang2" in one with 銀, and both otherwise as
    "chang2" and "xing2".
    """
    names = [f"{character} {reading}" if of_characters else reading for character, reading in READINGS]
    labels = sorted(set(names))
    characters = sorted({character for character, _ in READINGS})
    by_token, by_place = np.zeros((2, len(VOCABULARY), len(labels)), np.float32)
    by_character = np.zeros((len(characters), len(labels)), np.float32)
    for at, label in enumerate(labels):
        for token, reading in (("大", "ㄓㄤ3"), ("孩", "ㄓㄤ3"), ("銀", "ㄏㄤ2")):
            by_token[VOCABULARY.index(token), at] += 2 * label.endswith(reading)
        by_place[VOCABULARY.index("長"), at] += label.endswith("ㄔㄤ2")
        by_character[:, at] += label.endswith("ㄒㄧㄥ2")
    folder.mkdir(exist_ok=True)
    (folder / "g2pW.onnx").write_bytes(_model(by_token, by_place, by_character))
    (folder / "POLYPHONIC_CHARS.txt").write_text("".join(f"{c}\t{r}\n" for c, r in READINGS), "utf-8")
    (folder / "bopomofo_to_pinyin_wo_tune_dict.json").write_text(json.dumps(PINYIN), "utf-8")
    settings = f"use_mask = True\nuse_char_phoneme = {of_characters}\nnever = print('run')\n"
    (folder / "config.py").write_text(settings, "utf-8")
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(VOCABULARY) + "\n", "utf-8")
    return vocabulary
