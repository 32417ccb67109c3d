from __future__ import annotations

import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from book.errors import MasteringError
from book.pauses import Pauses
from book.sound import Source
from book.track import LEAD_SECONDS, TRAIL_SECONDS, Spoken, audible, join
from tests.book.speaking import RATE, chapter, speech, takes, whole


def tone(seconds: float, before: float = 0.0, after: float = 0.0, amplitude: float = 0.5) -> np.ndarray:
    n = round(seconds * RATE)
    samples = amplitude * np.sin(2 * np.pi * 220 * np.arange(n) / RATE)
    return np.pad(samples, (round(before * RATE), round(after * RATE))).astype(np.float32)


def gaps(samples: np.ndarray) -> list[float]:
    """Lengths in seconds of the stretches below -60 dBFS that are longer than 20 ms."""
    loud = np.flatnonzero(np.abs(samples) > 1e-3)
    return [float(gap) / RATE for gap in np.diff(loud) if gap > 0.02 * RATE]


@pytest.mark.parametrize("boundary", ["clause", "sentence", "paragraph", "heading", "break"])
def test_join_makes_the_pause_its_boundary_asks_for_whatever_silence_the_takes_bring(
    tmp_path: Path, boundary: str
) -> None:
    pauses = Pauses()
    spoken = [
        Spoken(tone(0.5), boundary, "bare"),
        Spoken(tone(0.5, before=0.7, after=0.9), boundary, "padded"),
        Spoken(tone(0.5, before=0.01, after=0.02), boundary, "barely padded"),
        Spoken(tone(0.5), boundary, "bare"),
    ]
    join(spoken, sample_rate=RATE, pauses=pauses, path=tmp_path / "track.flac")
    assert gaps(whole(tmp_path / "track.flac")) == pytest.approx([pauses.after(boundary)] * 3, abs=0.011)


def test_join_times_each_cue_where_its_sound_is(tmp_path: Path) -> None:
    cues = chapter(tmp_path / "track.flac", 6)
    samples = whole(tmp_path / "track.flac")
    assert cues[0].start_seconds == 0
    assert cues[-1].end_seconds == pytest.approx(samples.size / RATE)
    for cue, following in pairwise(cues):
        between = samples[round(cue.end_seconds * RATE) : round(following.start_seconds * RATE)]
        assert between.size > 0.3 * RATE
        assert not between.any(), "a pause is digital silence"
        spoken = samples[round(cue.start_seconds * RATE) : round(cue.end_seconds * RATE)]
        assert np.abs(spoken).max() > 0.1
    assert [cue.text for cue in cues] == [f"Sentence {n}." for n in range(1, 7)]
    assert cues[0].boundary == "sentence"


def test_join_keeps_every_audible_sample_as_it_was(tmp_path: Path) -> None:
    take = tone(1.0, before=0.5, after=0.5)
    join([Spoken(take, "sentence", "x")], sample_rate=RATE, path=tmp_path / "track.flac")
    samples = whole(tmp_path / "track.flac")
    lead, trail = round(LEAD_SECONDS * RATE), round(TRAIL_SECONDS * RATE)
    kept = samples[lead : samples.size - trail]
    first, end = audible(take, RATE)
    np.testing.assert_allclose(kept, take[first:end], atol=2**-23)


def test_audible_does_not_cut_a_soft_fricative_before_a_loud_vowel() -> None:
    random = np.random.default_rng(3)
    fricative = 0.004 * random.standard_normal(round(0.12 * RATE))  # 40 dB below the vowel
    take = np.concatenate((np.zeros(RATE // 2), fricative, tone(0.3, amplitude=0.6))).astype(np.float32)
    first, _ = audible(take, RATE)
    assert first == pytest.approx(RATE // 2, abs=0.005 * RATE)


def test_audible_leaves_a_take_alone_whose_noise_is_loud() -> None:
    random = np.random.default_rng(4)
    noisy = (tone(0.5, before=0.4, after=0.4) + 0.01 * random.standard_normal(round(1.3 * RATE))).astype(
        np.float32
    )
    assert audible(noisy, RATE) == (0, noisy.size)


def test_join_leaves_no_step_where_a_take_begins_or_ends_within_sound(tmp_path: Path) -> None:
    abrupt = (0.5 * np.ones(RATE)).astype(np.float32)
    join([Spoken(abrupt, "sentence", "x")] * 2, sample_rate=RATE, path=tmp_path / "track.flac")
    assert np.abs(np.diff(whole(tmp_path / "track.flac"))).max() < 0.01


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.zeros(0, np.float32), "the take is empty"),
        (np.zeros(RATE, np.float32), "the take is silent"),
        (np.array([0.1, np.nan, 0.1], np.float32), "not finite"),
        (np.array([0.1, np.inf], np.float32), "not finite"),
        (np.full(RATE, 1.5, np.float32), r"peaks at \+3.52 dBFS"),
        (np.full((2, RATE), 0.5, np.float32), "2 axes"),
    ],
)
def test_join_names_the_utterance_whose_take_is_no_sound(
    tmp_path: Path, samples: np.ndarray, words: str
) -> None:
    path = tmp_path / "track.flac"
    spoken = [Spoken(speech(1.0), "sentence", "Fine."), Spoken(samples, "sentence", "Broken words.")]
    with pytest.raises(MasteringError, match=rf"utterance 2 \('Broken words\.'\): .*{words}"):
        join(spoken, sample_rate=RATE, path=path)
    assert not path.exists()


def test_join_refuses_a_chapter_without_takes(tmp_path: Path) -> None:
    with pytest.raises(MasteringError, match="no take"):
        join([], sample_rate=RATE, path=tmp_path / "track.flac")
    assert not (tmp_path / "track.flac").exists()


def test_join_takes_full_scale_and_very_short_takes(tmp_path: Path) -> None:
    clipped = np.clip(3 * tone(0.5), -1, 1).astype(np.float32)
    spoken = [
        Spoken(clipped, "sentence", "loud"),
        Spoken(np.array([0.2], np.float32), "sentence", "one sample"),
    ]
    cues = join(spoken, sample_rate=RATE, path=tmp_path / "track.flac")
    assert len(cues) == 2
    assert np.abs(whole(tmp_path / "track.flac")).max() == pytest.approx(1, abs=1e-6)


def test_join_gives_the_same_bytes_again(tmp_path: Path) -> None:
    for name in ("one", "two"):
        chapter(tmp_path / name, 5)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_join_writes_24_bits(tmp_path: Path) -> None:
    quiet = tone(0.5, amplitude=2.0**-18)  # less than one step of 16 bits
    join([Spoken(quiet, "sentence", "x")], sample_rate=RATE, path=tmp_path / "track.flac")
    samples = whole(tmp_path / "track.flac")
    assert np.abs(samples).max() == pytest.approx(2.0**-18, rel=0.05)
    assert Source.open(tmp_path / "track.flac").sample_rate == RATE


def test_join_holds_one_take_at_a_time(tmp_path: Path) -> None:
    peaks = []
    for n in (10, 80):
        tracemalloc.start()
        join(takes(n, seconds=2.0), sample_rate=RATE, path=tmp_path / "track.flac")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 2_000_000  # 70 takes more would be 20 MB
