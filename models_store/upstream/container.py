"""The one module that lets a pickle be opened, and only in a process that can do no harm.

`models_store.upstream.confine` starts it with a voice file as standard input. It checks the file first,
without torch, and refuses all but a voice; then gives up opening any file or socket, lets torch read the
tensors (`weights_only=True`, and upstream's `utils.HParams` as an empty class of ours), and writes one answer
to standard output: `{"done": true}` and safetensors, or `{"error": ..., "hostile": ...}`.
"""

from __future__ import annotations

import io
import json
import os
from typing import IO, TYPE_CHECKING, Any, Final, NoReturn

from book.limited import address_space, answer, give_up_files, limit_memory, limit_processor_time
from models_store.upstream.archive import MOST_FILE_BYTES, PRO_TAGS, ZIP_TAG, Archive, open_archive
from models_store.upstream.contents import BACKBONE, SOVITS, Half, backbone_of, contents_of
from models_store.upstream.errors import HostileFileError, UpstreamFileError
from models_store.upstream.values import HPARAMS
from speech.errors import VoiceError
from speech.gpt_sovits.files import CONTAINER, version_of_shapes

if TYPE_CHECKING:
    from torch import Tensor

_CHECK_SECONDS: Final = 15.0
"""Processor time for reading the zip and the pickle's instructions; a voice takes a tenth of a second."""
_START_SECONDS: Final = 120.0
"""For loading torch, which no file has any part in."""
_READ_SECONDS: Final = 10.0
_READ_BYTES_PER_SECOND: Final = 20 << 20
_CHECK_MEMORY: Final = 512 << 20
_START_ADDRESSES: Final = 64 << 30
"""For torch's libraries, which take addresses by the gigabyte where they are built for a GPU."""
_READ_MEMORY: Final = 512 << 20
_COPIES: Final = 5
"""How often the numbers stand in memory at most: the archive, torch's tensors, our copies, safetensors'."""


class HParams:
    """Stands for upstream's class of that name: an object that can hold fields and do nothing."""


def main(arguments: list[str]) -> NoReturn:
    """Reads the voice file on standard input as the half it is to be, answers, ends the process."""
    [wanted] = arguments
    try:
        packed = _read(wanted)
    except MemoryError:
        _fail(HostileFileError("needs more memory to read than a voice does"))
    except RecursionError:
        _fail(HostileFileError("is nested too deeply"))
    except VoiceError as error:
        _fail(error)
    except Exception as error:  # noqa: BLE001 - the border: whatever torch raised becomes one line
        _fail(UpstreamFileError(f"is broken: {type(error).__name__}: {error}"))
    answer(b'{"done": true}\n', packed)


def _read(wanted: str) -> bytes:
    """The file on standard input, as safetensors, under limits that grow tighter as it is let nearer."""
    limit_memory(address_space() + _CHECK_MEMORY)
    _limit_processor_time(_CHECK_SECONDS)
    with os.fdopen(0, "rb", closefd=False) as file:
        file_bytes = os.fstat(0).st_size
        archive, half = check(file, wanted)
        limit_memory(address_space() + _START_ADDRESSES)
        _limit_processor_time(_START_SECONDS)
        _load_what_torch_loads_late()
        _limit_processor_time(_READ_SECONDS + file_bytes / _READ_BYTES_PER_SECOND)
        limit_memory(address_space() + _READ_MEMORY + _COPIES * file_bytes)
        give_up_files()
        return pack(archive, half)


def check(file: IO[bytes], wanted: str) -> tuple[Archive, Half]:
    """What the file is, found without torch and without running anything of it.

    Args:
        file: open for reading; left open.
        wanted: `GPT`, `SOVITS` or `BACKBONE`.

    Raises:
        UpstreamFileError: it is not what is wanted; the message does not name the file.
        HostileFileError: it tries to be more than a container of tensors.
    """
    file_bytes = file.seek(0, io.SEEK_END)
    file.seek(0)
    if file_bytes > MOST_FILE_BYTES:
        raise UpstreamFileError(f"has {file_bytes:,} bytes, far more than a voice")
    archive = open_archive(file)
    half = backbone_of(archive) if wanted == BACKBONE else contents_of(archive)
    if half.part != wanted:
        other = "decoder, the .pth" if half.part == SOVITS else "semantic model, the .ckpt"
        raise UpstreamFileError(f"is a voice's {half.part} half (the {other}); its {wanted} half is wanted")
    return archive, half


def pack(archive: Archive, half: Half) -> bytes:
    """A checked file as safetensors, with upstream's container in its metadata. Here torch reads a pickle.

    Raises:
        VoiceError: torch finds other tensors in it than `check` did, or no decoder of a version we know.
    """
    from safetensors.torch import save

    tensors = _load(archive, half)
    container = dict(half.container)
    if half.part == SOVITS:  # upstream's own base files have no tag: it knows them by their digest
        version = version_of_shapes({name: tensor.shape for name, tensor in half.tensors.items()})
        untagged = ZIP_TAG if container["tag"] in PRO_TAGS.values() else container["tag"]
        container["tag"] = PRO_TAGS.get(version, untagged)
    return save(tensors, metadata={CONTAINER: json.dumps(container, allow_nan=False)})


def _load_what_torch_loads_late() -> None:
    """Saves and loads a tensor of ours: torch imports some modules only then, and soon no file opens."""
    import torch
    from safetensors.torch import save

    torch.set_num_threads(1)
    empty = io.BytesIO()
    torch.save({"weight": torch.zeros(1)}, empty)
    empty.seek(0)
    save(torch.load(empty, map_location="cpu", weights_only=True))


def _load(archive: Archive, half: Half) -> dict[str, Tensor]:
    """The tensors, as torch reads them; they must be those that were found without it."""
    import torch

    with torch.serialization.safe_globals([(HParams, HPARAMS)]):
        loaded: dict[str, Any] = torch.load(archive.rebuilt(), map_location="cpu", weights_only=True)
    weight = loaded if half.part == BACKBONE else loaded["weight"]
    if list(weight) != list(half.tensors):
        raise HostileFileError("has other weights for torch than for Lectorium")
    tensors = {}
    for name, seen in half.tensors.items():
        tensor = weight.pop(name)  # and its memory with it: a backbone has most of a gigabyte
        if type(tensor) is not torch.Tensor or tuple(tensor.shape) != seen.shape:
            raise HostileFileError(f"has another weight {name[:80]!r} for torch than for Lectorium")
        tensors[name] = tensor.clone(memory_format=torch.contiguous_format)
    return tensors


def _limit_processor_time(budget_seconds: float) -> None:
    def out_of_time() -> NoReturn:
        _fail(HostileFileError(f"took more than {budget_seconds:.0f} s of processor time to read"))

    limit_processor_time(budget_seconds, out_of_time)


def _fail(error: VoiceError) -> NoReturn:
    verdict = {"error": str(error)[:2000], "hostile": isinstance(error, HostileFileError)}
    answer(json.dumps(verdict).encode() + b"\n")
