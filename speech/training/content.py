"""The update step of a content encoder: say which phone each frame of a recording belongs to.

Cross-entropy frame by frame. The times of the phones are known (whoever made the sound tells them), so no
alignment has to be found on the way, as CTC would.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from speech.errors import TrainingError
from speech.networks.content import HOP, ContentEncoder
from speech.networks.masks import pad_lanes
from speech.noise import seed_of
from speech.training import parallel, steps
from speech.training.options import ContentOptions
from speech.training.trainer import Trainer, order_of

_BETAS, _EPSILON = (0.9, 0.98), 1e-8
_NO_CLASS = -100  # what cross-entropy passes over: frames past a lane's length
_FULL_SCALE = 32768


@dataclass(frozen=True, slots=True)
class PhoneFeatures:
    """A recording whose phones are known."""

    name: str
    """Which recording, for messages."""
    sound: Tensor
    """`int16[N]` at 16 kHz; it is kept as it came, because all of a corpus stays in memory."""
    classes: Tensor
    """`int64[F]`, F = N // 320: the phone in the middle of each frame."""

    @classmethod
    def of(cls, name: str, sound: Tensor, phones: Tensor, ends: Tensor) -> PhoneFeatures:
        """The features of sound `int16[N]` with phones `int64[P]` that end at samples `int64[P]`.

        Raises:
            TrainingError: the phones do not reach to the end of the last frame.
        """
        middles = torch.arange(len(sound) // HOP) * HOP + HOP // 2
        places = torch.searchsorted(ends, middles, right=True)  # a phone ends before the sample it is told to
        if not len(middles) or int(places[-1]) >= len(phones):
            raise TrainingError(f"{name}: {len(sound)} samples, but phones until {ends[-1:].tolist()}")
        return cls(name, sound, phones[places])

    @property
    def n_frames(self) -> int:
        """Frames that have a class."""
        return len(self.classes)


@dataclass(frozen=True, slots=True)
class PhoneBatch:
    """B recordings, or stretches of them."""

    sound: Tensor  # float[B, N], zeros past each lane's length
    n_samples: Tensor  # int64[B], whole frames
    classes: Tensor  # int64[B, F], -100 past it

    @classmethod
    def of(cls, lanes: Sequence[PhoneFeatures], keys: Sequence[str], crop_frames: int) -> PhoneBatch:
        """The recordings in one batch; of longer ones a stretch of `crop_frames`, drawn by the lane's key."""
        sounds, classes = [], []
        for lane, key in zip(lanes, keys, strict=True):
            n = min(crop_frames, lane.n_frames)
            start = seed_of(key)[0] % (lane.n_frames - n + 1)
            sounds.append(lane.sound[start * HOP : (start + n) * HOP].float() / _FULL_SCALE)
            classes.append(lane.classes[start : start + n] - _NO_CLASS)  # so that the filling, 0, is no class
        sound, n_samples = pad_lanes(sounds)
        return cls(sound, n_samples, pad_lanes(classes)[0] + _NO_CLASS)


class ContentStep:
    """A content encoder with its optimiser."""

    def __init__(self, encoder: ContentEncoder, options: ContentOptions, n_updates: int) -> None:
        """Takes the encoder over, on whatever device it is; `n_updates` are all there will be."""
        self.options = options
        self.encoder = encoder
        self.n_updates = n_updates
        self.named = steps.trainable({"": encoder}, options.frozen)
        self._device = encoder.classes_out.weight.device
        self._adam = steps.AdamW(self.named, options, _BETAS, _EPSILON)

    def update(self, batches: Sequence[PhoneBatch], number: int, epoch: int) -> dict[str, float]:
        """One update; the mean loss of a frame and the share of frames told right, over all its passes."""
        del epoch
        summed = torch.zeros(3, device=self._device)
        for batch in batches:
            loss, n_right, n_frames = self.losses_of(batch)
            torch.autograd.backward(loss)
            summed += torch.stack([loss.detach(), n_right, n_frames])
        total, n_right, n_frames = parallel.mean(summed)  # as the gradients are, over the processes
        norm = self._adam.step(self.rate_of(number), scale=1 / n_frames)
        return {"phone": float(total / n_frames), "right": float(n_right / n_frames), "gradient": norm}

    def rate_of(self, number: int) -> float:
        """The learning rate of update `number`, from 0: up in a straight line, down along half a cosine."""
        options = self.options
        return options.rate * steps.half_cosine(number, options.warm_up, self.n_updates)

    def losses_of(self, batch: PhoneBatch) -> tuple[Tensor, Tensor, Tensor]:
        """The loss of a batch summed over its frames, how many were told right, and how many there are."""
        classes = batch.classes.to(self._device)
        with steps.precision(self.options, self._device):
            features = self.encoder(batch.sound.to(self._device), batch.n_samples.to(self._device))
            logits = self.encoder.classify(features).float()  # [B, V, F]
        loss = F.cross_entropy(logits, classes, reduction="sum", ignore_index=_NO_CLASS)
        counts = classes != _NO_CLASS
        n_right = (logits.detach().argmax(dim=1) == classes).sum()
        return loss, n_right.to(loss.dtype), counts.sum().to(loss.dtype)

    @torch.no_grad()
    def evaluate(self, batches: Sequence[PhoneBatch]) -> float:
        """The mean loss of a frame in recordings it does not learn from."""
        told = [self.losses_of(batch) for batch in batches]
        return float(sum(loss for loss, _, _ in told) / sum(n for _, _, n in told))

    def tensors(self) -> dict[str, Tensor]:
        """The optimiser's state."""
        return self._adam.tensors()

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes over what `tensors` gave."""
        self._adam.restore(tensors)


def train_content(
    encoder: ContentEncoder,
    options: ContentOptions,
    recordings: Sequence[PhoneFeatures],
    held_out: Sequence[PhoneFeatures] = (),
) -> Trainer[PhoneBatch]:
    """A training of a content encoder.

    Raises:
        TrainingError: a recording has a phone the encoder has no class for; it is named.
    """
    n_classes = encoder.config.n_classes
    for features in (*recordings, *held_out):
        if int(features.classes.max()) >= n_classes:
            raise TrainingError(
                f"{features.name}: phone {int(features.classes.max())} is not below {n_classes}"
            )

    def collate(lanes: Sequence[PhoneFeatures], keys: Sequence[str]) -> PhoneBatch:
        return PhoneBatch.of(lanes, keys, options.crop_frames)

    step = ContentStep(encoder, options, order_of(options, recordings).n_updates)
    return Trainer(step, collate, recordings, held_out)
