from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from speech.backbones import describe_content
from speech.errors import VoiceError
from speech.gpt_sovits import features
from speech.gpt_sovits.company import Backbones
from speech.gpt_sovits.engine import Engine
from speech.gpt_sovits.files import OWN_CONTENT
from speech.gpt_sovits.prompt import Prompt
from speech.gpt_sovits.recording import read_recording
from speech.gpt_sovits.voice import open_prompt, open_voice
from speech.networks.config import ContentConfig
from speech.networks.content import ContentEncoder
from speech.networks.spectrogram import linear_spectrogram
from speech.text.lexicon import FILE, Entry, Lexicon, write_lexicon
from speech.text.phonemes import phonemise
from speech.text.utterance import Span
from speech.voice import PromptFile, VoiceSource
from tests.speech.gpt_sovits.toys import TRANSCRIPT, source_of, write_recording

CPU = torch.device("cpu")


@pytest.fixture
def source(toy_shelf: Path, tmp_path: Path) -> VoiceSource:
    """A voice with a folder of its own, and the shared shelf's weights and backbones."""
    shared = source_of(toy_shelf)
    prompt = write_recording(tmp_path / "voice" / "version" / "prompt.wav")
    folder = prompt.parent
    return dataclasses.replace(shared, folder=folder, prompts=(PromptFile(prompt, TRANSCRIPT, "en"),))


def prompt_of(source: VoiceSource) -> Prompt:
    assert source.weights is not None
    backbones = Backbones(source.backbones, CPU)
    return open_prompt(source, Engine.open(source.weights, backbones, CPU, 1), backbones)


def write_content(folder: Path, seed: int) -> None:
    """A content encoder of our own, as wide as the toys' content features."""
    config = ContentConfig(n_classes=3, n_mels=10, width=12, expansion=2, kernel=3, dilations=(1,))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder = ContentEncoder(config)
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(describe_content(config), encoding="utf-8")
    save_file(encoder.state_dict(), folder / "model.safetensors")


def test_prompt_has_tokens_phonemes_and_a_style(source: VoiceSource) -> None:
    prompt = prompt_of(source)
    frames = (int(3.8 * 16_000) - 400) // 320 + 1  # 3.2 s, and 0.6 s of silence
    assert prompt.tokens.shape == (frames // 2,)
    assert prompt.phonemes.tolist() == list(phonemise([Span(TRANSCRIPT, "en")], symbols_version="v2").ids)
    assert prompt.linguistic.shape == (len(prompt.phonemes), 1024)
    assert not prompt.linguistic.any()
    assert prompt.style.shape == (12,)


def test_mandarin_transcript_has_a_row_for_each_character(source: VoiceSource) -> None:
    mandarin = PromptFile(source.prompts[0].path, "今天天气。", "zh")
    prompt = prompt_of(dataclasses.replace(source, prompts=(mandarin,)))
    rows = prompt.linguistic
    assert torch.equal(rows[0], rows[1])  # initial and final of the first character
    assert not torch.equal(rows[1], rows[2])
    assert rows.any(dim=1).all()


def test_style_is_the_mean_of_all_recordings(source: VoiceSource, tmp_path: Path) -> None:
    other = PromptFile(write_recording(tmp_path / "other.wav", seconds=1.5, seed=1), "", "en")
    [first] = source.prompts
    alone = prompt_of(source)
    both = prompt_of(dataclasses.replace(source, prompts=(first, other)))
    assert source.weights is not None
    decoder = Engine.open(source.weights, Backbones(None, CPU), CPU, 1).decoder
    spectrogram = linear_spectrogram(read_recording(other.path).sound[None])
    with torch.inference_mode():
        style = decoder.style(spectrogram, torch.tensor([spectrogram.shape[2]]))[0]
    torch.testing.assert_close(both.style, (alone.style + style) / 2)
    assert torch.equal(both.tokens, alone.tokens)


def test_features_are_kept_and_read_again(source: VoiceSource) -> None:
    first = prompt_of(source)
    path = features.place_of(source)
    assert path is not None
    assert path.is_file()
    assert list(path.parent.iterdir()) == [path]
    tensors = load_file(path)
    tensors["style"] += 1  # what only a reader of the file can know
    save_file(tensors, path, metadata=_metadata(path))
    again = prompt_of(source)
    torch.testing.assert_close(again.style, first.style + 1)
    assert torch.equal(again.tokens, first.tokens)
    assert again.phonemes.dtype == torch.int64


def _metadata(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata())


def _spoil(source: VoiceSource) -> VoiceSource:
    path = features.place_of(source)
    assert path is not None
    tensors = load_file(path)
    tensors["style"] += 1000
    save_file(tensors, path, metadata=_metadata(path))
    return source


def _new_recording(source: VoiceSource) -> VoiceSource:
    write_recording(source.prompts[0].path, seed=5)
    return source


def _new_transcript(source: VoiceSource) -> VoiceSource:
    prompt = dataclasses.replace(source.prompts[0], transcript="Something else.")
    return dataclasses.replace(source, prompts=(prompt,))


def _new_weights(source: VoiceSource) -> VoiceSource:
    return dataclasses.replace(source, weights_digest="f" * 64)


def _new_lexicon(source: VoiceSource) -> VoiceSource:
    assert source.folder is not None
    entry = Entry("house", "en", respelling="horse")
    (source.folder / FILE).write_text(write_lexicon(Lexicon((entry,))), encoding="utf-8")
    return source


@pytest.mark.parametrize("change", [_new_recording, _new_transcript, _new_weights, _new_lexicon])
def test_stale_features_are_not_trusted(
    source: VoiceSource, change: Callable[[VoiceSource], VoiceSource]
) -> None:
    prompt_of(source)
    changed = change(_spoil(source))
    assert prompt_of(changed).style.abs().max() < 500


def test_weights_hear_with_the_content_backbone_they_were_learnt_from(
    source: VoiceSource, tmp_path: Path
) -> None:
    """It goes before the one that all voices share, which may be missing; another one makes features anew."""
    assert source.weights is not None
    weights = tmp_path / "weights"
    shutil.copytree(source.weights, weights)
    own = dataclasses.replace(source, weights=weights, backbones=None)
    with pytest.raises(VoiceError, match="without the content backbone no prompt can be heard"):
        prompt_of(own)
    heard = []
    for seed in (0, 1):
        write_content(weights / OWN_CONTENT, seed)
        backbones = Backbones(None, CPU, weights=weights)
        heard.append(open_prompt(own, Engine.open(weights, backbones, CPU, 1), backbones).tokens)
    assert len(heard[0]) == int(3.8 * 25)
    assert not torch.equal(heard[0], heard[1])


def test_new_backbone_makes_features_anew(source: VoiceSource, tmp_path: Path) -> None:
    prompt_of(source)
    assert source.backbones is not None
    shutil.copytree(source.backbones, tmp_path / "backbones")
    moved = dataclasses.replace(_spoil(source), backbones=tmp_path / "backbones")
    weights = tmp_path / "backbones" / "content" / "model.safetensors"
    weights.touch()
    assert prompt_of(moved).style.abs().max() < 500


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", b"\xff" * 100])
def test_broken_features_are_made_anew(source: VoiceSource, content: bytes) -> None:
    first = prompt_of(source)
    path = features.place_of(source)
    assert path is not None
    path.write_bytes(content)
    assert torch.equal(prompt_of(source).style, first.style)
    assert load_file(path)["style"].shape == (12,), "and kept again"


def test_voice_speaks_where_nothing_can_be_kept(source: VoiceSource) -> None:
    assert source.folder is not None
    blocked = source.folder.parent / features.FOLDER
    blocked.write_bytes(b"a file where a folder should be")
    prompt_of(source)
    assert blocked.read_bytes() == b"a file where a folder should be"


def test_lexicon_changes_the_phonemes_of_the_transcript(source: VoiceSource) -> None:
    plain = prompt_of(source)
    assert not torch.equal(prompt_of(_new_lexicon(source)).phonemes, plain.phonemes)


@pytest.mark.parametrize(
    ("seconds", "complaint"), [(2.9, "2.9 s, not 3 to 10"), (10.1, "10.1 s, not 3 to 10")]
)
def test_prompt_of_another_length_is_refused(source: VoiceSource, seconds: float, complaint: str) -> None:
    write_recording(source.prompts[0].path, seconds=seconds)
    with pytest.raises(VoiceError, match=rf"prompt prompt\.wav: {complaint}"):
        prompt_of(source)


def test_voice_without_a_prompt_is_refused(source: VoiceSource) -> None:
    with pytest.raises(VoiceError, match="the voice has no prompt"):
        prompt_of(dataclasses.replace(source, prompts=()))


def test_transcript_that_cannot_be_read_is_refused_by_its_place(source: VoiceSource) -> None:
    thai = dataclasses.replace(source.prompts[0], transcript="Say \u0e01 now.")
    with pytest.raises(VoiceError, match=r"prompt prompt\.wav: transcript: character 5: "):
        prompt_of(dataclasses.replace(source, prompts=(thai,)))


def test_missing_recording_is_one_line(source: VoiceSource) -> None:
    source.prompts[0].path.unlink()
    with pytest.raises(VoiceError, match=r"prompt .*prompt\.wav: No such file") as refusal:
        prompt_of(source)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("kind", "version"), [("content", "v2"), ("speaker", "v2Pro")])
def test_missing_backbone_is_one_line_that_says_what_to_do(
    toy_shelf: Path, tmp_path: Path, kind: str, version: str
) -> None:
    source = source_of(toy_shelf, version)
    assert source.backbones is not None
    shutil.copytree(source.backbones, tmp_path / "backbones")
    shutil.rmtree(tmp_path / "backbones" / kind)
    poorer = dataclasses.replace(source, backbones=tmp_path / "backbones", folder=None)
    with pytest.raises(VoiceError, match=rf"without the {kind} backbone .*lectorium voice pull") as refusal:
        open_voice(poorer)
    assert "\n" not in str(refusal.value)
