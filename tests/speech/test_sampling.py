from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from speech.errors import SpeechError
from speech.sampling import Knobs, TokenSampling, draw, penalise, probabilities
from tests.speech.networks.golden import golden

CPU = torch.device("cpu")


def seen_of(ids: torch.Tensor, n_tokens: int) -> torch.Tensor:
    return torch.zeros(ids.shape[0], n_tokens, dtype=torch.bool).scatter_(1, ids, True)


def no_noise(*shape: int) -> torch.Tensor:
    return torch.ones(*shape)


def test_distribution_equals_upstreams_for_every_setting_in_one_batch() -> None:
    expected = golden("sampling")
    knobs = Knobs.of([TokenSampling(**settings, min_tokens=0) for settings in expected.config], CPU)
    seen = seen_of(expected["seen"], expected["logits"].shape[1])
    n_drawn = torch.full((seen.shape[0],), 20)
    found = probabilities(penalise(expected["logits"], seen, n_drawn, knobs), knobs)
    assert torch.equal(found == 0, expected["probabilities"] == 0)
    torch.testing.assert_close(found, expected["probabilities"], atol=1e-6, rtol=0)


def test_greedy_takes_the_likeliest_whatever_the_noise() -> None:
    logits = torch.tensor([[0.1, 3.0, 2.9, -1.0]])
    knobs = Knobs.of([TokenSampling(top_k=1, repetition_penalty=1)], CPU)
    for seed in range(20):
        noise = torch.empty(1, 4).exponential_(generator=torch.Generator().manual_seed(seed))
        token, is_end = draw(logits, torch.zeros(1, 4, dtype=torch.bool), torch.tensor([50]), knobs, noise)
        assert (token.tolist(), is_end.tolist()) == ([1], [False])


def test_penalty_lowers_tokens_that_have_occurred_once_each() -> None:
    logits = torch.tensor([[2.0, -2.0, 1.0, 0.0]])
    knobs = Knobs.of([TokenSampling(repetition_penalty=2)], CPU)
    seen = torch.tensor([[True, True, False, False]])
    assert penalise(logits, seen, torch.tensor([50]), knobs).tolist() == [[1.0, -4.0, 1.0, 0.0]]


def test_top_p_drops_the_token_that_crosses_it() -> None:
    """Upstream has no shift by one: of 0.5, 0.3, 0.2 a top-p of 0.7 keeps the first alone."""
    logits = torch.tensor([[0.5, 0.3, 0.2]]).log()
    knobs = Knobs.of([TokenSampling(top_p=0.7)], CPU)
    assert probabilities(logits, knobs).tolist() == [[1.0, 0.0, 0.0]]


def test_top_p_is_measured_before_temperature() -> None:
    """At temperature 0.1 the first would have nearly all; measured before, 0.9 keeps two."""
    logits = torch.tensor([[0.5, 0.3, 0.2]]).log()
    knobs = Knobs.of([TokenSampling(top_p=0.9, temperature=0.1)], CPU)
    assert (probabilities(logits, knobs) > 0).tolist() == [[True, True, False]]


def test_top_k_keeps_ties_with_the_last() -> None:
    knobs = Knobs.of([TokenSampling(top_k=2)], CPU)
    assert (probabilities(torch.tensor([[3.0, 1.0, 1.0, 0.0]]), knobs) > 0).tolist() == [
        [True, True, True, False]
    ]


def test_end_token_waits_for_the_fewest_tokens() -> None:
    logits = torch.tensor([[0.0, 1.0, 9.0]]).expand(2, -1)
    knobs = Knobs.of([TokenSampling(top_k=1)] * 2, CPU)
    seen = torch.zeros(2, 3, dtype=torch.bool)
    token, is_end = draw(logits, seen, torch.tensor([10, 11]), knobs, no_noise(2, 3))
    assert (token.tolist(), is_end.tolist()) == ([1, 2], [False, True])


def test_lane_ends_when_the_end_token_is_likeliest_though_another_is_drawn() -> None:
    logits = torch.tensor([[0.0, 0.5, 1.0]])
    noise = torch.tensor([[1.0, 0.01, 1.0]])
    knobs = Knobs.of([TokenSampling()], CPU)
    token, is_end = draw(logits, torch.zeros(1, 3, dtype=torch.bool), torch.tensor([30]), knobs, noise)
    assert (token.tolist(), is_end.tolist()) == ([1], [True])


@given(
    st.lists(
        st.builds(
            TokenSampling,
            top_k=st.integers(1, 40),
            top_p=st.floats(0, 1),
            temperature=st.floats(0, 3),
            repetition_penalty=st.floats(0.5, 3),
        ),
        min_size=2,
        max_size=4,
    ),
    st.integers(0, 2**20),
)
def test_settings_of_a_lane_do_not_touch_its_neighbours(lanes: list[TokenSampling], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(len(lanes), 30, generator=generator) * 3
    seen = torch.rand(len(lanes), 30, generator=generator) < 0.3
    noise = torch.empty(len(lanes), 30).exponential_(generator=generator)
    n_drawn = torch.randint(0, 30, (len(lanes),), generator=generator)
    token, is_end = draw(logits, seen, n_drawn, Knobs.of(lanes, CPU), noise)
    for i, lane in enumerate(lanes):
        row = slice(i, i + 1)
        alone = draw(logits[row], seen[row], n_drawn[row], Knobs.of([lane], CPU), noise[row])
        assert (token[i], is_end[i]) == (alone[0][0], alone[1][0])


def test_race_draws_each_token_with_its_probability() -> None:
    n = 40_000
    logits = torch.tensor([[math.log(0.6), math.log(0.3), math.log(0.1)]]).expand(n, -1)
    noise = torch.empty(n, 3).exponential_(generator=torch.Generator().manual_seed(1))
    knobs = Knobs.of([TokenSampling()] * n, CPU)
    token, _ = draw(logits, torch.zeros(n, 3, dtype=torch.bool), torch.full((n,), 30), knobs, noise)
    shares = torch.bincount(token, minlength=3) / n
    torch.testing.assert_close(shares, torch.tensor([0.6, 0.3, 0.1]), atol=0.01, rtol=0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("top_k", 0),
        ("top_p", 1.1),
        ("top_p", math.nan),
        ("temperature", -0.1),
        ("repetition_penalty", 0),
        ("max_tokens", 0),
    ],
)
def test_impossible_setting_is_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(SpeechError, match=field):
        TokenSampling(**{field: value})  # type: ignore[arg-type]  # numbers, by name
