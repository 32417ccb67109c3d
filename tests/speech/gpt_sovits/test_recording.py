from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
import torch

from speech.errors import VoiceError
from speech.gpt_sovits.recording import read_recording
from tests.speech.gpt_sovits.toys import write_recording


def write_wav(path: Path, *, channels: int = 1, width: int = 2, rate: int = 32_000, n: int = 100) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(bytes(channels * width * n))
    return path


def test_recording_is_read_and_resampled(tmp_path: Path) -> None:
    recording = read_recording(write_recording(tmp_path / "a.wav", seconds=0.5, rate=44_100))
    assert recording.sound.shape == (22_050,)
    assert recording.seconds == 0.5
    assert recording.at(32_000).shape == (16_000,)
    assert recording.at(16_000).shape == (8_000,)
    assert torch.equal(recording.at(44_100), recording.sound)


def test_samples_are_parts_of_full_scale(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 32_000, 0, "NONE", "not compressed"))
        file.writeframes(np.array([-(2**15), 0, 2**14], "<i2").tobytes())
    assert read_recording(path).sound.tolist() == [-1.0, 0.0, 0.5]


def test_resampling_keeps_a_tone(tmp_path: Path) -> None:
    recording = read_recording(write_wav(tmp_path / "a.wav", rate=44_100))
    tone = torch.sin(torch.arange(44_100) * (2 * torch.pi * 440 / 44_100))
    resampled = type(recording)(tone, 44_100).at(32_000)
    expected = torch.sin(torch.arange(32_000) * (2 * torch.pi * 440 / 32_000))
    torch.testing.assert_close(resampled[100:-100], expected[100:-100], atol=2e-3, rtol=0)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"channels": 2}, "2 channels of 16 bits"),
        ({"width": 3}, "1 channels of 24 bits"),
        ({"rate": 44_101}, "a rate of 44101"),
    ],
)
def test_other_kinds_of_wav_are_refused(tmp_path: Path, changes: dict[str, int], complaint: str) -> None:
    with pytest.raises(VoiceError, match=rf"prompt a\.wav: .*{complaint}"):
        read_recording(write_wav(tmp_path / "a.wav", **changes))


@pytest.mark.parametrize("content", [b"", b"ID3 this is an MP3", b"RIFF\x00\x00"])
def test_what_is_no_wav_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(VoiceError, match=r"prompt a\.wav: ") as refusal:
        read_recording(path)
    assert "\n" not in str(refusal.value)
    with pytest.raises(VoiceError, match="no such file"):
        read_recording(tmp_path / "b.wav")
