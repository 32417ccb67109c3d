"""Whether the semantic model says the right phones: measured on tokens, so that no decoder is needed for it.

Each code is taken for the phone it stands for most often. Runs of one phone become one, silence is left out,
and what is left is compared with the phones that flite says it spoke. A narrator's own tokens, read in the
same way, show how much of what is wrong lies in the codes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from speech.decode import Pace, SemanticRequest, decode
from speech.networks.semantic import SemanticModel
from speech.sampling import TokenSampling
from speech.training.batches import SemanticBatch
from speech.training.losses import targets_of
from speech.training.semantic import hidden_states, states_before_targets
from starter.corpus import Entry
from starter.phones import PHONES, SILENCE
from starter.recogniser import Count, Hearing
from starter.semantic import TOKEN_SAMPLES, Sentence, alone

_N_LANES: Final = 16


@dataclass(frozen=True, slots=True)
class Foreseen:
    """How well the model foresees the tokens of sentences that it did not learn from."""

    n_tokens: int
    perplexity_of_codes: float
    """Of the codes alone, as often as each occurs: what nobody would need to know a text for."""
    perplexity: float
    """Of the next token, for the model."""
    right: float
    """Share of tokens that the model holds for the likeliest."""
    right_of_five: float
    """Share that is among the five likeliest."""


@dataclass(frozen=True, slots=True)
class Diction:
    """What sentences sound like in phones; counts are of phones."""

    ended: float
    """Share of sentences that the model ended by itself."""
    length: float
    """Tokens drawn for each token of the narrator."""
    spread: float
    """Mean departure of a sentence's length from the narrator's, as a share of it."""
    said: Count
    """Phones of the drawn tokens, beside those flite spoke."""
    of_narrator: Count
    """Phones of the narrator's own tokens, likewise."""

    def report(self) -> dict[str, object]:
        """As JSON has it; a phone error rate stands where a word error rate would."""
        return {
            "ended": round(self.ended, 4),
            "length": round(self.length, 4),
            "spread": round(self.spread, 4),
            "said": _of_phones(self.said),
            "of_narrator": _of_phones(self.of_narrator),
        }


def phones_of_codes(entries: Iterable[Entry], tokens: Mapping[str, Tensor], n_codes: int) -> Tensor:
    """The phone that each code stands for most often, `int64[V]`; silence for codes that never occur."""
    counts = torch.zeros(n_codes, len(PHONES), dtype=torch.int64)
    for entry in entries:
        codes = tokens[entry.name]
        middles = torch.arange(len(codes)) * TOKEN_SAMPLES + TOKEN_SAMPLES // 2
        places = torch.searchsorted(entry.spoken.ends, middles, right=True)
        places = places.clamp_max(len(entry.spoken.phones) - 1)
        counts.index_put_((codes, entry.spoken.phones[places]), torch.ones_like(codes), accumulate=True)
    return counts.argmax(dim=1)


def spell(phones: Tensor) -> list[str]:
    """Phones `[P]` by name: runs of one as one, without silence."""
    return [PHONES[phone] for phone in torch.unique_consecutive(phones).tolist() if phone != SILENCE]


@torch.inference_mode()
def foresee(model: SemanticModel, sentences: Sequence[Sentence]) -> Foreseen:
    """How well `model` foresees each sentence's tokens, without a prompt; there is at least one."""
    losses, ranks, tokens = [], [], []
    for sentence in sentences:
        batch = SemanticBatch.of([alone(sentence)], "", model.config.linguistic_width)
        prefix = batch.prefix
        targets = targets_of(prefix.tokens, prefix.n_tokens, model.config.end_token)[0]  # [S + 1]
        states = states_before_targets(hidden_states(model, prefix), prefix, len(targets))
        scores = model.head(states)[0].log_softmax(dim=1)  # [S + 1, V]
        of_target = scores.gather(1, targets[:, None])
        losses.append(-of_target[:, 0])
        ranks.append((scores > of_target).sum(dim=1))
        tokens.append(prefix.tokens[0])
    rank = torch.cat(ranks)
    shares = torch.bincount(torch.cat(tokens)).double() / sum(len(of) for of in tokens)
    return Foreseen(
        n_tokens=len(rank),
        perplexity_of_codes=float(torch.special.entr(shares).sum().exp()),
        perplexity=float(torch.cat(losses).mean().exp()),
        right=float((rank == 0).float().mean()),
        right_of_five=float((rank < 5).float().mean()),
    )


def measure(
    model: SemanticModel,
    sentences: Sequence[Sentence],
    spoken: Mapping[str, Tensor],
    prompts: Mapping[str, Sentence],
    code_phones: Tensor,
    sampling: TokenSampling,
) -> Diction:
    """What `model` makes of the sentences' phonemes.

    Args:
        model: the semantic model.
        sentences: to say; at least one.
        spoken: the phones of each by its name, `int64[P]`, as flite spoke them.
        prompts: a sentence by each narrator, for those that are to be said after a prompt.
        code_phones: `int64[V]`, of `phones_of_codes`.
        sampling: how tokens are drawn.
    """
    requests = (request_of(one, prompts.get(one.narrator), model, sampling) for one in sentences)
    takes = {take.key: take for take in decode(model, requests, Pace(_N_LANES))}
    ratios = torch.tensor([len(takes[one.name].tokens) / len(one.tokens) for one in sentences])
    said, own = [], []
    for one in sentences:
        phones = spell(spoken[one.name])
        said.append(Hearing.of(phones, spell(code_phones[takes[one.name].tokens])))
        own.append(Hearing.of(phones, spell(code_phones[one.tokens])))
    return Diction(
        ended=sum(take.is_ended for take in takes.values()) / len(takes),
        length=float(ratios.mean()),
        spread=float((ratios - 1).abs().mean()),
        said=Count.of(said),
        of_narrator=Count.of(own),
    )


def request_of(
    sentence: Sentence, prompt: Sentence | None, model: SemanticModel, sampling: TokenSampling
) -> SemanticRequest:
    """A sentence to be said, after a prompt or without."""
    before = [] if prompt is None else [prompt.phonemes]
    phonemes = torch.cat([*before, sentence.phonemes])
    return SemanticRequest(
        key=sentence.name,
        phonemes=phonemes,
        linguistic=torch.zeros(len(phonemes), model.config.linguistic_width),
        prompt=torch.zeros(0, dtype=torch.int64)
        if prompt is None
        else torch.cat([prompt.tokens, prompt.pause]),
        sampling=sampling,
    )


def _of_phones(count: Count) -> dict[str, object]:
    told = count.report()
    return {"phone_error_rate": told.pop("word_error_rate"), **told}
