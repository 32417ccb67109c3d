from pathlib import Path

import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("pypinyin")

from speech.errors import VoiceError
from speech.text.chinese.g2pw import G2pw
from speech.text.phonemes import phonemise
from speech.text.symbols import SYMBOLS
from speech.text.utterance import Span
from tests.speech.text.toy_g2pw import write_toy


@pytest.fixture(params=[False, True], ids=["readings", "characters and readings"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> G2pw:
    return G2pw(tmp_path, write_toy(tmp_path, of_characters=request.param))


def test_characters_are_read_by_their_sentence(model: G2pw) -> None:
    assert model("头发长.") == [None, None, "chang2", None]
    assert model("孩子长大.") == [None, None, "zhang3", None, None]
    assert model("银行长行.") == [None, "hang2", "chang2", "hang2", None]
    assert model("行走.") == ["xing2", None, None]
    assert model("一起.") == [None, None, None]  # rules read 一


def test_far_away_is_not_heard(model: G2pw) -> None:
    assert model("大" + "子" * 15 + "长.")[-2] == "zhang3"
    assert model("大" + "子" * 16 + "长.")[-2] == "chang2"
    long = "长" + "子" * 600 + "大长"  # longer than the model holds: each is asked about alone
    assert (model(long)[0], model(long)[-1]) == ("chang2", "zhang3")


def symbols(text: str, model: G2pw | None) -> str:
    phonemes = phonemise([Span(text, "zh")], symbols_version="v2", polyphones=model)
    return " ".join(SYMBOLS["v2"][index] for index in phonemes.ids)


def test_phonemise_asks_the_model_first_and_changes_tones_after(model: G2pw) -> None:
    assert symbols("头发长行走", None) == "t ou2 f a5 ch ang2 x ing2 z ou3 ."
    assert symbols("孩，头发长。", model).endswith("t ou2 f a5 ch ang2 .")  # each clause for itself
    assert "zh ang2 z ou3" in symbols("孩子长走", model)  # two third tones


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("g2pW.onnx", b"no model", "no model that ONNX Runtime opens"),
        ("g2pW.onnx", None, "has no g2pW.onnx"),
        ("POLYPHONIC_CHARS.txt", b"one\n", "not a character, a tab and a reading"),
        ("bopomofo_to_pinyin_wo_tune_dict.json", b"{", "the g2pW model in"),
        ("config.py", b"use_mask = (", "the g2pW model in"),
        ("vocab.txt", None, "has no vocab.txt"),
    ],
)
def test_a_broken_model_is_named(tmp_path: Path, name: str, content: bytes | None, complaint: str) -> None:
    vocabulary = write_toy(tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(VoiceError, match=complaint):
        G2pw(tmp_path, vocabulary)
