"""A recording becomes a prompt, or one line with a figure says why not."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from models_store.prompts import PreparedPrompt, PromptError, prepare_prompt
from speech.errors import VoiceError
from speech.units import SAMPLE_RATE
from tests.models_store.speaking import TEXT, Sound, noise, silence, spoken, write_wav


def prepare(path: Path, **changes: Any) -> PreparedPrompt:
    wanted = {"transcript": TEXT, "language": "en", "folder": path.parent / "out"} | changes
    return prepare_prompt(path, **wanted)


def read_wav(path: Path) -> Sound:
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, SAMPLE_RATE)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 2**15


def encode(path: Path, codec: str, sound: Sound, rate: int = 48_000) -> Path:
    """The sound, made at 32 kHz, in some other file."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        frame = av.AudioFrame.from_ndarray(sound[None], format="flt", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        for resampled in av.AudioResampler(stream.format, stream.layout, rate).resample(frame):
            container.mux(stream.encode(resampled))
        container.mux(stream.encode(None))
    return path


def test_a_good_recording_comes_out_as_it_went_in(tmp_path: Path) -> None:
    prompt = prepare(write_wav(tmp_path / "ref.wav", spoken()), transcript=f"  {TEXT[:20]}\n{TEXT[20:]} ")
    assert np.abs(read_wav(prompt.path) - spoken()).max() <= 2**-16 + 1e-7
    assert prompt.path.parent == tmp_path / "out"
    assert prompt.seconds == spoken().size / SAMPLE_RATE
    assert (prompt.transcript, prompt.language) == (TEXT[:20] + " " + TEXT[20:].strip(), "en")
    assert 30 < prompt.snr_db < 50
    assert -25 < prompt.level_dbfs < -10


def test_the_same_recording_makes_the_same_file(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "ref.wav", spoken())
    first, again = prepare(path).path, prepare(path, folder=tmp_path / "other").path
    assert (first.parent, again.parent) == (tmp_path / "out", tmp_path / "other")
    assert first.name == again.name
    other = write_wav(tmp_path / "other.wav", spoken()[:-1000])
    assert prepare(other).path.name != first.name


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [("flac", "flac"), ("mp3", "libmp3lame"), ("m4a", "aac"), ("opus", "libopus"), ("mkv", "pcm_s24le")],
)
def test_any_container_will_do(tmp_path: Path, suffix: str, codec: str) -> None:
    prompt = prepare(encode(tmp_path / f"ref.{suffix}", codec, spoken()))
    assert abs(prompt.seconds - spoken().size / SAMPLE_RATE) < 0.1
    assert 20 < prompt.snr_db < 60
    assert read_wav(prompt.path).size == pytest.approx(spoken().size, rel=0.02)


def test_channels_are_mixed_and_rates_changed(tmp_path: Path) -> None:
    half = spoken()[::2]  # as if recorded at 16 kHz
    prompt = prepare(write_wav(tmp_path / "ref.wav", half, silence(half.size / SAMPLE_RATE), rate=16_000))
    sound = read_wav(prompt.path)
    assert sound.size == pytest.approx(spoken().size, abs=2)
    assert np.abs(sound).max() == pytest.approx(0.25, rel=0.1)


def test_a_prompt_for_timbre_needs_no_transcript(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "ref.wav", spoken())
    assert prepare(path, transcript=None).transcript == ""


def repeated(seconds: float) -> Sound:
    return np.tile(spoken(), 4)[: round(seconds * SAMPLE_RATE)]


def spoiled() -> dict[str, tuple[Sound, str]]:
    half = spoken()[: 2 * SAMPLE_RATE]
    return {
        "short": (repeated(2.9), "2.900 s long; it must be 3 to 10 s"),
        "long": (repeated(10.1), "10.100 s long; it must be 3 to 10 s"),
        "clipped": (np.clip(spoken() * 6, -1, 1), "clipped: "),
        "clipped then quiet": (np.clip(spoken() * 6, -1, 1) * 0.3, "clipped: "),
        "quiet": (spoken() * 0.005, "nearly silent: -"),
        "nothing": (silence(5), "nearly silent: -90 dBFS; speech must reach -45 dBFS"),
        "late": (
            np.concatenate([silence(1.3), spoken()]),
            " s of silence before the first word; at most 1 s",
        ),
        "early": (np.concatenate([spoken(), silence(1.3)]), " s of silence after the last word; at most 1 s"),
        "gap": (
            np.concatenate([half[:20_000], silence(5), half[-20_000:]]),
            "mostly silent: ",
        ),
        "noisy": (spoken() + noise(spoken().size, -32), "noisy: speech stands 1"),
    }


@pytest.mark.parametrize("fault", list(spoiled()))
def test_a_spoiled_recording_is_refused_with_the_figure(tmp_path: Path, fault: str) -> None:
    sound, message = spoiled()[fault]
    with pytest.raises(PromptError) as caught:
        prepare(write_wav(tmp_path / "ref.wav", sound))
    assert str(caught.value).startswith("prompt ref.wav: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize("snr_db", [10.0, 20.0, 30.0])
def test_the_noise_that_was_added_is_measured(tmp_path: Path, snr_db: float) -> None:
    clean = prepare(write_wav(tmp_path / "ref.wav", spoken()))
    noisy = write_wav(tmp_path / "noisy.wav", spoken() + noise(spoken().size, clean.level_dbfs - snr_db))
    if snr_db < 15:
        with pytest.raises(PromptError, match=r"noisy: speech stands (9|10|11|12) dB above the noise"):
            prepare(noisy)
    else:
        assert prepare(noisy).snr_db == pytest.approx(snr_db, abs=2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"language": "tlh"}, "voices with symbols v2 do not read 'tlh'; they read en, ja, ko, yue, zh"),
        ({"language": ""}, "do not read ''"),
        ({"transcript": ""}, "the transcript is empty"),
        ({"transcript": " \n"}, "the transcript is empty"),
        ({"transcript": "?!"}, "the transcript has no letter of the language 'en': '?!'"),
        ({"language": "zh"}, "the transcript has no letter of the language 'zh': 'The old house"),
        ({"language": "ja", "transcript": "안녕하세요"}, "no letter of the language 'ja'"),
        ({"transcript": "Hello."}, "too short for "),
        ({"transcript": TEXT * 4}, "too long for "),
        ({"language": "zh", "transcript": "山上的老房子已经空了很多年了" * 6}, "too long for "),
    ],
)
def test_what_is_said_of_it_must_be_possible(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    with pytest.raises(VoiceError) as caught:
        prepare(write_wav(tmp_path / "ref.wav", spoken()), **changes)
    assert str(caught.value).startswith("prompt ref.wav: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("language", "transcript"),
    [
        ("zh-CN", "山上的老房子已经空了很多年了，没有人知道它是谁的。"),
        ("yue", "山上间老屋已经吉咗好多年，冇人知道係邊個嘅。"),
        ("ja", "丘の上の古い家は何年も空き家で、誰のものか誰も知りませんでした。"),
        ("ko", "언덕 위의 낡은 집은 여러 해 동안 비어 있었고 아무도 주인을 몰랐다."),
        ("en_GB", "In 1984 the old house was sold for 25,000 pounds."),
    ],
)
def test_transcripts_of_five_seconds_are_plausible_in_each_language(
    tmp_path: Path, language: str, transcript: str
) -> None:
    prompt = prepare(write_wav(tmp_path / "ref.wav", spoken()), transcript=transcript, language=language)
    assert prompt.language == language.lower().replace("_", "-")


def test_what_is_no_sound_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ref.wav"
    other = write_wav(tmp_path / "secret.wav", spoken())
    for content in (
        b"",
        b"RIFF",
        b"not sound" * 1000,
        f"ffconcat version 1.0\nfile {other.name}\n".encode(),
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{other}\n#EXT-X-ENDLIST\n".encode(),
        other.read_bytes()[:44],
    ):
        path.write_bytes(content)
        with pytest.raises(PromptError, match=r"^prompt ref.wav: (cannot be read as sound: |holds no sound)"):
            prepare(path)
    with pytest.raises(PromptError, match="cannot be read as sound: no such file"):
        prepare(tmp_path / "absent.wav")


def test_an_hour_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "ref.wav", np.tile(spoken()[: 5 * SAMPLE_RATE], 8))
    with pytest.raises(PromptError, match=r": more than 30 s long; it must be 3 to 10 s"):
        prepare(path)


def test_a_picture_is_no_sound(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        frame = av.VideoFrame(32, 32, "yuv420p")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(PromptError, match="holds no sound"):
        prepare(path)
