from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from speech.errors import TrainingError
from speech.gpt_sovits.company import Backbones
from speech.gpt_sovits.front import Front
from speech.networks.config import ContentConfig, DecoderConfig
from speech.networks.content import ContentEncoder
from speech.networks.quantiser import Quantiser
from speech.training.batches import Features
from speech.training.features import FeatureMaker, prepare
from speech.training.recordings import Recording
from starter.content import publish
from tests.speech.gpt_sovits.toys import write_backbones
from tests.speech.networks.networks import randomise
from tests.speech.training import drawn

CPU = torch.device("cpu")
SAID = "The house was quiet. "


@pytest.fixture(scope="module")
def backbones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_backbones(tmp_path_factory.mktemp("backbones"))


def maker(
    folder: Path, kept: Path | None = None, *, digest: str = "", speaker_width: int = 0, n_lanes: int = 1
) -> FeatureMaker:
    company = Backbones(folder, CPU)
    quantiser = Quantiser(DecoderConfig(content_width=12, codebook_size=40))
    randomise(quantiser)
    return FeatureMaker(
        Front("v2", 1024, company),
        company,
        quantiser,
        speaker_width=speaker_width,
        digests=[digest],
        kept=kept,
        n_lanes=n_lanes,
    )


def recording(text: str = "The house was quiet.", language: str = "en", seconds: float = 2.03) -> Recording:
    return Recording("a.wav", drawn.sound("a", round(seconds * 32_000)).numpy(), language, text)


def test_features_fit_together(backbones: Path) -> None:
    made = maker(backbones, speaker_width=640).make(recording())
    assert made.sound.shape == (50 * 1280,)
    assert made.tokens.shape == (50,)
    assert made.tokens.unique().numel() > 3
    assert made.n_frames == 100
    assert made.linguistic is None
    assert made.speaker is not None
    assert made.speaker.shape == (640,)


def test_a_content_encoder_of_our_own_makes_tokens_too(tmp_path: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = ContentEncoder(ContentConfig(n_classes=4, width=12, kernel=3, dilations=(1,)))
    publish(encoder, tmp_path / "content")
    made = maker(tmp_path).make(recording())
    assert made.sound.shape == (50 * 1280,)
    assert made.tokens.shape == (50,)
    assert made.tokens.unique().numel() > 1


def test_mandarin_has_a_row_for_each_phoneme(backbones: Path) -> None:
    made = maker(backbones).make(recording("今天天气很好，我们去公园。", "zh"))
    assert made.linguistic is not None
    assert made.linguistic.shape[0] == made.phonemes.shape[0]
    assert made.speaker is None


def test_what_was_kept_is_not_made_again(backbones: Path, tmp_path: Path) -> None:
    first = maker(backbones, tmp_path).make(recording())
    [file] = tmp_path.iterdir()
    without_backbones = maker(tmp_path / "none", tmp_path)
    again = without_backbones.make(recording())
    assert torch.equal(again.tokens, first.tokens)
    assert torch.equal(again.sound, first.sound)
    assert torch.equal(again.phonemes, first.phonemes)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("change", ["text", "sound", "digest"])
def test_whatever_changes_makes_them_anew(backbones: Path, tmp_path: Path, change: str) -> None:
    maker(backbones, tmp_path).make(recording())
    other = (
        recording("The house was loud.")
        if change == "text"
        else recording(seconds=2.2 if change == "sound" else 2.03)
    )
    maker(backbones, tmp_path, digest="other" if change == "digest" else "").make(other)
    assert len(list(tmp_path.iterdir())) == 2


def test_damaged_ones_are_made_anew_and_said(
    backbones: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = maker(backbones, tmp_path).make(recording())
    [file] = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    assert torch.equal(maker(backbones, tmp_path).make(recording()).tokens, first.tokens)
    assert "a.wav: its kept features are damaged" in caplog.text


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (recording(seconds=0.5), r"a.wav: 0.48 s of sound are too short to learn from"),
        (recording("No."), r"a.wav: \d.\d phonemes a second, not 3 to 25: the transcript does not fit"),
        (recording("This goes on and on. " * 9), r"a.wav: \d+.\d phonemes a second, not 3 to 25"),
        (recording("Привет, как дела?"), "a.wav: "),
    ],
)
def test_what_cannot_be_learnt_from_is_named(backbones: Path, bad: Recording, complaint: str) -> None:
    with pytest.raises(TrainingError, match=complaint):
        maker(backbones).make(bad)


def test_sound_is_levelled_and_rounded_to_16_bits() -> None:
    sound = prepare(0.25 * np.sin(np.arange(2000, dtype=np.float32)))
    assert sound.shape == (1280,)
    assert float(sound.abs().max()) == pytest.approx(0.6, abs=1e-3)
    assert torch.equal(sound * 32768, (sound * 32768).round())
    with pytest.raises(TrainingError, match="the sound is not finite"):
        prepare(np.full(2000, np.nan, np.float32))


def test_side_by_side_they_are_what_they_are_alone(backbones: Path) -> None:
    recordings = [
        Recording(
            f"{i}.wav",
            drawn.sound(str(i), round(seconds * 32_000)).numpy(),
            "en",
            SAID * (1 + round(seconds / 3)),
        )
        for i, seconds in enumerate((2.03, 5.1, 1.3, 3.7, 2.03))
    ]
    together = maker(backbones, speaker_width=640, n_lanes=4).make_all(recordings)
    alone = maker(backbones, speaker_width=640)
    for recording, made in zip(recordings, together, strict=True):
        assert isinstance(made, Features)
        other = alone.make(recording)
        assert made.name == recording.name
        assert torch.equal(made.tokens, other.tokens)
        assert torch.equal(made.phonemes, other.phonemes)
        assert torch.equal(made.sound, other.sound)
        assert made.speaker is not None
        assert other.speaker is not None
        torch.testing.assert_close(made.speaker, other.speaker, rtol=1e-4, atol=1e-5)


def test_backbones_hear_no_filling(backbones: Path) -> None:
    company = Backbones(backbones, CPU)
    content, speaker = company.content(), company.speaker()
    sounds = [drawn.sound(str(n), n) for n in (16_000, 40_123, 6_400)]
    torch.testing.assert_close(
        speaker.hear_all(sounds), torch.stack([speaker(one) for one in sounds]), rtol=1e-4, atol=1e-5
    )
    for heard, one in zip(content.hear_all(sounds), sounds, strict=True):
        alone = content(one)[0]
        assert heard.shape == alone.shape == (12, (len(one) - 400) // 320 + 1)
        torch.testing.assert_close(heard, alone, rtol=1e-4, atol=1e-5)
        louder = content.hear_all([one, 50 * drawn.sound("loud", 48_000)])[0]
        torch.testing.assert_close(louder, alone, rtol=1e-4, atol=1e-5)


def test_one_that_has_none_does_not_spoil_the_others(backbones: Path, tmp_path: Path) -> None:
    bad, good = recording(seconds=0.5), recording("The house was quiet then.")
    made = maker(backbones, tmp_path, n_lanes=4).make_all([bad, good, recording("No.")])
    assert [type(one) for one in made] == [TrainingError, Features, TrainingError]
    assert len(list(tmp_path.iterdir())) == 1
    assert maker(backbones, tmp_path).make_all([]) == []
