"""A training as a value that can be put away and taken up again: order, update step, held-out recordings.

Everything an update draws follows from the seed and the update's number. So its whole state is the weights,
the optimisers, that number and what the looks at the held-out recordings have shown.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from speech.errors import TrainingError
from speech.training import parallel
from speech.training.options import Options
from speech.training.order import Order

Batch = TypeVar("Batch")
Taken_contra = TypeVar("Taken_contra", contravariant=True)
Made_co = TypeVar("Made_co", covariant=True)


class Learnable(Protocol):
    """What a trainer asks of a recording's features: a dataclass of its name and then of tensors."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def name(self) -> str:
        """Which recording, for messages."""
        ...

    @property
    def n_frames(self) -> int:
        """How long it is; those of like length share a pass."""
        ...


Recorded = TypeVar("Recorded", bound=Learnable)
Recorded_contra = TypeVar("Recorded_contra", bound=Learnable, contravariant=True)


class Step(Protocol[Taken_contra]):
    """What a trainer asks of an update step; `decoder.DecoderStep` and `semantic.SemanticStep` are two."""

    @property
    def options(self) -> Options:
        """How it is trained."""
        ...

    @property
    def named(self) -> dict[str, nn.Parameter]:
        """What is trained."""
        ...

    def update(self, batches: Sequence[Taken_contra], number: int, epoch: int) -> dict[str, float]:
        """One update; its losses by name."""
        ...

    def evaluate(self, batches: Sequence[Taken_contra]) -> float:
        """The loss of recordings it does not learn from."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """The optimisers' state."""
        ...

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes over what `tensors` gave."""
        ...


class Collate(Protocol[Recorded_contra, Made_co]):
    """Makes a batch of recordings; the keys draw noise, crops and dropout."""

    def __call__(self, lanes: Sequence[Recorded_contra], keys: Sequence[str]) -> Made_co:
        """The batch."""
        ...


@dataclass(slots=True)
class Progress:
    """How far a training has come."""

    update: int = 0
    """Updates done."""
    looks: list[tuple[int, float]] = field(default_factory=list)
    """The update and the held-out loss of each look."""
    is_settled: bool = False
    """Whether it ended early, because looks got no better."""

    @property
    def best(self) -> tuple[int, float] | None:
        """The update and the loss of the best look so far, the first of equals."""
        return min(self.looks, key=lambda look: (look[1], look[0]), default=None)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All there is to a training at one moment, weights of frozen parts excepted."""

    recipe: str
    """The digest of options, recordings and base; a snapshot fits only the training it was taken of."""
    progress: Progress
    tensors: dict[str, Tensor]
    """`weights/...` and `optimiser/...`."""


class Trainer(Generic[Batch]):
    """A training in hand."""

    def __init__(
        self,
        step: Step[Batch],
        collate: Collate[Recorded, Batch],
        recordings: Sequence[Recorded],
        held_out: Sequence[Recorded] = (),
        *,
        base: str = "",
    ) -> None:
        """A training that has not begun.

        Args:
            step: the networks, with what they start from.
            collate: makes its batches.
            recordings: to learn from.
            held_out: to look at only; early stopping needs some.
            base: the digest of the weights it starts from.

        Raises:
            TrainingError: there is nothing to learn from, or nothing to look at for an early stop.
        """
        options = step.options
        if not recordings:
            raise TrainingError("recordings: there are none to learn from")
        if options.patience and not held_out:
            raise TrainingError("patience: an early stop needs recordings that are held out")
        self.step = step
        self.progress = Progress()
        self.order = order_of(options, recordings)
        self._collate: Collate[Any, Batch] = collate  # of these recordings, whatever they are
        self._recordings: Sequence[Learnable] = tuple(recordings)
        self._held_out: Sequence[Learnable] = tuple(held_out)
        self.recipe = digest_of(options, [*recordings, *held_out], len(held_out), base)
        place, n_places = parallel.place()
        if options.n_passes % n_places:
            raise TrainingError(f"n_passes: {options.n_passes} cannot be shared by {n_places} processes")
        self._mine = slice(place, None, n_places)

    @property
    def is_done(self) -> bool:
        """Whether no update is left."""
        return self.progress.is_settled or self.progress.update >= self.order.n_updates

    def update(self) -> dict[str, float]:
        """The next update; its losses by name, with `held_out` among them after a look."""
        options, number = self.step.options, self.progress.update
        turn = self.order.turn(number)
        batches = [
            self._batch(lanes, f"{options.seed}:{number}:{index}") for index, lanes in enumerate(turn.passes)
        ]
        losses = self.step.update(batches[self._mine], number, turn.epoch)
        self.progress.update = number + 1
        if self._held_out and self.progress.update % options.look_every == 0:
            losses["held_out"] = self._look()
        return losses

    def snapshot(self) -> Snapshot:
        """Where it stands; the tensors are the training's own, so write them down before the next update."""
        weights = {f"weights/{name}": parameter.detach() for name, parameter in self.step.named.items()}
        optimiser = {f"optimiser/{name}": tensor for name, tensor in self.step.tensors().items()}
        return Snapshot(self.recipe, self.progress, weights | optimiser)

    def restore(self, snapshot: Snapshot) -> None:
        """Goes on from where a snapshot was taken.

        Raises:
            TrainingError: it was taken of another training.
        """
        if snapshot.recipe != self.recipe:
            raise TrainingError("the checkpoint is of other recordings, options or another base")
        tensors = snapshot.tensors
        with torch.no_grad():
            for name, parameter in self.step.named.items():
                parameter.copy_(tensors[f"weights/{name}"])
        prefix = "optimiser/"
        self.step.restore({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
        self.progress = snapshot.progress

    def _batch(self, lanes: Sequence[int], key: str) -> Batch:
        return self._collate(
            [self._recordings[index] for index in lanes], [f"{key}:{lane}" for lane in range(len(lanes))]
        )

    def _look(self) -> float:
        options = self.step.options
        n, keys = options.n_lanes, [f"{options.seed}:look:{features.name}" for features in self._held_out]
        batches = [self._collate(self._held_out[i : i + n], keys[i : i + n]) for i in range(0, len(keys), n)]
        loss = self.step.evaluate(batches)
        self.progress.looks.append((self.progress.update, loss))
        best = self.progress.best
        if options.patience and best is not None:
            looks_since = sum(1 for update, _ in self.progress.looks if update > best[0])
            self.progress.is_settled = looks_since >= options.patience
        return loss


def order_of(options: Options, recordings: Sequence[Learnable]) -> Order:
    """The order in which a training goes through these recordings."""
    return Order(
        tuple(features.n_frames for features in recordings),
        options.n_lanes,
        options.n_passes,
        options.epochs,
        options.seed,
        options.least_per_epoch,
    )


def digest_of(options: Options, recordings: Sequence[Learnable], n_held_out: int, base: str) -> str:
    """SHA-256 of all that decides what a training ends with."""
    digest = hashlib.sha256()
    plain = {"options": asdict(options), "kind": type(options).__name__, "base": base, "n": n_held_out}
    digest.update(json.dumps(plain, sort_keys=True).encode())
    for features in recordings:
        digest.update(f"{features.name}\0".encode())
        for of in fields(features)[1:]:
            tensor: Tensor | None = getattr(features, of.name)
            digest.update(b"-" if tensor is None else tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
