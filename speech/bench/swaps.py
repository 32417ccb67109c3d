"""How long a voice takes to be ready, by where its weights are: on the device, in host memory, on disk."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from speech.allocator import give_back_freed_memory
from speech.bench.weights import SHAPES, Networks
from speech.networks.packed import pack
from speech.networks.packed_generator import pack_generator
from speech.precision import Precision

TIERS: Final = ("device", "pinned", "mapped", "disk")
"""From the nearest to the farthest."""

_SEED: Final = 1789
_BLOCK_BYTES: Final = 512  # in which the kernel counts what it read for a process


@dataclass(frozen=True, slots=True)
class Swap:
    """Several swaps of one tier."""

    p50: float
    """Seconds until the device has the weights and the networks could speak."""
    p95: float
    read_bytes: int
    """What a disk was read for one of them: 0 where the system had the files in memory after all."""


def swaps(weights: str, precision: Precision, device: torch.device, n: int) -> dict[str, Any]:
    """`n` swaps of each of `TIERS`, as JSON has them; None for a tier that cannot be measured here.

    Those of files are what a voice that is not at hand costs an engine: the same functions, in the same
    order. Those of copies put weights over those that speak, whose addresses stand; they are of a GPU alone,
    since in a CPU's memory a voice at hand lies where it is computed.

    Args:
        weights: one of `SHAPES`.
        precision: that the networks are brought into.
        device: where they are wanted.
        n: 0 measures none.
    """
    found: dict[str, Swap | None] = dict.fromkeys(TIERS)
    if n and device.type == "cuda":
        found["device"], found["pinned"] = copied(weights, precision, device, n)
    if n and importlib.util.find_spec("safetensors") is not None:
        found["mapped"], found["disk"] = opened(weights, precision, device, n)
    return {tier: swap and dataclasses.asdict(swap) for tier, swap in found.items()}


def copied(weights: str, precision: Precision, device: torch.device, n: int) -> tuple[Swap, Swap]:
    """Swaps from memory of the device, and from the host's, pinned if the device is a GPU."""
    speaking, other = (Networks.random(weights, device) for _ in range(2))
    for networks in (speaking, other):
        precision.apply(networks.semantic, networks.decoder)
    targets, near = (_tensors(networks.semantic, networks.decoder) for networks in (speaking, other))
    far = [tensor.cpu().pin_memory() if device.type == "cuda" else tensor.clone() for tensor in near]
    return (
        _timed(lambda: copy_over(targets, near), device, n),
        _timed(lambda: copy_over(targets, far), device, n),
    )


def copy_over(targets: Sequence[Tensor], sources: Sequence[Tensor]) -> None:
    """Copies each of `sources` over the target of its place; the host does not wait for pinned ones."""
    with torch.no_grad():
        for target, source in zip(targets, sources, strict=True):
            target.copy_(source, non_blocking=True)


def opened(weights: str, precision: Precision, device: torch.device, n: int) -> tuple[Swap, Swap | None]:
    """Swaps from files that the system has in memory, and from files that it was asked to forget.

    The latter is None where a system cannot be asked.
    """
    with tempfile.TemporaryDirectory(prefix="lectorium-bench-") as name:
        folder = Path(name)
        files = write(folder, weights)

        def swap() -> None:
            open_networks(folder, precision, device)

        swap()  # every page of the files has been touched then
        mapped = _timed(swap, device, n)
        if not hasattr(os, "posix_fadvise"):  # macOS
            return mapped, None
        return mapped, _timed(swap, device, n, before=lambda: forget(files))


def write(folder: Path, weights: str) -> tuple[Path, Path]:
    """A voice's two files with random weights of these shapes, as training leaves them on the shelf."""
    from safetensors.torch import save_file

    from speech.gpt_sovits.files import CONTAINER, DECODER, SEMANTIC
    from speech.networks.decoder import Decoder
    from speech.networks.posterior import Posterior
    from speech.networks.semantic import SemanticModel
    from speech.training.normed import unfold
    from speech.training.published import decoder_tensors, semantic_tensors

    semantic_config, decoder_config = SHAPES[weights]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        semantic = SemanticModel(semantic_config)
        decoder, posterior = Decoder(decoder_config), Posterior(decoder_config)
    unfold(decoder)
    unfold(posterior)
    made = (
        (folder / SEMANTIC, semantic_tensors(semantic), semantic_config.to_upstream()),
        (folder / DECODER, decoder_tensors(decoder, posterior), decoder_config.to_upstream()),
    )
    for path, tensors, hparams in made:
        whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
        save_file(whole, path, {CONTAINER: json.dumps({"config": {"model": hparams}})})
        with path.open("rb+") as file:
            os.fsync(file.fileno())  # pages that are not written yet cannot be forgotten
    return made[0][0], made[1][0]


def open_networks(folder: Path, precision: Precision, device: torch.device) -> tuple[nn.Module, nn.Module]:
    """The semantic model and the decoder in this folder, as an engine opens them, but for its front end."""
    from speech.gpt_sovits.weights import load_decoder, load_semantic

    semantic, decoder = load_semantic(folder, device), load_decoder(folder, device)
    precision.apply(semantic, decoder)
    pack(semantic)
    pack_generator(decoder)
    give_back_freed_memory()
    return semantic, decoder


def forget(files: Sequence[Path]) -> None:
    """Asks the system to drop what it holds of these files; what somebody has mapped stays."""
    for path in files:
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _timed(
    swap: Callable[[], None], device: torch.device, n: int, before: Callable[[], None] = lambda: None
) -> Swap:
    seconds: list[float] = []
    n_read = 0
    for _ in range(n):
        before()
        _wait(device)
        n_read -= _read_bytes()
        began = time.perf_counter()
        swap()
        _wait(device)
        seconds.append(time.perf_counter() - began)
        n_read += _read_bytes()
    seconds.sort()
    return Swap(seconds[n // 2], seconds[min(n * 95 // 100, n - 1)], n_read // n)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _read_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_inblock * _BLOCK_BYTES


def _tensors(*networks: nn.Module) -> list[Tensor]:
    return [tensor for network in networks for tensor in (*network.parameters(), *network.buffers())]
