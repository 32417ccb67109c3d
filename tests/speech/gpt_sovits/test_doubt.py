from __future__ import annotations

import numpy as np
import pytest

from speech.gpt_sovits.doubt import (
    Tokens,
    doubt_sound,
    doubt_tokens,
    find_loop,
    limit_tokens,
    longest_run,
)
from speech.units import SAMPLE_RATE
from speech.voice import Samples


def tokens_of(n: int, seed: int = 0) -> Tokens:
    return np.random.default_rng(seed).integers(0, 1024, n)


def sound_of(seconds: float, level: float = 0.1) -> Samples:
    noise = np.random.default_rng(0).standard_normal(round(seconds * SAMPLE_RATE))
    return (noise * level).clip(-1, 1).astype(np.float32)


@pytest.mark.parametrize("n_phonemes", [6, 20, 60, 200])
@pytest.mark.parametrize("tokens_per_phoneme", [1.4, 2.2, 4.0])
def test_usual_speech_raises_no_doubt(n_phonemes: int, tokens_per_phoneme: float) -> None:
    n = max(11, round(n_phonemes * tokens_per_phoneme))
    assert doubt_tokens(tokens_of(n), n_phonemes, is_ended=True) == ()
    assert n < limit_tokens(n_phonemes)
    assert doubt_sound(sound_of(n / 25)) == ()


def test_each_fault_of_tokens_is_named() -> None:
    assert doubt_tokens(tokens_of(400), 40, is_ended=True) == ("runs away: 16.0 s for 40 phonemes",)
    assert doubt_tokens(tokens_of(20), 40, is_ended=True) == ("ends early: 0.8 s for 40 phonemes",)
    assert doubt_tokens(tokens_of(80), 40, is_ended=False) == ("does not end within 3.2 s",)
    looped = np.concatenate([tokens_of(30), np.tile(tokens_of(8), 6)])
    assert doubt_tokens(looped, 40, is_ended=True) == ("loops for 1.9 s",)


def test_run_away_at_its_limit_is_doubted_for_both_reasons() -> None:
    limit = limit_tokens(40)
    assert len(doubt_tokens(tokens_of(limit), 40, is_ended=False)) == 2
    assert limit_tokens(10_000) == 1500


@pytest.mark.parametrize(("period", "times"), [(1, 30), (7, 6), (12, 4), (40, 3), (100, 3)])
def test_loop_is_found_whatever_its_period(period: int, times: int) -> None:
    looped = np.concatenate([tokens_of(40, 1), np.tile(tokens_of(period, 2), times), tokens_of(40, 3)])
    assert period * times <= find_loop(looped) <= period * times + 2


@pytest.mark.parametrize("tokens", [tokens_of(0), tokens_of(1), np.tile(tokens_of(60), 2), tokens_of(900)])
def test_what_is_said_twice_is_no_loop(tokens: Tokens) -> None:
    assert find_loop(tokens) == 0


def test_held_sound_shorter_than_a_second_is_no_loop() -> None:
    assert find_loop(np.concatenate([tokens_of(20), np.full(20, 486), tokens_of(20)])) == 0


def test_each_fault_of_a_sound_is_named() -> None:
    sound, pause = sound_of(1), sound_of(2, 1e-5)
    assert doubt_sound(np.concatenate([sound, pause, sound])) == ("silent for 2.0 s",)
    assert doubt_sound(sound_of(2, 1e-4)) == ("silent",)
    assert doubt_sound(np.where(sound > 0, 1, sound)) == ("clipped",)
    assert doubt_sound(np.where(sound > 0.2, np.nan, sound)) == ("not finite",)
    assert doubt_sound(np.zeros(0, np.float32)) == ("empty",)


def test_pause_of_slowed_speech_is_measured_at_its_own_pace() -> None:
    sound = np.concatenate([sound_of(1), sound_of(2, 1e-5), sound_of(1)])
    assert doubt_sound(sound, speed=0.5) == ()


def test_longest_run_counts_at_both_ends() -> None:
    flags = np.array([True, True, False, True, True, True])
    assert longest_run(flags) == 3
    assert longest_run(flags[:3]) == 2
    assert longest_run(~flags[:2]) == 0
    assert longest_run(flags[:0]) == 0
