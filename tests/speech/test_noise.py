from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from speech.noise import (
    SEED_WORDS,
    Stream,
    exponential,
    latent_noise,
    normal,
    philox,
    seed_of,
    token_noise,
    uniform,
    words,
)

WORD = st.integers(0, 2**32 - 1)


def one(*values: int) -> tuple[torch.Tensor, ...]:
    return tuple(torch.tensor([value]) for value in values)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_published_answers(
    counter: tuple[int, ...], key: tuple[int, int], expected: tuple[int, ...]
) -> None:
    """The known answers of Random123, the authors' own library."""
    k0, k1 = one(*key)
    assert tuple(int(word) for word in philox(one(*counter), (k0, k1))) == expected


@given(counter=st.tuples(WORD, WORD, WORD, WORD), key=st.tuples(WORD, WORD))
def test_philox_equals_the_paper_in_unbounded_integers(
    counter: tuple[int, ...], key: tuple[int, int]
) -> None:
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        (high0, low0), (high1, low1) = divmod(c0 * 0xD2511F53, 2**32), divmod(c2 * 0xCD9E8D57, 2**32)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    t0, t1 = one(*key)
    assert tuple(int(word) for word in philox(one(*counter), (t0, t1))) == (c0, c1, c2, c3)


def seeds(*keys: str) -> torch.Tensor:
    return torch.tensor([seed_of(key) for key in keys])


def test_lane_draws_the_same_alone_and_among_others() -> None:
    together = token_noise(seeds("a", "b", "c"), torch.tensor([[4], [0], [9]]), 50)
    alone = token_noise(seeds("b"), torch.tensor([[0]]), 50)
    assert torch.equal(together[1], alone[0])


def test_ticks_drawn_at_once_equal_ticks_drawn_one_by_one() -> None:
    at_once = token_noise(seeds("a"), torch.arange(8)[None], 21)
    one_by_one = [token_noise(seeds("a"), torch.tensor([[tick]]), 21) for tick in range(8)]
    assert torch.equal(at_once, torch.cat(one_by_one, dim=1))


def test_padding_does_not_change_a_frame() -> None:
    assert torch.equal(latent_noise(seeds("a"), 6, 90)[:, :, :40], latent_noise(seeds("a"), 6, 40))


def test_a_larger_vocabulary_begins_like_a_smaller() -> None:
    places = torch.tensor([[3]])
    many, few = (words(seeds("a"), Stream.TOKENS, places, n) for n in (1025, 7))
    assert torch.equal(many[:, :, :7], few)


def test_key_take_tick_and_stream_each_change_all() -> None:
    def noise(key: str = "a", take: int = 0, place: int = 0, stream: Stream = Stream.TOKENS) -> torch.Tensor:
        return words(torch.tensor([seed_of(key, take)]), stream, torch.tensor([[place]]), 64)

    variants = [noise(), noise(key="b"), noise(take=1), noise(place=1), noise(stream=Stream.LATENTS)]
    for i, first in enumerate(variants):
        for second in variants[:i]:
            assert not (first == second).any()


def test_seed_is_of_words() -> None:
    assert len(seed_of("a")) == SEED_WORDS
    assert all(0 <= word < 2**32 for word in seed_of("a", 3))
    assert seed_of("a", 11) != seed_of("1:a", 1)


def test_uniform_stays_inside_at_both_ends() -> None:
    ends = uniform(torch.tensor([0, 1, 2**32 - 2, 2**32 - 1]))
    assert (ends > 0).all()
    assert (ends < 1).all()
    assert torch.isfinite(exponential(torch.tensor([0, 2**32 - 1]))).all()
    assert (exponential(torch.tensor([0, 2**32 - 1])) > 0).all()


def test_noise_has_its_distribution() -> None:
    bits = words(seeds("a", "b"), Stream.LATENTS, torch.arange(50).expand(2, -1), 2000)  # 200,000 of them
    drawn, gaussian = exponential(bits), normal(bits)
    assert drawn.mean().item() == pytest.approx(1, abs=0.01)
    assert (drawn > 2).float().mean().item() == pytest.approx(torch.tensor(-2.0).exp().item(), abs=0.003)
    assert gaussian.mean().item() == pytest.approx(0, abs=0.01)
    assert gaussian.std().item() == pytest.approx(1, abs=0.01)
    assert (gaussian.abs() < 1).float().mean().item() == pytest.approx(0.6827, abs=0.005)
    pairs = torch.corrcoef(torch.stack([gaussian[..., 0::2].flatten(), gaussian[..., 1::2].flatten()]))
    assert abs(pairs[0, 1].item()) < 0.01
