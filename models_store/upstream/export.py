"""A voice goes back to upstream: the pair of files that GPT-SoVITS itself would have written.

What it holds was checked when it came; here torch writes, and nothing is read that could run. The layout is
that of `savee` and `my_save2` (`process_ckpt.py`) and of `s1_train.py`, at 48b1a01.
"""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from models_store.upstream.archive import PRO_TAGS, ZIP_TAG
from models_store.upstream.errors import UpstreamFileError
from models_store.upstream.values import HPARAMS
from speech.gpt_sovits.files import DECODER, SEMANTIC
from speech.gpt_sovits.weights import read_weights, version_of

_MODULE, _, _CLASS = HPARAMS.rpartition(".")
_RENAMING = threading.Lock()


class HParams:
    """Upstream's bag of settings, to be pickled under upstream's name for it."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        for name, value in fields.items():
            setattr(self, name, HParams(value) if isinstance(value, dict) else value)


HParams.__module__ = _MODULE


def export(folder: Path, gpt: Path, sovits: Path) -> None:
    """Writes the voice whose weights lie in this folder as a pair of upstream's files.

    Args:
        folder: holds `SEMANTIC` and `DECODER`.
        gpt: the `.ckpt` to write; must not exist.
        sovits: the `.pth` to write; must not exist.

    Raises:
        UpstreamFileError: a file exists already or cannot be written. Then neither is left behind.
        VoiceError: the voice's own files are broken.
    """
    try:
        _write(gpt, folder / SEMANTIC, ZIP_TAG, is_gpt=True)
        try:
            _write(sovits, folder / DECODER, PRO_TAGS.get(version_of(folder), ""), is_gpt=False)
        except BaseException:
            gpt.unlink()
            raise
    except OSError as error:
        raise UpstreamFileError(f"{error.filename}: {error.strerror}") from error


def _write(target: Path, weights: Path, tag: str, *, is_gpt: bool) -> None:
    if target.exists():
        raise UpstreamFileError(f"{target}: exists already")
    tensors, container = read_weights(weights)
    content = _content(tensors, container, is_gpt=is_gpt)
    incoming = target.with_name(f".{target.name}.incoming")
    try:
        with incoming.open("wb") as file, _upstreams_name():
            torch.save(content, file)
            file.seek(0)
            file.write((tag or container.get("tag", ZIP_TAG)).encode("ascii"))
        incoming.rename(target)
    finally:
        incoming.unlink(missing_ok=True)


def _content(tensors: Mapping[str, Tensor], container: Mapping[str, Any], *, is_gpt: bool) -> dict[str, Any]:
    """What upstream pickles; of a voice trained here, in the form that upstream's training gives it."""
    names = container.get("names", list(tensors))
    if set(names) != set(tensors):
        raise UpstreamFileError("the voice's container names other weights than the voice has")
    is_hparams = container.get("hparams", not is_gpt)
    ordered = ((name, tensors[name]) for name in names)
    return OrderedDict(
        weight=OrderedDict(ordered) if is_gpt else dict(ordered),
        config=HParams(container["config"]) if is_hparams else container["config"],
        info=container["info"],
        **container.get("more", {}),
    )


@contextmanager
def _upstreams_name() -> Iterator[None]:
    """Within the block our `HParams` stands where pickle looks up the name it is written under."""
    stand_in = ModuleType(_MODULE)
    vars(stand_in)[_CLASS] = HParams
    with _RENAMING:
        before = sys.modules.get(_MODULE)
        sys.modules[_MODULE] = stand_in
        try:
            yield
        finally:
            del sys.modules[_MODULE]
            if before is not None:
                sys.modules[_MODULE] = before
