"""Of one pass; what the decode loop makes of it is in `test_decode`."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from speech.networks.cache import KVCache
from speech.networks.semantic import Prefix
from tests.speech.networks.networks import SEMANTIC, semantic_model, semantic_requests


def prefix_of(*indexes: int) -> Prefix:
    requests = [semantic_requests(9)[i] for i in indexes]
    return Prefix.of(
        [request.phonemes for request in requests],
        [request.linguistic for request in requests],
        [request.prompt for request in requests],
    )


@given(st.permutations(range(9)), st.integers(1, 9))
@settings(max_examples=20, deadline=None)
@torch.inference_mode()
def test_padding_does_not_change_a_lane(order: list[int], n: int) -> None:
    model, chosen = semantic_model(), order[:n]
    together, lengths = model(prefix_of(*chosen)), prefix_of(*chosen).lengths.tolist()
    for lane, index in enumerate(chosen):
        alone = model(prefix_of(index))[0]
        torch.testing.assert_close(together[lane, : lengths[lane]], alone, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_what_fills_the_padding_does_not_matter() -> None:
    model, prefix = semantic_model(), prefix_of(0, 1, 2, 3)
    expected = model(prefix)
    for lane in range(4):
        prefix.phonemes[lane, prefix.n_phonemes[lane] :] = 7
        prefix.linguistic[lane, prefix.n_phonemes[lane] :] = 99
        prefix.tokens[lane, prefix.n_tokens[lane] :] = 5
    found = model(prefix)
    for lane, length in enumerate(prefix.lengths.tolist()):
        assert torch.equal(found[lane, :length], expected[lane, :length])


@torch.inference_mode()
def test_later_tokens_do_not_move_earlier_ones_but_phonemes_move_all() -> None:
    model, request = semantic_model(), semantic_requests(1)[0]
    n = len(request.phonemes)

    def hidden(phonemes: torch.Tensor, tokens: list[int]) -> torch.Tensor:
        states: torch.Tensor = model(Prefix.of([phonemes], [request.linguistic], [torch.tensor(tokens)]))
        return states[0]

    before = hidden(request.phonemes, [1, 2, 3])
    after = hidden(request.phonemes, [1, 2, 9])
    torch.testing.assert_close(after[: n + 2], before[: n + 2])
    assert not torch.allclose(after[n + 2], before[n + 2])
    changed = request.phonemes.clone()
    changed[-1] = (changed[-1] + 1) % SEMANTIC.n_phonemes
    assert not torch.isclose(hidden(changed, [1, 2, 3]), before).all(dim=1).any()


@torch.inference_mode()
def test_ticks_equal_one_pass_over_the_whole_row() -> None:
    model, request = semantic_model(), semantic_requests(1)[0]
    n, tokens = len(request.phonemes), torch.tensor([4, 4, 17, 3, 0])
    whole = model.head(model(Prefix.of([request.phonemes], [request.linguistic], [tokens])))[0, n:]
    cache = KVCache.empty(SEMANTIC, 1, 40, torch.zeros(1), poison=True)
    first = Prefix.of([request.phonemes], [request.linguistic], [tokens[:1]])
    logits = [model.prefill(first, cache, torch.tensor([0]))]
    for i in range(1, 5):
        logits += [model.tick(tokens[i : i + 1], torch.tensor([i]), torch.tensor([n + i]), cache, [32])]
    torch.testing.assert_close(torch.cat(logits), whole, atol=1e-5, rtol=1e-5)
