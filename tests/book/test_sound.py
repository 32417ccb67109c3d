from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from book.encode import TRACK_ENCODING
from book.errors import MasteringError
from book.sound import BLOCK, Encoding, Source, Writer, reblocked, resampled, silence
from tests.book.speaking import blocks_of, decibels, whole

WAV = Encoding("pcm_s16le", "wav", "s16", 16, None, {}, {})


def write(path: Path, samples: np.ndarray, rate: int = 32_000, encoding: Encoding = TRACK_ENCODING) -> None:
    with Writer(path, encoding, rate) as writer:
        for block in blocks_of(samples.astype(np.float32)):
            writer.write(block)


def test_reblocked_keeps_every_sample_in_blocks_of_one_size() -> None:
    samples = np.arange(1000, dtype=np.float32)
    uneven = np.split(samples, [1, 4, 300, 301, 900])
    blocks = list(reblocked(uneven, 128))
    assert [block.size for block in blocks] == [128] * 7 + [104]
    np.testing.assert_array_equal(np.concatenate(blocks), samples)


def test_silence_is_as_long_as_asked() -> None:
    assert [block.size for block in silence(BLOCK + 5)] == [BLOCK, 5]
    assert list(silence(0)) == []


def test_source_reads_back_what_the_writer_wrote(tmp_path: Path) -> None:
    samples = np.random.default_rng(1).uniform(-1, 1, 200_001)
    write(tmp_path / "x.flac", samples)
    np.testing.assert_allclose(whole(tmp_path / "x.flac"), samples, atol=2**-23)
    write(tmp_path / "x.wav", samples, encoding=WAV)
    np.testing.assert_allclose(whole(tmp_path / "x.wav"), samples, atol=1.01 * 2**-15)


@pytest.mark.parametrize(
    ("first", "end"), [(0, None), (5, 6), (65_530, 70_001), (99_000, None), (99_999, 200_000)]
)
def test_source_reads_a_stretch(tmp_path: Path, first: int, end: int | None) -> None:
    samples = np.linspace(-0.9, 0.9, 100_000)
    write(tmp_path / "x.flac", samples)
    read = np.concatenate(list(Source.open(tmp_path / "x.flac").blocks(first, end)))
    np.testing.assert_allclose(read, samples[first:end], atol=2**-23)


def test_writer_clips_what_no_integer_can_hold(tmp_path: Path) -> None:
    write(tmp_path / "x.wav", np.array([-2.0, -1.0, 1.0, 2.0]), encoding=WAV)
    np.testing.assert_allclose(whole(tmp_path / "x.wav"), [-1, -1, 1 - 2**-15, 1 - 2**-15])


def test_writer_removes_the_file_of_a_block_left_by_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.flac"

    def interrupted() -> None:
        with Writer(path, TRACK_ENCODING, 32_000) as writer:
            writer.write(np.zeros(100_000, np.float32))
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        interrupted()
    assert not path.exists()


def test_source_refuses_what_is_not_sound_with_one_line(tmp_path: Path) -> None:
    for name, content, words in (
        ("x.flac", b"this is text", "holds no sound"),
        ("x.wav", b"RIFF", "cannot be read as sound: [^\n]+"),
        ("empty", b"", "cannot be read as sound: [^\n]+"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(MasteringError, match=rf"^{name}: {words}$"):
            Source.open(path)
    with pytest.raises(MasteringError, match="cannot be read as sound: No such file"):
        Source.open(tmp_path / "absent.wav")


@pytest.mark.parametrize("place", [0.25, 0.5, 0.75])
def test_source_notices_a_flipped_bit_in_a_flac(tmp_path: Path, place: float) -> None:
    """Left to itself libav drops the frame: a word is gone and every later cue is wrong."""
    path = tmp_path / "x.flac"
    write(path, np.random.default_rng(1).uniform(-0.5, 0.5, 100_000))
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(MasteringError, match=r"^x\.flac: broken sound: "):
        whole(path)


def test_source_notices_a_flac_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "x.flac"
    write(path, np.random.default_rng(1).uniform(-0.5, 0.5, 100_000))
    path.write_bytes(path.read_bytes()[:-100_000])
    with pytest.raises(MasteringError, match=r"^x\.flac: broken sound: "):
        whole(path)


def test_source_refuses_two_channels(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=32_000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 2000), np.int16), format="s16", layout="stereo")
        frame.sample_rate = 32_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(MasteringError, match="2 channels, not one"):
        Source.open(path)


@pytest.mark.parametrize("to_rate", [44_100, 48_000])
@pytest.mark.parametrize("hertz", [100, 4_000, 15_000])
def test_resampled_changes_neither_level_nor_time(to_rate: int, hertz: int) -> None:
    from_rate = 32_000
    sine = (0.5 * np.sin(2 * np.pi * hertz * np.arange(2 * from_rate) / from_rate)).astype(np.float32)
    made = np.concatenate(list(resampled(blocks_of(sine, 10_000), from_rate, to_rate)))
    assert made.size == 2 * to_rate
    wanted = 0.5 * np.sin(2 * np.pi * hertz * np.arange(made.size) / to_rate)
    middle = slice(to_rate // 4, -to_rate // 4)
    error = np.sqrt(np.mean((made[middle] - wanted[middle]) ** 2))
    assert decibels(error / np.sqrt(np.mean(wanted**2))) < -90


def test_resampled_to_the_same_rate_is_the_same_samples() -> None:
    block = np.arange(10, dtype=np.float32)
    assert next(resampled([block], 44_100, 44_100)) is block
