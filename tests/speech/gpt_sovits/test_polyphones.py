"""g2pW among the backbones."""

from pathlib import Path

import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("pypinyin")

import torch

from speech.errors import VoiceError
from speech.gpt_sovits.company import Backbones
from speech.gpt_sovits.front import Front
from speech.text.lexicon import Lexicon
from speech.text.symbols import SYMBOLS
from speech.text.utterance import Span
from tests.speech.gpt_sovits.toys import write_backbones
from tests.speech.text.toy_g2pw import write_toy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    backbones = write_backbones(tmp_path / "backbones")
    vocabulary = write_toy(backbones / "polyphones")
    vocabulary.replace(backbones / "linguistic/vocab.txt")
    return backbones


def said(folder: Path, text: str, *, with_polyphones: bool = True) -> str:
    backbones = Backbones(folder, torch.device("cpu"), with_polyphones=with_polyphones)
    front = Front("v2", 1024, backbones)
    ids = front.phonemise([Span(text, "zh")], Lexicon()).ids
    return " ".join(SYMBOLS["v2"][index] for index in ids)


def test_g2pw_is_asked_for_a_voice_that_was_made_with_it(folder: Path) -> None:
    assert "ch ang2 z ou3" in said(folder, "头发长走")
    assert "zh ang2 z ou3" in said(folder, "孩子长走")
    assert "zh ang2 z ou3" in said(folder, "头发长走", with_polyphones=False)  # by its part of speech alone


def test_a_machine_without_g2pw_does_not_read_such_a_voice_otherwise(folder: Path) -> None:
    (folder / "polyphones").rename(folder / "elsewhere")
    with pytest.raises(VoiceError, match=r"without the polyphones backbone the voice does not read Chinese"):
        said(folder, "头发长走")


def test_a_broken_g2pw_is_no_reason_to_go_on_without(folder: Path) -> None:
    (folder / "polyphones/g2pW.onnx").unlink()
    with pytest.raises(VoiceError, match=r"the g2pW model in .*polyphones has no g2pW\.onnx"):
        said(folder, "头发长走")
