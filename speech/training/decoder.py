"""The update step of the decoder: a generator and the discriminators that judge it learn by turns.

As upstream's `s2_train.py` (commit 48b1a016). The posterior turns a recording's spectrogram into latents; the
generator makes sound of a crop of them; the flow takes them to where the prior, which knows only tokens,
phonemes and style, expects them. What the generator makes is compared with the recording. A training may
leave the discriminators out and compare spectra alone (`DecoderOptions.judged`, `windows`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from speech.errors import VoiceError
from speech.networks import decoder as speaking
from speech.networks import posterior
from speech.networks.config import DecoderConfig
from speech.networks.convnext import ConvNeXt
from speech.networks.decoder import Decoder
from speech.networks.discriminators import PERIODS_V2, PERIODS_V2PRO, Discriminators, Judgement
from speech.networks.encoder import Encoder
from speech.networks.generator import Block
from speech.networks.posterior import Posterior
from speech.networks.prior import Latents
from speech.networks.spectrogram import linear_spectrogram
from speech.networks.wavenet import WaveNet
from speech.networks.weights import load
from speech.training import losses, steps
from speech.training.batches import DecoderBatch
from speech.training.normed import restore_pairs, unfold
from speech.training.options import DecoderOptions
from speech.units import HOP

_BETAS, _EPSILON = (0.8, 0.99), 1e-9  # upstream's s2.json
_SLOW = ("decoder.prior.phoneme_embedding.", "decoder.prior.phoneme_encoder.", "decoder.prior.crossing.")


@dataclass(frozen=True, slots=True)
class Networks:
    """What is trained together, weight norm unfolded."""

    decoder: Decoder
    posterior: Posterior
    discriminators: Discriminators

    @classmethod
    def fresh(cls, config: DecoderConfig, discriminators: Discriminators | None = None) -> Networks:
        """Networks that have learnt nothing, of torch's own random weights: training from nothing.

        The discriminators are the published ones unless others are given.
        """
        networks = cls(
            Decoder(config), Posterior(config), discriminators or Discriminators(periods_of(config))
        )
        for network in (networks.decoder, networks.posterior, networks.discriminators):
            unfold(network)
        return networks

    @classmethod
    def of_upstream(
        cls,
        hparams: Mapping[str, object],
        tensors: Mapping[str, Tensor],
        judges: Mapping[str, Tensor] | None,
    ) -> Networks:
        """The networks of a base voice.

        Args:
            hparams: `config.model` of its `.pth`.
            tensors: `weight` of it, the posterior (`enc_q.*`) among them.
            judges: the discriminators', from the base's own file; None where it has none, and they begin
                with torch's own random weights, as upstream's do.

        Raises:
            VoiceError: a tensor is missing; the posterior's are in every voice that was fine-tuned upstream.
        """
        config = DecoderConfig.of_upstream(hparams, tensors)
        own = {name: tensor for name, tensor in tensors.items() if name.startswith("enc_q.")}
        if not own:
            raise VoiceError("the weights lack the posterior (enc_q.*): train from a base, not from a voice")
        networks = cls(
            Decoder(config),
            Posterior(config),
            Discriminators(periods_of(config), *([] if judges is None else [widest_of(judges)])),
        )
        for network, weights, names, unused in (
            (networks.decoder, tensors, speaking.UPSTREAM_NAMES, speaking.UPSTREAM_UNUSED),
            (networks.posterior, own, posterior.UPSTREAM_NAMES, ()),
            (networks.discriminators, judges, (), ()),
        ):
            if weights is not None:
                load(network, weights, names, unused=unused)
            unfold(network)
            if weights is not None:
                restore_pairs(network, weights, names)
        return networks


def periods_of(config: DecoderConfig) -> tuple[int, ...]:
    """The periods at which sound is judged; a voice with a speaker embedding (v2Pro) has two more."""
    return PERIODS_V2PRO if config.speaker_width else PERIODS_V2


def widest_of(judges: Mapping[str, Tensor]) -> int:
    """The channels of the discriminators' widest layer; the published ones have 1024.

    Raises:
        VoiceError: these are no discriminators.
    """
    try:
        return judges["discriminators.0.conv_post.weight_v"].shape[1]
    except KeyError as missing:
        raise VoiceError(f"the discriminators' weights lack {missing}") from None


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one pass made of a batch."""

    real: Tensor
    """The crops of the recordings, `[B, 1, n]`."""
    made: Tensor
    """What the generator made of them, `[B, 1, n]`."""
    mel: Tensor
    """The distance of their mel spectrograms."""
    divergence: Tensor


class DecoderStep:
    """Decoder, posterior and discriminators with their two optimisers."""

    def __init__(self, networks: Networks, options: DecoderOptions, n_updates: int | None = None) -> None:
        """Takes the networks over, on whatever device they are; the quantiser is frozen always.

        Args:
            networks: where nothing is judged, the discriminators are left alone.
            options: of the training.
            n_updates: all there will be; only a rate that is annealed has to know.
        """
        assert n_updates is not None or not options.anneal, "a rate that is annealed wants n_updates"
        self.options = options
        self.n_updates = n_updates
        self.networks = networks
        self.device = networks.decoder.quantiser.codebook.device
        networks.decoder.quantiser.requires_grad_(False)
        makers = {"decoder": networks.decoder, "posterior": networks.posterior}
        made_by = steps.trainable(makers, [f"decoder.{part}" for part in options.frozen])
        judged_by = steps.trainable({"discriminators": networks.discriminators}) if options.judged else {}
        self.named = made_by | judged_by
        self._maker = steps.AdamW(
            made_by,
            options,
            _BETAS,
            _EPSILON,
            slow=lambda name: name.startswith(_SLOW),
            slow_share=options.text_share,
        )
        self._judge = steps.AdamW(judged_by, options, _BETAS, _EPSILON) if options.judged else None
        if options.recompute:
            layers = (Block, ConvNeXt, WaveNet, Encoder)
            for network in makers.values():
                steps.recompute(part for part in network.modules() if isinstance(part, layers))

    def update(self, batches: Sequence[DecoderBatch], number: int, epoch: int) -> dict[str, float]:
        """One update of the discriminators and one of the rest; the losses, averaged over the batches.

        With several batches each is passed through the generator twice, because the discriminators must have
        learnt from all of them before the first is judged.

        Args:
            batches: this process's passes.
            number: of the update, from 0: how far the divergence has warmed up.
            epoch: from 0.
        """
        rate = self.rate_of(number, epoch)
        kept: Attempt | None = None
        judging: dict[str, float] = {}
        if self._judge is not None:
            summed = torch.zeros((), device=self.device)
            for batch in batches:
                with torch.set_grad_enabled(len(batches) == 1):
                    attempt = self.attempt(batch)
                kept = attempt if len(batches) == 1 else None
                with steps.precision(self.options, self.device):
                    real, made = self._judgements(attempt.real), self._judgements(attempt.made.detach())
                loss = losses.judging_loss(real, made) / len(batches)
                torch.autograd.backward(loss)
                summed += loss.detach()
            self._judge.step(rate)
            judging["judging"] = float(summed)

        sums: dict[str, Tensor] = {}
        self.networks.discriminators.requires_grad_(False)  # they only pass the gradient on
        for batch in batches:
            attempt = kept or self.attempt(batch)
            parts = self.losses_of(attempt)
            torch.autograd.backward(self.weigh(parts, number) / len(batches))
            for name, part in parts.items():
                sums[name] = sums.get(name, torch.zeros_like(part)) + part.detach() / len(batches)
        self.networks.discriminators.requires_grad_(True)
        norm = self._maker.step(rate)
        return judging | {name: float(part) for name, part in sums.items()} | {"gradient": norm}

    def rate_of(self, number: int, epoch: int) -> float:
        """The learning rate of update `number` in `epoch`, both from 0."""
        options = self.options
        rate = options.rate * options.decay**epoch
        if options.anneal and self.n_updates is not None:
            return rate * steps.half_cosine(number, options.warm_up, self.n_updates)
        return rate * min(1.0, (number + 1) / max(options.warm_up, 1))

    def weigh(self, parts: Mapping[str, Tensor], number: int) -> Tensor:
        """The generator's loss in update `number`, of its parts."""
        counted, warm_up = self.options.weights, self.options.divergence_warm_up
        warmth = min(1.0, number / warm_up) if warm_up else 1.0
        weights = {
            "adversarial": 1.0,
            "features": counted.features,
            "mel": counted.mel,
            "spectral": counted.spectral,
            "divergence": counted.divergence * warmth,
        }
        return torch.stack([weights[name] * part for name, part in parts.items()]).sum()

    def attempt(self, batch: DecoderBatch) -> Attempt:
        """Passes a batch through everything but the discriminators, with its own noise and crops."""
        batch = batch.to(self.device)
        width = self.networks.decoder.config.latent_width
        return self.attempt_with(batch, batch.noise(width), batch.crops(self.options.crop_frames))

    def attempt_with(self, batch: DecoderBatch, noise: Tensor, starts: Tensor) -> Attempt:
        """Likewise, with noise `[B, C, F]` and crops that begin at frames `int64[B]`."""
        networks, n = self.networks, self.options.crop_frames
        spectrogram = batch.spectrogram()
        seed = int(batch.seeds[0, 2])
        with steps.seeded(seed, self.device), steps.precision(self.options, self.device):
            style = networks.decoder.style(spectrogram, batch.n_frames, batch.speaker)  # [B, G]
            prior = expect(networks.decoder, batch, style)
            posterior: Latents = networks.posterior(spectrogram, batch.n_frames, style[:, :, None])
            z = posterior.sample(noise)
            flowed = networks.decoder.flow(z, posterior.valid, style[:, :, None])
            made = networks.decoder.generator(crop(z, starts, n), style[:, :, None])[:, None]
        real = crop(batch.sound[:, None], starts * HOP, n * HOP)
        made = made.float()
        return Attempt(
            real=real,
            made=made,
            mel=losses.mel_loss(
                crop(losses.log_mels(spectrogram), starts, n),
                losses.log_mels(linear_spectrogram(made[:, 0])),
            ),
            divergence=losses.divergence(flowed, posterior, prior),
        )

    @torch.no_grad()
    def evaluate(self, batches: Sequence[DecoderBatch]) -> float:
        """The mean mel distance of recordings it does not learn from."""
        return sum(float(self.attempt(batch).mel) for batch in batches) / len(batches)

    def tensors(self) -> dict[str, Tensor]:
        """The state of both optimisers."""
        return self._maker.tensors() | ({} if self._judge is None else self._judge.tensors())

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes over what `tensors` gave."""
        self._maker.restore(tensors)
        if self._judge is not None:
            self._judge.restore(tensors)

    def losses_of(self, attempt: Attempt) -> dict[str, Tensor]:
        """The generator's losses, unweighted."""
        parts: dict[str, Tensor] = {}
        if self._judge is not None:
            with steps.precision(self.options, self.device):
                with torch.no_grad():
                    real = self._judgements(attempt.real)
                made = self._judgements(attempt.made)
            parts["adversarial"] = losses.adversarial_loss(made)
            parts["features"] = losses.feature_loss(real, made)
        parts["mel"] = attempt.mel
        if self.options.windows:
            of_real, of_made = attempt.real[:, 0], attempt.made[:, 0]
            parts["spectral"] = losses.spectral_loss(of_real, of_made, self.options.windows)
        parts["divergence"] = attempt.divergence
        return parts

    def _judgements(self, sound: Tensor) -> list[Judgement]:
        judgements: list[Judgement] = self.networks.discriminators(sound)
        return judgements


def expect(decoder: Decoder, batch: DecoderBatch, style: Tensor) -> Latents:
    """The prior of a batch: what its tokens, phonemes and style lead to expect."""
    content = decoder.quantiser.stand_for(batch.tokens)
    content = content.repeat_interleave(decoder.config.content_stride, dim=2)  # [B, C, F]
    crossing = decoder.style.for_crossing(style)[:, :, None]
    latents: Latents = decoder.prior(content, batch.n_frames, batch.phonemes, batch.n_phonemes, crossing)
    return latents


def crop(x: Tensor, starts: Tensor, n: int) -> Tensor:
    """`n` places of each lane of `[B, C, T]`, from `starts[b]` on: `[B, C, n]`."""
    places = starts[:, None] + torch.arange(n, device=x.device)  # [B, n]
    return x.gather(2, places[:, None].expand(-1, x.shape[1], -1))
