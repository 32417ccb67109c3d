"""The update step of the semantic model: at each place of a recording, say its next token.

As upstream's `t2s_model.py` (commit 48b1a016), with two of its faults mended: its padding mask is made for
lanes filled up on the left while they are filled up on the right, and places past a lane's end count as
targets. Here the loss of a batch is the sum of its lanes' losses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from speech.errors import TrainingError
from speech.networks.semantic import Block, Prefix, SemanticModel
from speech.training import losses, parallel, steps
from speech.training.batches import SemanticBatch
from speech.training.lora import adapt
from speech.training.options import SemanticOptions

_BETAS, _EPSILON = (0.9, 0.95), 1e-8  # upstream's betas


class SemanticStep:
    """The semantic model with its optimiser."""

    def __init__(self, model: SemanticModel, options: SemanticOptions, n_updates: int = 0) -> None:
        """Takes the model over, on whatever device it is; with a rank, its adapters are what is trained.

        Args:
            model: the semantic model.
            options: how it is trained.
            n_updates: all there will be; a rate that falls after its warm-up needs to know.

        Raises:
            TrainingError: the warm-up leaves no update to learn in.
        """
        if options.warm_up and options.warm_up >= n_updates:
            raise TrainingError(f"warm_up: {options.warm_up} updates of {n_updates} leave none to learn in")
        self.options = options
        self.n_updates = n_updates
        self.model = model
        if options.adapter_rank:
            adapt(model, options.adapter_rank, options.seed)
        self.device = model.head.weight.device
        self.named = steps.trainable({"": model}, options.frozen)
        self._adam = steps.AdamW(self.named, options, _BETAS, _EPSILON)

    def update(self, batches: Sequence[SemanticBatch], number: int, epoch: int) -> dict[str, float]:
        """One update; the loss of a token, averaged over all the passes of the update."""
        del epoch
        summed = torch.zeros(2, device=self.device)
        for batch in batches:
            loss, n_targets = self.loss(batch, self.options.dropout, self.options.replaced)
            torch.autograd.backward(loss)
            summed += torch.stack([loss.detach(), n_targets.to(loss.dtype)])
        total, n_tokens = parallel.mean(summed)  # the gradients are averaged over the processes likewise
        norm = self._adam.step(self.rate_of(number), scale=1 / n_tokens)
        return {"token": float(total / n_tokens), "gradient": norm}

    def rate_of(self, number: int) -> float:
        """The learning rate of update `number`, from 0; without a warm-up it stays, as upstream's does."""
        rate, warm_up = self.options.rate, self.options.warm_up
        return rate * steps.half_cosine(number, warm_up, self.n_updates) if warm_up else rate

    def loss(
        self, batch: SemanticBatch, dropout: float = 0.0, replaced: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """The loss of a batch, summed over its targets, and how many these are."""
        batch = batch.to(self.device)
        prefix, end_token = batch.prefix, self.model.config.end_token
        targets = losses.targets_of(prefix.tokens, prefix.n_tokens, end_token)
        with steps.seeded(batch.seed, self.device), steps.precision(self.options, self.device):
            if replaced:
                prefix = replace(prefix, tokens=replace_some(prefix.tokens, replaced, end_token))
            x = hidden_states(self.model, prefix, dropout, is_forgetful=self.options.recompute)
            logits = self.model.head(states_before_targets(x, prefix, targets.shape[1]))
        return losses.token_loss(logits, targets), losses.count_targets(targets)

    @torch.no_grad()
    def evaluate(self, batches: Sequence[SemanticBatch]) -> float:
        """The mean loss of a token in recordings it does not learn from."""
        pairs = [self.loss(batch) for batch in batches]
        return float(sum(loss for loss, _ in pairs) / sum(n for _, n in pairs))

    def tensors(self) -> dict[str, Tensor]:
        """The optimiser's state."""
        return self._adam.tensors()

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes over what `tensors` gave."""
        self._adam.restore(tensors)


def hidden_states(
    model: SemanticModel, prefix: Prefix, dropout: float = 0.0, *, is_forgetful: bool = False
) -> Tensor:
    """Hidden states of phonemes and tokens, `[B, T, D]`: what `model(prefix)` gives, with dropout."""
    x, order = model.embed(prefix)
    x = F.dropout(x, dropout)
    visible = model.visible(prefix, order.shape[1])
    for block in model.blocks:
        if is_forgetful:
            x = checkpoint(run_block, block, x, visible, dropout, use_reentrant=False)
        else:
            x = run_block(block, x, visible, dropout)
    return x


def run_block(block: Block, x: Tensor, visible: Tensor, dropout: float) -> Tensor:
    """`Block` as training needs it: with dropout in its four places. Without, it is `Block.finish`."""
    q, k, v = block.project(x)
    attended = attend(q, k, v, visible, dropout)
    x = block.norm_1(x + F.dropout(block.out(attended.transpose(1, 2).flatten(2)), dropout))  # [B, T, D]
    inner = F.dropout(F.relu(block.expand(x)), dropout)
    y: Tensor = block.norm_2(x + F.dropout(block.contract(inner), dropout))
    return y


def replace_some(tokens: Tensor, share: float, n_tokens: int) -> Tensor:
    """Tokens `[B, S]` of which a share is drawn anew from `n_tokens`, by torch's global state."""
    is_replaced = torch.rand(tokens.shape, device=tokens.device) < share
    return torch.where(is_replaced, torch.randint_like(tokens, n_tokens), tokens)


def attend(q: Tensor, k: Tensor, v: Tensor, visible: Tensor, dropout: float) -> Tensor:
    """What `q` `[B, H, T, K]` sees of keys and values, `[B, H, T, K]`.

    In bfloat16 on a CPU with three plain operations: torch's own kernel, there and back, takes twice as long
    (lanes of 150 and of 300 places, avx512_bf16).
    """
    if q.device.type != "cpu" or q.dtype != torch.bfloat16:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=visible, dropout_p=dropout)
    hidden = torch.zeros_like(visible, dtype=q.dtype).masked_fill_(~visible, -math.inf)  # [B, 1, T, T]
    scores = (q * q.shape[3] ** -0.5) @ k.transpose(2, 3) + hidden  # [B, H, T, T]
    return F.dropout(scores.softmax(dim=3), dropout) @ v


def states_before_targets(x: Tensor, prefix: Prefix, n_targets: int) -> Tensor:
    """The states that say a lane's tokens and its end, `[B, S + 1, D]`: from its last phoneme on."""
    places = (prefix.n_phonemes - 1)[:, None] + torch.arange(n_targets, device=x.device)  # [B, S + 1]
    places = places.clamp_max(x.shape[1] - 1)  # past a lane's end nothing is asked
    return x.gather(1, places[:, :, None].expand(-1, -1, x.shape[2]))
