from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from mutagen.mp3 import MP3, BitrateMode

from book.encode import DELIVERIES, TRACK_ENCODING, Format
from book.errors import MasteringError
from book.loudness import SILENCE_DB, measure
from book.master import Mastered, Part, faults_of, master, parts
from book.profiles import ACX, EBU_R128, NONE, PODCAST, PROFILES, Profile, profile_named
from book.sound import Source, Writer
from book.tags import Tags
from book.track import Cue, Spoken, join
from tests.book.speaking import RATE, blocks_of, chapter, speech, whole


@pytest.fixture(scope="module")
def track(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("track") / "track.flac"
    chapter(path, 4)
    return path


def lossless(path: Path, samples: np.ndarray) -> Path:
    with Writer(path, TRACK_ENCODING, RATE) as writer:
        for block in blocks_of(samples.astype(np.float32)):
            writer.write(block)
    return path


def mastered(track: Path, folder: Path, profile: Profile, format: Format) -> Mastered:
    return master(track, profile=profile, format=format, path=folder / f"x{DELIVERIES[format].suffix}")


@pytest.mark.parametrize("format", list(Format))
@pytest.mark.parametrize("profile", [ACX, PODCAST, EBU_R128], ids=lambda profile: profile.name)
def test_master_meets_its_profile_in_every_format(
    track: Path, tmp_path: Path, profile: Profile, format: Format
) -> None:
    made = mastered(track, tmp_path, profile, format)
    encoded = Source.open(made.path)
    again = measure(encoded.blocks(), encoded.sample_rate)
    assert faults_of(again, profile) == []
    assert replace(again, voice_floor_dbfs=0) == replace(made.figures, voice_floor_dbfs=0)
    level = again.rms_dbfs if profile is ACX else again.integrated_lufs
    assert level == pytest.approx(profile.target, abs=0.45)
    assert (
        encoded.sample_rate == made.sample_rate == (48_000 if format is Format.OPUS else profile.sample_rate)
    )
    assert made.duration_seconds == pytest.approx(again.duration_seconds)
    assert made.n_bytes == made.path.stat().st_size


def test_acx_mp3_is_what_acx_asks_for(track: Path, tmp_path: Path) -> None:
    made = mastered(track, tmp_path, ACX, Format.MP3)
    file = MP3(made.path)
    assert (file.info.bitrate, file.info.bitrate_mode) == (192_000, BitrateMode.CBR)
    assert (file.info.sample_rate, file.info.channels) == (44_100, 1)
    assert -23 <= made.figures.rms_dbfs <= -18
    assert made.figures.peak_dbfs <= -3
    assert made.figures.noise_floor_dbfs <= -60
    assert 0.5 <= made.figures.head_seconds <= 1
    assert 1 <= made.figures.tail_seconds <= 5


@pytest.mark.parametrize("format", [Format.FLAC, Format.WAV])
def test_none_changes_no_sample(track: Path, tmp_path: Path, format: Format) -> None:
    made = mastered(track, tmp_path, NONE, format)
    assert (made.gain_db, made.limited_samples, made.passes) == (0, 0, 1)
    start = round(made.sound_starts_seconds * made.sample_rate)
    before, after = whole(track), whole(made.path)
    np.testing.assert_allclose(after[start : start + before.size], before, atol=1.01 * 2**-16)
    assert not after[:start].any()
    assert not after[start + before.size :].any()


@pytest.mark.parametrize("format", list(Format))
def test_the_sound_stands_where_sound_starts_seconds_says(
    track: Path, tmp_path: Path, format: Format
) -> None:
    """Whatever delay the codec has: cues shifted by it must be right to a few milliseconds."""
    made = mastered(track, tmp_path, NONE, format)
    rate = made.sample_rate
    before = np.abs(whole(track))
    after = np.abs(whole(made.path))
    first_before = np.flatnonzero(before > 0.02)[0] / RATE
    first_after = np.flatnonzero(after > 0.02)[0] / rate
    assert first_after == pytest.approx(made.sound_starts_seconds + first_before, abs=0.003)


@pytest.mark.parametrize("format", list(Format))
def test_the_same_track_gives_the_same_bytes(track: Path, tmp_path: Path, format: Format) -> None:
    tags = Tags(title="One", album="Book", number=1, total=2, generator="Lectorium")
    made = [
        master(track, profile=PODCAST, format=format, path=tmp_path / name, tags=tags)
        for name in ("one", "two")
    ]
    assert made[0].sha256 == made[1].sha256
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_chapter_has_one_gain(tmp_path: Path) -> None:
    """A whispered sentence stays as far below a loud one as it was."""
    spoken = [Spoken(speech(3.0, seed=1, peak=peak), "sentence", "x") for peak in (0.5, 0.05)]
    cues = join(spoken, sample_rate=RATE, path=tmp_path / "track.flac")
    made = mastered(tmp_path / "track.flac", tmp_path, EBU_R128, Format.WAV)
    samples = whole(made.path)

    def level(cue: Cue) -> float:
        start = made.sound_starts_seconds
        first, end = (round((start + at) * made.sample_rate) for at in (cue.start_seconds, cue.end_seconds))
        return float(np.sqrt(np.mean(samples[first:end] ** 2)))

    assert 20 * np.log10(level(cues[0]) / level(cues[1])) == pytest.approx(20, abs=0.05)


def test_the_limiter_touches_only_peaks_and_says_so(tmp_path: Path) -> None:
    samples = np.tile(speech(3.0, peak=0.1), 3)
    samples[RATE : RATE + 40] = 0.9 * np.sin(np.arange(40) / 2)  # one click far above the rest
    made = mastered(lossless(tmp_path / "track.flac", samples), tmp_path, PODCAST, Format.WAV)
    assert made.limited_db > 6
    assert 0 < made.limited_samples < 0.02 * made.n_samples
    assert made.figures.true_peak_dbtp <= -1


@pytest.mark.parametrize("format", list(Format))
@pytest.mark.parametrize("profile", list(PROFILES.values()), ids=lambda profile: profile.name)
def test_silence_is_an_error_and_never_amplified(tmp_path: Path, profile: Profile, format: Format) -> None:
    silent = lossless(tmp_path / "track.flac", np.zeros(RATE))
    with pytest.raises(MasteringError, match="silent"):
        master(silent, profile=profile, format=format, path=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_needs_too_much_gain_is_an_error_with_its_figures(tmp_path: Path) -> None:
    faint = lossless(tmp_path / "track.flac", np.tile(speech(3.0, peak=0.005), 2))
    with pytest.raises(MasteringError, match=r"measures -\d\d\.\d dB and would need \+\d\d\.\d dB"):
        mastered(faint, tmp_path, PODCAST, Format.WAV)


@pytest.mark.parametrize("profile", [PODCAST, EBU_R128, NONE], ids=lambda profile: profile.name)
def test_a_chapter_of_one_short_word_is_mastered(tmp_path: Path, profile: Profile) -> None:
    """0.2 s: less than a block of BS.1770, but head and tail are measured with it."""
    join([Spoken(speech(0.2), "heading", "One")], sample_rate=RATE, path=tmp_path / "track.flac")
    made = mastered(tmp_path / "track.flac", tmp_path, profile, Format.M4B)
    assert made.duration_seconds == pytest.approx(2.3, abs=0.1)
    assert faults_of(made.figures, profile) == []


def test_a_heading_of_one_second_meets_acx(tmp_path: Path) -> None:
    join([Spoken(speech(1.2), "heading", "Part One")], sample_rate=RATE, path=tmp_path / "track.flac")
    assert mastered(tmp_path / "track.flac", tmp_path, ACX, Format.MP3).figures.rms_dbfs >= -23


def test_clipped_sound_is_mastered_without_going_over(tmp_path: Path) -> None:
    clipped = np.clip(4 * speech(3.0, peak=1.0), -1, 1)
    track = lossless(tmp_path / "track.flac", clipped)
    for profile in (ACX, PODCAST, NONE):
        made = mastered(track, tmp_path, profile, Format.WAV)
        assert made.figures.true_peak_dbtp <= profile.peak_limit


def test_a_missed_profile_names_figure_and_limit_and_leaves_no_file(tmp_path: Path) -> None:
    """A click every 0.3 s and nothing else: no gain brings its RMS up under the peak limit."""
    samples = np.zeros(4 * RATE)
    samples[:: round(0.3 * RATE)] = 0.5
    track = lossless(tmp_path / "track.flac", samples)
    with pytest.raises(MasteringError) as caught:
        mastered(track, tmp_path, replace(ACX, target=-20), Format.MP3)
    assert "would need" in str(caught.value) or "RMS -" in str(caught.value)
    assert not (tmp_path / "x.mp3").exists()


def test_faults_name_each_figure_with_its_limit(track: Path, tmp_path: Path) -> None:
    figures = mastered(track, tmp_path, ACX, Format.WAV).figures
    bad = replace(
        figures,
        rms_dbfs=-24.5,
        peak_dbfs=-2.0,
        noise_floor_dbfs=-55.0,
        head_seconds=0.2,
        tail_seconds=6.0,
        duration_seconds=7300.0,
    )
    assert faults_of(figures, ACX) == []
    assert faults_of(bad, ACX) == [
        "RMS -24.50 dBFS, allowed -23 to -18",
        "peak -2.00 dBFS, allowed -3",
        "noise floor -55.00 dBFS RMS, allowed -60",
        "head 0.20 s of room tone, allowed 0.5 to 1",
        "tail 6.00 s of room tone, allowed 1 to 5",
        "121.7 minutes in one file, allowed 120",
    ]
    assert faults_of(replace(figures, integrated_lufs=None), PODCAST)[0].startswith(
        "integrated loudness none"
    )
    assert faults_of(bad, NONE) == []


def test_the_voice_floor_is_the_tracks_own_at_the_gain_given(tmp_path: Path) -> None:
    spoken = np.concatenate((speech(3.0, peak=0.2), np.zeros(RATE), speech(2.0, peak=0.2)))
    hiss = 10 ** (-70 / 20) * np.random.default_rng(5).standard_normal(spoken.size)
    track = lossless(tmp_path / "track.flac", spoken + hiss)
    made = mastered(track, tmp_path, PODCAST, Format.OPUS)
    assert made.figures.voice_floor_dbfs == pytest.approx(-70 + made.gain_db, abs=0.5)
    assert made.figures.noise_floor_dbfs < -90 or made.figures.noise_floor_dbfs == SILENCE_DB


def test_a_broken_track_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "track.flac").write_bytes(b"fLaC" + bytes(100))
    with pytest.raises(MasteringError, match=r"^track\.flac: [^\n]+$"):
        mastered(tmp_path / "track.flac", tmp_path, PODCAST, Format.MP3)


def cues_of(n: int, seconds: float, paragraph_every: int) -> tuple[Cue, ...]:
    return tuple(
        Cue(
            k * seconds,
            (k + 1) * seconds - 0.5,
            "x",
            "sentence" if (k + 1) % paragraph_every else "paragraph",
        )
        for k in range(n)
    )


def test_a_chapter_over_the_limit_is_divided_after_a_paragraph() -> None:
    cues = cues_of(1800, 10, 7)  # five hours
    made = parts(cues, profile=ACX, format=Format.MP3)
    assert len(made) == 3
    assert sum((part.cues for part in made), ()) == cues
    for part in made:
        end = part.end_seconds or cues[-1].end_seconds
        assert end - part.start_seconds + ACX.head_seconds + ACX.tail_seconds <= 7200
    assert [part.cues[-1].boundary for part in made[:-1]] == ["paragraph", "paragraph"]
    assert made[-1].end_seconds is None


def test_a_chapter_without_paragraphs_is_divided_after_a_sentence() -> None:
    cues = tuple(
        replace(cue, boundary="clause" if n % 3 else "sentence")
        for n, cue in enumerate(cues_of(900, 10, 5000))
    )
    made = parts(cues, profile=ACX, format=Format.MP3)
    assert [part.cues[-1].boundary for part in made[:-1]] == ["sentence"]


@pytest.mark.parametrize(
    ("profile", "format", "n"), [(PODCAST, Format.MP3, 1), (ACX, Format.M4B, 1), (ACX, Format.WAV, 3)]
)
def test_only_a_profile_with_a_limit_divides_and_never_an_m4b(
    profile: Profile, format: Format, n: int
) -> None:
    assert len(parts(cues_of(1800, 10, 7), profile=profile, format=format)) == n


def test_an_utterance_longer_than_a_file_is_an_error() -> None:
    with pytest.raises(MasteringError, match="8000 s is longer"):
        parts((Cue(0, 8000, "x", "sentence"),), profile=ACX, format=Format.MP3)


def test_parts_hold_the_sound_of_their_cues(tmp_path: Path) -> None:
    cues = chapter(tmp_path / "track.flac", 6)
    short = replace(NONE, longest_file_seconds=12.0)
    made = parts(cues, profile=short, format=Format.WAV)
    assert len(made) > 1
    energy = 0.0
    for number, part in enumerate(made):
        done = master(
            tmp_path / "track.flac",
            profile=short,
            format=Format.WAV,
            path=tmp_path / f"{number}.wav",
            part=part,
        )
        samples = whole(done.path)
        assert done.duration_seconds <= 12.0
        for cue in part.cues:
            first, end = (
                round((done.sound_starts_seconds + at - part.start_seconds) * done.sample_rate)
                for at in (cue.start_seconds, cue.end_seconds)
            )
            assert np.abs(samples[first:end]).max() > 0.1
        energy += float(np.square(samples).sum())
    assert energy == pytest.approx(np.square(whole(tmp_path / "track.flac")).sum(), rel=1e-3)


def test_a_part_without_end_goes_to_the_end_of_the_track(track: Path, tmp_path: Path) -> None:
    everything = Part(0.0, None, ())
    made = master(track, profile=NONE, format=Format.WAV, path=tmp_path / "x.wav", part=everything)
    assert made.n_samples == mastered(track, tmp_path, NONE, Format.WAV).n_samples


def test_every_mp3_bit_rate_of_a_profile_is_one_whose_scale_is_known(track: Path, tmp_path: Path) -> None:
    """Lame quietens by its own factor, which the writer undoes: MP3 and WAV must measure alike."""
    for profile in (ACX, PODCAST):  # 192 and 128 kbit/s
        mp3, wav = (mastered(track, tmp_path, profile, format) for format in (Format.MP3, Format.WAV))
        assert mp3.figures.rms_dbfs == pytest.approx(wav.figures.rms_dbfs, abs=0.1)


@pytest.mark.parametrize("format", list(Format))
def test_containers_hold_no_name_of_a_library_version(tmp_path: Path, format: Format) -> None:
    join([Spoken(speech(0.2), "heading", "One")], sample_rate=RATE, path=tmp_path / "track.flac")
    made = mastered(tmp_path / "track.flac", tmp_path, NONE, format)
    with av.open(str(made.path)) as container:
        assert "encoder" not in {name.lower() for name in container.metadata}


def test_profile_named_knows_all_and_names_them() -> None:
    assert profile_named("acx") is ACX
    with pytest.raises(ValueError, match="not one of acx, podcast, ebu-r128, none"):
        profile_named("loud")
