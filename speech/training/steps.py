"""What both update steps share: parameters by name, optimisers, recomputation, precision, dropout's seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Final

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from speech.errors import TrainingError
from speech.training import parallel
from speech.training.options import Options

Named = dict[str, nn.Parameter]
"""Parameters by their names, in the network's own order."""

_STATE: Final = ("step", "exp_avg", "exp_avg_sq")
"""What AdamW keeps of each parameter."""


def trainable(networks: Mapping[str, nn.Module], frozen: Iterable[str] = ()) -> Named:
    """The parameters that are trained, as `network.parameter`; the frozen ones no longer ask for gradients.

    Raises:
        TrainingError: a frozen part is none of the network's, or all are frozen.
    """
    named: Named = {
        f"{prefix}{'.' if prefix else ''}{name}": parameter
        for prefix, network in networks.items()
        for name, parameter in network.named_parameters()
        if parameter.requires_grad
    }
    for part in frozen:
        stilled = [name for name in named if name == part or name.startswith(f"{part}.")]
        if not stilled:
            raise TrainingError(f"frozen: no part of the network is called {part!r}")
        for name in stilled:
            named.pop(name).requires_grad_(False)
    if not named:
        raise TrainingError("frozen: nothing is left to be trained")
    return named


class AdamW:
    """AdamW (Loshchilov & Hutter 2019) over named parameters; its state has their names.

    Parameters in `slow` learn at a share of the rate. The rate is given anew at each update, so there is no
    schedule with a state of its own.
    """

    def __init__(
        self,
        named: Named,
        options: Options,
        betas: tuple[float, float],
        epsilon: float,
        *,
        slow: Callable[[str], bool] = lambda _: False,
        slow_share: float = 1.0,
    ) -> None:
        self._named = named
        self._ceiling = options.ceiling
        groups = [
            {"params": [p for name, p in named.items() if slow(name) == is_slow], "share": share}
            for is_slow, share in ((False, 1.0), (True, slow_share))
        ]
        self._adam = torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=options.rate,
            betas=betas,
            eps=epsilon,
            fused=options.fused or None,
        )

    def step(self, rate: float, *, scale: float | Tensor = 1.0) -> float:
        """One update with the gradients that lie there, which are gone afterwards; their norm.

        Args:
            rate: the learning rate.
            scale: the gradients are multiplied by it first.

        Raises:
            TrainingError: a gradient is not finite. The weights stay as they were.
        """
        gradients = [p.grad for p in self._named.values() if p.grad is not None]
        parallel.average(gradients)
        if isinstance(scale, Tensor) or scale != 1:
            for gradient in gradients:
                gradient.mul_(scale)
        norm = torch.nn.utils.get_total_norm(gradients)
        if not torch.isfinite(norm):
            raise TrainingError(f"the gradient's norm is {float(norm)}; a lower rate may help")
        if self._ceiling is not None:
            torch.nn.utils.clip_grads_with_norm_(self._named.values(), self._ceiling, norm)
        for group in self._adam.param_groups:
            group["lr"] = rate * group["share"]
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)
        return float(norm)

    def tensors(self) -> dict[str, Tensor]:
        """Its state: `parameter/exp_avg` and so on; of parameters that never had a gradient there is none."""
        return {
            f"{name}/{kind}": self._adam.state[parameter][kind]
            for name, parameter in self._named.items()
            if parameter in self._adam.state
            for kind in _STATE
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes over a state that `tensors` gave."""
        self._adam.state.clear()
        for name, parameter in self._named.items():
            if f"{name}/step" in tensors:
                self._adam.state[parameter] = {
                    kind: tensors[f"{name}/{kind}"].to(
                        "cpu" if kind == "step" and not self._adam.defaults["fused"] else parameter.device,
                        copy=True,
                    )
                    for kind in _STATE
                }


def half_cosine(number: int, warm_up: int, n_updates: int) -> float:
    """The share of the rate in update `number`, from 0: up in a straight line, down along half a cosine."""
    if number < warm_up:
        return (number + 1) / warm_up
    gone = (number - warm_up) / max(n_updates - warm_up, 1)
    return 0.5 * (1 + math.cos(math.pi * min(gone, 1.0)))


def recompute(layers: Iterable[nn.Module]) -> None:
    """Makes layers forget what they computed on the way there, and compute it again on the way back.

    Gradient checkpointing (Chen et al. 2016); dropout falls the same way both times.
    """
    for layer in layers:
        forgetful = partial(checkpoint, layer.forward, use_reentrant=False)
        layer.forward = forgetful  # the instance's own, not the class's


def precision(options: Options, device: torch.device) -> AbstractContextManager[object]:
    """Mixed precision inside, if the options say so."""
    return torch.autocast(device.type, torch.bfloat16) if options.bf16 else nullcontext()


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Inside, what draws from torch's global state (dropout) follows from `seed`; outside nothing changes."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
