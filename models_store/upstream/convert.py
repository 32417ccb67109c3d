"""Upstream's pair of files becomes the two files of a voice on our shelf, every tensor bit for bit."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from models_store.upstream.confine import read_confined
from models_store.upstream.contents import GPT, SOVITS
from models_store.upstream.errors import UpstreamFileError
from speech.errors import VoiceError
from speech.gpt_sovits.files import DECODER, SEMANTIC, check_sizes, version_of_shapes
from speech.gpt_sovits.weights import decoder_of, read_weights, semantic_of

LANGUAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "v1": ("en", "ja", "zh"),
    **dict.fromkeys(("v2", "v2Pro", "v2ProPlus"), ("en", "ja", "ko", "yue", "zh")),
}
"""What the symbols of each version can spell, as BCP 47 tags."""

_SEMANTIC_ROWS: Final = {"v1": 512}
"""Rows of the semantic model's phoneme embedding; v1 uses the first 322 of them."""
_V2_ROWS: Final = 732


def convert(gpt: Path, sovits: Path, folder: Path) -> str:
    """Writes `SEMANTIC` and `DECODER` of the voice that these two files are; which version it is.

    Args:
        gpt: upstream's `.ckpt`; opened only by a child process that can do no harm.
        sovits: upstream's `.pth`, likewise.
        folder: where the two safetensors files go; nothing of those names may be in it.

    Raises:
        UpstreamFileError: a file is not half of a voice, or the two are not of one voice's version. One line,
            which begins with the file's name. Nothing is left in the folder.
    """
    semantic, decoder = folder / SEMANTIC, folder / DECODER
    try:
        read_confined(gpt, GPT, semantic)
        read_confined(sovits, SOVITS, decoder)
        return check_pair(folder, gpt.name, sovits.name)
    except BaseException:
        semantic.unlink(missing_ok=True)
        decoder.unlink(missing_ok=True)
        raise


def check_pair(folder: Path, gpt: str, sovits: str) -> str:
    """Which version the two safetensors files in `folder` are; they load strictly, and are of one voice.

    Args:
        folder: holds `SEMANTIC` and `DECODER`.
        gpt: what the file that `SEMANTIC` comes from is called, for the errors.
        sovits: likewise of `DECODER`.

    Raises:
        UpstreamFileError: as `convert`; the message names the tensor.
    """
    version, n_codes = _check_decoder(folder / DECODER, sovits)
    _check_semantic(folder / SEMANTIC, gpt, version, n_codes, sovits)
    return version


def _check_decoder(path: Path, place: str) -> tuple[str, int]:
    """The version of the decoder in this file, and how many semantic tokens it knows."""
    try:
        tensors, container = read_weights(path)
        version = version_of_shapes({name: tuple(tensor.shape) for name, tensor in tensors.items()})
        check_sizes(container)
        with _hollow():
            decoder = decoder_of(container, tensors)
    except (VoiceError, TypeError, ValueError, RuntimeError, ArithmeticError) as error:
        raise UpstreamFileError(f"{place}: {_reason(error)}") from error
    return version, decoder.config.codebook_size


def _check_semantic(path: Path, place: str, version: str, n_codes: int, decoder_place: str) -> None:
    try:
        tensors, container = read_weights(path)
        check_sizes(container)
        _check_rows(tensors, version, decoder_place)
        with _hollow():
            model = semantic_of(container, tensors)
    except (VoiceError, TypeError, ValueError, RuntimeError, ArithmeticError) as error:
        raise UpstreamFileError(f"{place}: {_reason(error)}") from error
    if model.config.n_tokens != n_codes + 1:
        raise UpstreamFileError(
            f"{place}: draws {model.config.n_tokens - 1} tokens, and {decoder_place} knows {n_codes}"
        )


@contextmanager
def _hollow() -> Iterator[None]:
    """Networks built in the block take no memory: loading compares names and shapes, and looks at values."""
    with warnings.catch_warnings(action="ignore"), torch.device("meta"):  # of a width of 0, torch would warn
        yield


def _check_rows(tensors: Mapping[str, Tensor], version: str, decoder_place: str) -> None:
    """The GPT half carries no version; the table of symbols its embedding was made for tells."""
    name = "model.ar_text_embedding.word_embeddings.weight"
    if name not in tensors:
        raise VoiceError(f"the weights lack {name}")
    rows, wanted = tensors[name].shape[0], _SEMANTIC_ROWS.get(version, _V2_ROWS)
    if rows == wanted:
        return
    meant = {512: "a voice of v1", _V2_ROWS: "a voice of v2, v2Pro or v2ProPlus"}.get(
        rows, "no known version"
    )
    raise VoiceError(
        f"has an embedding of {rows} phonemes: it is half of {meant}, and {decoder_place} of {version}"
    )


def _reason(error: Exception) -> str:
    if isinstance(error, VoiceError):
        return str(error)
    return f"its config describes no network: {' '.join(str(error).split())[:150]}"
