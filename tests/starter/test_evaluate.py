"""The evaluation: rows that stand for themselves, and batches that neither lose nor double a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from speech.errors import SpeechError
from speech.gpt_sovits.recording import resample
from speech.voice import Request, Samples, Take
from starter import flite
from starter.evaluate import Heard, likeness_row, prompts_of, speak_all, speed_row, words_row
from starter.narrators import Narrator
from starter.pictures import draw
from starter.recogniser import Count, Hearing
from starter.semantic import Sentence
from starter.timbre import Narrators, embed
from tests.starter.test_semantic import sentence

TEXTS = ["The old man.", "The sea.", "The old man."]


def heard(*pairs: tuple[str, str]) -> Heard:
    return Heard(
        tuple(Hearing.of(said.split(), found.split()) for said, found in pairs),
        tuple(np.zeros(32_000, np.float32) for _ in pairs),
        doubtful=0,
        processor_seconds=0.5,
    )


def backwards(requests: Iterator[Request]) -> Iterator[Take]:
    """Takes in another order; each tells in its samples how long its text is."""
    for request in reversed(list(requests)):
        yield Take(request.key, np.zeros(len(request.utterance.text), np.float32))


def test_takes_come_in_the_order_of_their_texts_and_equal_texts_are_two() -> None:
    assert [len(take.samples) for take in speak_all(backwards, TEXTS)] == [12, 8, 12]


def test_a_batch_that_loses_or_doubles_a_sentence_is_told() -> None:
    with pytest.raises(SpeechError, match="1 of 3 sentences have no take, the first is 'The old man"):
        speak_all(lambda requests: list(backwards(requests))[1:], TEXTS)
    with pytest.raises(SpeechError, match="came twice"):
        speak_all(lambda requests: 2 * list(backwards(requests)), TEXTS)


def test_words_stand_beside_flites() -> None:
    said = "the old man and the sea"
    of_flite = {
        name: Count.of(heard((said, said), (said, "the old map and the sea")).hearings)
        for name in ("rms", "slt")
    }
    row = words_row(of_flite, {"slt": heard((said, "the old man the sea"), (said, "the old man and a sea"))})
    assert list(row) == ["rms", "slt"]
    assert list(row["rms"]) == ["flite"]
    assert row["slt"]["ratio"] == 2.0
    assert row["slt"]["starter"]["lost"] == 1
    assert [one["mistaken"] for one in row["slt"]["sentences"]] == [0, 1]
    assert speed_row([heard((said, said)), heard((said, said), (said, said))]) == {
        "audio_seconds": 3.0,
        "processor_seconds": 1.0,
        "audio_seconds_per_processor_second": 3.0,
    }


def test_a_prompt_is_a_sentence_of_three_to_five_seconds_of_an_unchanged_narrator() -> None:
    def lasting(number: int, narrator: str, n: int, *, is_held_out: bool = False) -> Sentence:
        return replace(
            sentence(number, narrator, is_held_out=is_held_out), tokens=torch.zeros(n, dtype=torch.int64)
        )

    sentences = [
        lasting(0, "rms", 60),
        lasting(1, "rms", 80, is_held_out=True),
        lasting(2, "rms", 100),
        lasting(3, "rms", 90),
        lasting(4, "slt@200 stretch 1 tract 1", 100),
    ]
    assert {name: one.name for name, one in prompts_of(sentences).items()} == {"rms": "00000:02"}


def test_narrators_are_told_by_their_recordings() -> None:
    if not flite.is_installed():
        pytest.skip("flite is not installed: apt-get install flite")
    texts = ("Good morning to you all.", "We were away a year ago.", "Nobody knows where she lives.")

    def sounds(voice: str) -> list[Samples]:
        spoken = (flite.speak(Narrator(voice), text).sound for text in texts)
        return [resample(sound.float() / 32768, 16_000, 32_000).numpy() for sound in spoken]

    recordings = {voice: sounds(voice) for voice in ("rms", "slt", "kal")}
    narrators = Narrators.of({voice: of[:2] for voice, of in recordings.items()})
    assert embed(recordings["rms"][0]).shape == (26,)
    row = likeness_row(narrators, {voice: of[2:] for voice, of in recordings.items()})
    assert (row["right"], row["of"]) == (3, 3)
    swapped = likeness_row(narrators, {"rms": recordings["slt"][2:]})
    assert (swapped["right"], swapped["taken_for"]) == (0, {"rms": {"slt": 1}})


def test_pictures_show_what_there_is(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    said = "the old man"
    of_flite = {"rms": Count.of(heard((said, said)).hearings)}
    assert draw({"words": words_row(of_flite, {})}, tmp_path) == [tmp_path / "words.png"]
    (tmp_path / "semantic").mkdir()
    (tmp_path / "semantic" / "losses.jsonl").write_text('{"update": 25, "token": 3.1, "held_out": 3.3}\n')
    row = words_row(of_flite, {"rms": heard((said, "the old man man"))})
    for path in draw({"words": row}, tmp_path):
        assert path.read_bytes().startswith(b"\x89PNG")
