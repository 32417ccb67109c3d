"""How a voice is trained, as frozen dataclasses. Plain defaults are upstream's; every option is off."""

from __future__ import annotations

from dataclasses import dataclass, field

from speech.errors import TrainingError

_LEAST_WINDOW = 64  # samples; 2 ms


@dataclass(frozen=True, slots=True, kw_only=True)
class LossWeights:
    """What each of the generator's losses counts beside the adversarial one."""

    features: float = 2.0
    mel: float = 45.0
    divergence: float = 1.0
    spectral: float = 15.0
    """Of the spectral losses, where `DecoderOptions.windows` asks for any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What both trainings have in common."""

    seed: int = 1234
    epochs: int
    n_lanes: int
    """Recordings in one pass."""
    n_passes: int = 1
    """Passes whose gradients are added up before an update (accumulation), over all processes together."""
    least_per_epoch: int = 100
    """Recordings of an epoch; where there are fewer, it goes through them several times."""
    rate: float = 1e-4
    """The learning rate."""
    ceiling: float | None = None
    """Norm that the gradient of an update is scaled down to; None leaves it alone, as upstream does."""
    bf16: bool = False
    """Mixed precision: passes in bfloat16 where that is safe, weights and losses in float32."""
    recompute: bool = False
    """Forget what layers computed and compute it again on the way back: less memory, more time."""
    fused: bool = False
    """One kernel for all of an optimiser's work."""
    frozen: tuple[str, ...] = ()
    """Parts that keep their weights: beginnings of the network's names, such as `prior.phoneme_encoder`."""
    look_every: int = 20
    """Updates between two looks at the held-out recordings."""
    patience: int = 0
    """Looks that may pass without a lower loss before the training ends early; 0: it runs its epochs."""

    def __post_init__(self) -> None:
        """Refuses numbers that mean nothing.

        Raises:
            TrainingError: the message names the field.
        """
        for name in ("epochs", "n_lanes", "n_passes", "least_per_epoch", "look_every"):
            if getattr(self, name) < 1:
                raise TrainingError(f"{name}: {getattr(self, name)} is less than 1")
        if self.patience < 0:
            raise TrainingError(f"patience: {self.patience} is less than 0")
        if not self.rate > 0:
            raise TrainingError(f"rate: {self.rate} is not above 0")
        if self.ceiling is not None and not self.ceiling > 0:
            raise TrainingError(f"ceiling: {self.ceiling} is not above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderOptions(Options):
    """The decoder's training. Upstream: 8 epochs, as many lanes as half the GPU's gigabytes."""

    epochs: int = 8
    n_lanes: int = 8
    text_share: float = 0.4
    """The learning rate of what reads phonemes, as a share of `rate` (upstream's text_low_lr_rate)."""
    decay: float = 0.999875
    """What the learning rate is multiplied by after each epoch."""
    crop_frames: int = 32
    """Frames of each recording that are made sound; 20,480 samples."""
    jitter_samples: int = 0
    """Recordings begin up to so many samples later than their tokens, anew in each update."""
    divergence_warm_up: int = 0
    """Updates until the divergence counts in full, from 0 on in a straight line."""
    weights: LossWeights = field(default_factory=LossWeights)
    judged: bool = True
    """Whether discriminators judge what is made, and learn to. Without them a vocoder learns to be understood
    in a fraction of the time; an iSTFT head does, a HiFi-GAN buzzes."""
    windows: tuple[int, ...] = ()
    """Samples under each window of `losses.spectral_loss`; none: the mel distance alone."""
    warm_up: int = 0
    """Updates until the rate is reached, from 0 on in a straight line."""
    anneal: bool = False
    """Let the rate fall along half a cosine to 0 at the end, beside what `decay` does."""

    def __post_init__(self) -> None:
        """Refuses numbers that mean nothing.

        Raises:
            TrainingError: the message names the field.
        """
        super(
            DecoderOptions, self
        ).__post_init__()  # a class with slots is made twice; super() knows the first
        for window in self.windows:
            if window < _LEAST_WINDOW or window % 4:
                raise TrainingError(f"windows: {window} is no multiple of 4 from {_LEAST_WINDOW} on")
        if self.warm_up < 0:
            raise TrainingError(f"warm_up: {self.warm_up} is less than 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class SemanticOptions(Options):
    """The semantic model's training. Upstream: 15 epochs, 4 passes to an update."""

    epochs: int = 15
    n_lanes: int = 8
    n_passes: int = 4
    dropout: float = 0.1
    """In every block and after the positions, as upstream has it."""
    adapter_rank: int = 0
    """Train adapters of this rank and leave the model's own weights alone; 0: train the weights."""
    warm_up: int = 0
    """Updates until the rate is reached, from 0 on in a straight line; then it falls along half a cosine.
    0: it stays what it is, as upstream's does."""
    replaced: float = 0.0
    """Share of the tokens it reads, not of those it should say, that are replaced by others at random: it
    learns to heed the phonemes, and to go on after a slip of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentOptions(Options):
    """The content encoder's training."""

    epochs: int = 20
    n_lanes: int = 24
    rate: float = 2e-3
    ceiling: float | None = 1.0
    warm_up: int = 100
    """Updates until the rate is reached, from 0 on in a straight line; then it falls along half a cosine."""
    crop_frames: int = 100
    """Frames of each recording that a pass reads, anew each time: two seconds."""
