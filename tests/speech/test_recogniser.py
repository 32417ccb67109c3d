from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

from speech.errors import SpeechError, VoiceError
from speech.recogniser import Recogniser
from tests.speech.whispering import (
    BEGIN,
    EN,
    END,
    NO_TIMES,
    SENTENCE,
    TRANSCRIBE,
    ZH,
    letters,
    write_recogniser,
)


@pytest.fixture(scope="module")
def wild(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One whose weights are random: what it says depends on all there is."""
    return write_recogniser(tmp_path_factory.mktemp("wild"), says=None)


def sound(seconds: float, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy((0.1 * rng.standard_normal(round(16_000 * seconds))).astype(np.float32))


def test_what_it_says_is_spelt(tmp_path: Path) -> None:
    folder = write_recogniser(tmp_path, says=" Grüße, 你好…")
    assert Recogniser(folder)([sound(2.0), sound(3.0)], "en") == ["Grüße, 你好…"] * 2


def test_each_token_is_the_likeliest_after_language_work_and_those_before_it(wild: Path) -> None:
    heard = sound(2.0)
    network = WhisperForConditionalGeneration.from_pretrained(wild, dtype=torch.float32).eval()
    features = WhisperFeatureExtractor(8)([heard.numpy()], sampling_rate=16_000, return_tensors="pt")
    with torch.no_grad():
        encoded = network.model.encoder(features["input_features"])
    said: dict[str, list[int]] = {}
    for language, token in (("en", EN), ("zh", ZH)):
        tokens = [BEGIN, token, TRANSCRIBE, NO_TIMES]
        while len(tokens) < 4 + 24:
            with torch.no_grad():
                logits = network(encoder_outputs=encoded, decoder_input_ids=torch.tensor([tokens])).logits[
                    0, -1
                ]
            logits[[1, 2, *range(END + 1, 264), *([220, END] if len(tokens) == 4 else [])]] = -torch.inf
            if (likeliest := int(logits.argmax())) == END:
                break
            tokens.append(likeliest)
        said[language] = tokens[4:]
    for language, tokens in said.items():
        expected = " ".join(bytes(tokens).decode(errors="ignore").split())
        assert Recogniser(wild)([heard], language) == [expected]
        assert len(set(tokens)) > 5
    assert said["en"] != said["zh"]


def test_lanes_do_not_hear_one_another(wild: Path) -> None:
    recogniser = Recogniser(wild)
    lanes = [sound(1.0, 1), sound(29.0, 2), sound(4.0, 3)]
    together = recogniser(lanes, "en")
    assert together == [text for lane in lanes for text in recogniser([lane], "en")]
    assert len(set(together)) == 3
    assert recogniser([], "en") == []


def test_every_byte_has_a_letter() -> None:
    assert len(set(letters())) == 256
    assert letters()[ord(" ")] == "Ġ"  # GPT-2's own, in every vocabulary of its kind


def test_what_it_cannot_hear_is_refused(wild: Path) -> None:
    recogniser = Recogniser(wild)
    assert recogniser.knows("zh-Hans")
    assert not recogniser.knows("yue")
    with pytest.raises(SpeechError, match="has not learnt the language 'yue'"):
        recogniser([sound(1.0)], "yue")
    with pytest.raises(SpeechError, match=r"30\.5 s; the recogniser hears 30 s at once"):
        recogniser([sound(30.5)], "en")


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("model.safetensors", None, "has no model.safetensors"),
        ("vocab.json", None, "has no vocab.json"),
        ("generation_config.json", "[]", "generation_config.json holds something other than settings"),
        ("generation_config.json", "{", "generation_config.json is not JSON"),
        ("generation_config.json", json.dumps({"decoder_start_token_id": 1}), "take a multilingual Whisper"),
    ],
)
def test_a_folder_that_is_none_is_refused_in_one_line(
    tmp_path: Path, name: str, content: str | None, complaint: str
) -> None:
    folder = write_recogniser(tmp_path, SENTENCE)
    (folder / name).unlink() if content is None else (folder / name).write_text(content)
    with pytest.raises(VoiceError, match=complaint) as refused:
        Recogniser(folder)
    assert "\n" not in str(refused.value)
