"""What a safetensors file says of itself, read and checked without torch and without its tensors.

So that weights can be taken in where no torch is: a file is eight bytes, a header of JSON and then numbers,
and nothing in it is ever run. (The format: huggingface/safetensors, README, "Format".) Whether our networks
load the tensors is told, strictly, when the voice is opened.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from speech.errors import VoiceError
from speech.gpt_sovits.files import CONTAINER, check_sizes, version_of_shapes
from speech.text.symbols import LANGUAGES

Shapes = Mapping[str, tuple[int, ...]]

_MOST_HEADER_BYTES: Final = 4_000_000
_MOST_DIMENSIONS: Final = 8
_BYTES: Final = {"BF16": 2, "F16": 2, "F32": 4, "F64": 8, "I64": 8}
"""The number formats that published voices hold."""
_PICKLES: Final = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_PHONEMES: Final = "model.ar_text_embedding.word_embeddings.weight"
_TOKENS: Final = "model.ar_audio_embedding.word_embeddings.weight"
_CODEBOOK: Final = "quantizer.vq.layers.0._codebook.embed"
_SEMANTIC_ROWS: Final = {"v1": 512}
_V2_ROWS: Final = 732


class WeightsError(VoiceError):
    """A file is not the weights it should be; `part` is "semantic" or "decoder"."""

    def __init__(self, part: str, reason: str) -> None:
        super().__init__(f"{part}: {reason}")
        self.part = part
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Header:
    """The head of a safetensors file."""

    shapes: Shapes
    metadata: Mapping[str, str]


def read_header(path: Path) -> Header:
    """The header of the file at `path`, which is wholly what its header says.

    Raises:
        VoiceError: it is no safetensors file, or broken; one line.
    """
    n_bytes = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        if head.startswith(_PICKLES):
            raise VoiceError("is a pickle, not safetensors; `lectorium voice import` makes these of it")
        n_header = int.from_bytes(head, "little")
        if len(head) < 8 or not 2 <= n_header <= min(_MOST_HEADER_BYTES, n_bytes - 8):
            raise VoiceError("is no safetensors file")
        text = file.read(n_header)
    try:
        entries = json.loads(text, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise VoiceError(f"is no safetensors file: its header is no JSON: {error}") from error
    if not isinstance(entries, dict):
        raise VoiceError("is no safetensors file: its header is no JSON object")
    metadata = entries.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise VoiceError("__metadata__ is not text by name")
    ranges = sorted((_range(name, entry), name) for name, entry in entries.items())
    position = 0
    for (start, end), name in ranges:
        if start != position:
            raise VoiceError(f"weight {name[:80]} begins at byte {start}, not where the one before it ends")
        position = end
    if position != n_bytes - 8 - n_header:
        raise VoiceError(f"is cut off or has a tail: {n_bytes} bytes, not {8 + n_header + position}")
    return Header({name: tuple(entry["shape"]) for name, entry in entries.items()}, metadata)


def languages_of(semantic: Path, decoder: Path) -> tuple[str, ...]:
    """The languages of the voice whose weights stand in these two files, BCP 47, sorted.

    Raises:
        WeightsError: a file is not half of a voice, or the two are not of one voice's version.
    """
    with _about("decoder"):
        sounds = _shapes_of(decoder)
        version = version_of_shapes(sounds)
        n_codes = _rows(sounds, _CODEBOOK)
    with _about("semantic"):
        tokens = _shapes_of(semantic)
        n_phonemes, n_tokens = _rows(tokens, _PHONEMES), _rows(tokens, _TOKENS)
        if n_phonemes != _SEMANTIC_ROWS.get(version, _V2_ROWS):
            raise VoiceError(f"knows {n_phonemes} phonemes, and the decoder is of {version}")
        if n_tokens != n_codes + 1:
            raise VoiceError(f"draws {n_tokens - 1} tokens, and the decoder knows {n_codes}")
    return tuple(sorted(LANGUAGES["v1" if version == "v1" else "v2"]))


@contextmanager
def _about(part: str) -> Iterator[None]:
    try:
        yield
    except VoiceError as error:
        raise WeightsError(part, str(error)) from error


def _shapes_of(path: Path) -> Shapes:
    """The shapes of one of the two, whose container describes no absurd network."""
    header = read_header(path)
    if CONTAINER not in header.metadata:
        raise VoiceError(f"its metadata lacks {CONTAINER!r}: not made by `lectorium voice import`")
    try:
        container = json.loads(header.metadata[CONTAINER])
    except (ValueError, RecursionError) as error:
        raise VoiceError(f"its metadata {CONTAINER!r} is no JSON") from error
    if not isinstance(container, dict):
        raise VoiceError(f"its metadata {CONTAINER!r} is no JSON object")
    check_sizes(container)
    return header.shapes


def _range(name: str, entry: Any) -> tuple[int, int]:
    """Where the tensor's bytes begin and end, if all that is said of it fits together."""
    place = f"weight {name[:80]}"
    fields = entry if isinstance(entry, dict) else {}
    if set(fields) != {"dtype", "shape", "data_offsets"}:
        raise VoiceError(f"{place}: not dtype, shape and data_offsets")
    dtype, shape, offsets = fields["dtype"], fields["shape"], fields["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _BYTES:
        raise VoiceError(f"{place}: dtype {str(dtype)[:20]!r} is none of {', '.join(_BYTES)}")
    if not _are_counts(shape) or len(shape) > _MOST_DIMENSIONS:
        raise VoiceError(f"{place}: its shape is none")
    if not _are_counts(offsets) or len(offsets) != 2:
        raise VoiceError(f"{place}: data_offsets is no pair of positions")
    if offsets[1] - offsets[0] != math.prod(shape) * _BYTES[dtype]:
        raise VoiceError(f"{place}: {offsets[1] - offsets[0]} bytes do not hold {dtype} of shape {shape}")
    return offsets[0], offsets[1]


def _are_counts(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)


def _rows(shapes: Shapes, name: str) -> int:
    if name not in shapes:
        raise VoiceError(f"lacks the weight {name}")
    if len(shapes[name]) < 2:
        raise VoiceError(f"weight {name} has shape {list(shapes[name])}")
    return shapes[name][0]


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found
