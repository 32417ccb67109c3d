"""What a file of PyTorch is: the GPT or the SoVITS half of a voice, or something else, and then what."""

from __future__ import annotations

import math
import pickletools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from models_store.upstream.archive import ZIP_TAG, Archive
from models_store.upstream.errors import HostileFileError, UpstreamFileError
from models_store.upstream.sketch import sketch
from models_store.upstream.values import HParams, TensorSketch

GPT: Final = "GPT"
"""Upstream's word for the semantic model's half of a voice, the `.ckpt`."""
SOVITS: Final = "SoVITS"
"""Upstream's word for the decoder's half, the `.pth`."""
BACKBONE: Final = "backbone"
"""No half of a voice: a plain state dict, as the networks that all voices share are published."""

_LORA_TAGS: Final = ("03", "04")
_SUPPORTED: Final = "v1, v2, v2Pro and v2ProPlus are supported"
_MOST_VALUES: Final = 20_000
_MOST_DEPTH: Final = 12
_MOST_TEXTS: Final = 200_000


@dataclass(frozen=True, slots=True)
class Half:
    """Half of a voice."""

    part: str
    """`GPT` or `SOVITS`; `BACKBONE` for what is none."""
    tensors: Mapping[str, TensorSketch]
    container: Mapping[str, Any]
    """All but the tensors' numbers, as JSON can hold it: `config`, `info` and `tag`; `names`, the tensors' in
    upstream's order; `hparams`, whether the config was of upstream's own class; `more`, what else there was.
    """


def contents_of(archive: Archive) -> Half:
    """The half of a voice that this archive is.

    Raises:
        UpstreamFileError: it is none; the message says what it is and what is wanted.
        HostileFileError: its pickle wants what no voice needs.
    """
    try:
        top = sketch(archive.pickled, archive.storages)
    except HostileFileError:
        if identity := _identity(_texts(archive.pickled), archive.tag):
            raise UpstreamFileError(identity) from None
        raise
    if not isinstance(top, dict) or not all(isinstance(key, str) for key in top):
        raise UpstreamFileError("holds something other than a voice's weight, config and info")
    weight = top.get("weight")
    names = [name for name in weight if isinstance(name, str)] if isinstance(weight, dict) else []
    if identity := _identity({*top, *names}, archive.tag):
        raise UpstreamFileError(identity)
    if not names or not isinstance(weight, dict):
        raise UpstreamFileError(
            f"holds {_listed(top)}, not a voice's weight, config and info"
            if top
            else "holds nothing, not a voice's weight, config and info"
        )
    return Half(_part(names), _tensors(weight, sum(archive.storages.values())), _container(top, archive.tag))


def backbone_of(archive: Archive) -> Half:
    """The state dict that this archive is, for a backbone: tensors by name and nothing else.

    Raises:
        UpstreamFileError: it holds something other than tensors.
        HostileFileError: its pickle wants what no state dict needs.
    """
    top = sketch(archive.pickled, archive.storages)
    if not isinstance(top, dict) or not top:
        raise UpstreamFileError("holds something other than the tensors of a backbone")
    # A language model's first and last layer are one and the same matrix: counted twice, stored once.
    return Half(BACKBONE, _tensors(top, 2 * sum(archive.storages.values())), {"names": list(top)})


def _identity(words: Iterable[str], tag: str) -> str:
    """What a file with these words in it is, if it is something we know and cannot take."""
    known = set(words)
    if "pytorch-lightning_version" in known:
        return (
            "is a checkpoint that upstream's GPT training resumes from, not a voice;"
            " take the .ckpt it wrote into a folder GPT_weights"
        )
    if known >= {"model", "optimizer", "iteration"}:
        return (
            "is a checkpoint that upstream's SoVITS training resumes from (G_*.pth, D_*.pth), not a voice;"
            " take the .pth it wrote into a folder SoVITS_weights"
        )
    if tag in _LORA_TAGS or "lora_rank" in known or any(".lora_A." in word for word in known):
        return f"is a LoRA of v3 or v4; {_SUPPORTED}"
    if any(word.startswith("cfm.") for word in known):
        return f"is of v3 or v4; {_SUPPORTED}"
    if tag == "02":
        return f"is tagged as v3; {_SUPPORTED}"
    return ""


def _part(names: list[str]) -> str:
    if any(name.startswith("model.ar_") for name in names):
        return GPT
    if any(name.startswith(("enc_p.", "dec.")) for name in names):
        return SOVITS
    raise UpstreamFileError(f"holds the weights of neither a GPT nor a SoVITS half: {_listed(names)}")


def _tensors(weight: dict[Any, Any], archive_bytes: int) -> dict[str, TensorSketch]:
    for name, tensor in weight.items():
        if not isinstance(name, str) or not isinstance(tensor, TensorSketch):
            raise UpstreamFileError(f"has a weight {str(name)[:80]!r} that is no tensor")
    if sum(tensor.n_bytes for tensor in weight.values()) > archive_bytes:
        raise HostileFileError("has tensors that share their numbers to seem larger than the file")
    return weight


def _container(top: dict[str, Any], tag: str) -> dict[str, Any]:
    config, remark = top.get("config"), top.get("info")
    is_hparams = isinstance(config, HParams)
    if not isinstance(config, HParams | dict):
        raise UpstreamFileError("has no config")
    if not isinstance(remark, str):
        raise UpstreamFileError("has no info")
    counter = [_MOST_VALUES]
    return {
        "config": _plain(config, "config", counter),
        "info": remark,
        "tag": tag or ZIP_TAG,
        "hparams": is_hparams,
        "names": list(top["weight"]),
        "more": {
            name: _plain(value, name, counter)
            for name, value in top.items()
            if name not in {"weight", "config", "info"}
        },
    }


def _plain(value: Any, place: str, counter: list[int], depth: int = 0) -> Any:
    """The value as JSON can hold it; refuses lists that contain themselves, or one another ever again."""
    counter[0] -= 1
    if counter[0] < 0 or depth > _MOST_DEPTH:
        raise HostileFileError(f"has a {place.partition('.')[0][:80]} that unfolds without end")
    if isinstance(value, HParams):
        value = value.fields
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise UpstreamFileError(f"has names in {place[:80]} that are no text")
        return {key: _plain(entry, f"{place}.{key}", counter, depth + 1) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry, place, counter, depth + 1) for entry in value]
    if (
        value is None
        or isinstance(value, str | bool | int)
        or (type(value) is float and math.isfinite(value))
    ):
        return value
    raise UpstreamFileError(f"has a value in {place[:80]} that is no plain text or number")


def _texts(pickled: bytes) -> set[str]:
    """All short text in a pickle that could not be followed to its end."""
    texts: set[str] = set()
    try:
        for instruction, argument, _ in islice(pickletools.genops(pickled), _MOST_TEXTS):
            if "UNICODE" in instruction.name and isinstance(argument, str):
                texts.add(argument[:200])
    except ValueError:
        pass  # broken further on: what stands before is enough to tell what it is
    return texts


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name[:40]) for name in islice(names, 4))
