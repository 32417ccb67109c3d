"""A training on disk, whole or not at all.

A checkpoint is one safetensors file, `00000120-<sha256>.safetensors`: its name says which update it was
taken after and what its bytes must be. It is written beside its place, flushed to the disk and renamed; only
then are older ones removed. So a kill at any moment leaves at least one that is whole.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from safetensors import safe_open
from safetensors.torch import save_file

from speech.errors import TrainingError
from speech.training.trainer import Progress, Snapshot

KEPT: Final = 2
_NAME: Final = re.compile(r"(\d{8})-([0-9a-f]{64})\.safetensors")
_STATE: Final = "state"  # one key: the header of a file with several has no fixed order
_log = logging.getLogger(__name__)


def save(folder: Path, snapshot: Snapshot, *, kept: int = KEPT) -> Path:
    """Writes a snapshot, and keeps the newest `kept`; the path of its file."""
    folder.mkdir(parents=True, exist_ok=True)
    half_written = folder / f"{os.getpid()}.part"
    state = {"recipe": snapshot.recipe, "progress": asdict(snapshot.progress)}
    tensors = {name: tensor.detach().contiguous() for name, tensor in snapshot.tensors.items()}
    save_file(tensors, half_written, {_STATE: json.dumps(state, sort_keys=True)})
    with half_written.open("rb+") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    path = folder / f"{snapshot.progress.update:08d}-{digest}.safetensors"
    half_written.replace(path)
    _flush(folder)
    for old in sorted(names(folder))[:-kept]:
        (folder / old).unlink()
    for left in folder.glob("*.part"):  # of processes that were killed
        left.unlink()
    return path


def latest(folder: Path) -> Snapshot | None:
    """The newest snapshot that is whole, its tensors on the CPU; None where there is none yet.

    One whose bytes are not what its name says is passed over, and the log says so.
    """
    for name in sorted(names(folder), reverse=True):
        path = folder / name
        if _is_whole(path):
            return read(path)
        _log.warning("checkpoint %s is damaged; going back to the one before", name)
    return None


def read(path: Path) -> Snapshot:
    """The snapshot in a file.

    Raises:
        TrainingError: the file holds none.
    """
    with safe_open(path, framework="pt") as file:
        header = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
    try:
        state: dict[str, Any] = json.loads(header[_STATE])
        progress = state["progress"]
        looks = [(int(update), float(loss)) for update, loss in progress["looks"]]
        return Snapshot(state["recipe"], Progress(progress["update"], looks, progress["is_settled"]), tensors)
    except KeyError as missing:
        raise TrainingError(f"{path.name} is no checkpoint: it lacks {missing}") from None


def names(folder: Path) -> Iterator[str]:
    """The checkpoints' file names."""
    return (path.name for path in folder.glob("*.safetensors") if _NAME.fullmatch(path.name))


def _is_whole(path: Path) -> bool:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return path.stem.partition("-")[2] == digest


def _flush(folder: Path) -> None:
    """The folder itself to the disk, with the name in it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
