"""The fidelity gate: a short chapter is rendered by the starter voice, recognised, and compared word by word.

It needs the starter's voices on the shelf `models_store/starter`, as its last stage puts them there.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from models_store.shelf import Shelf
from speech.errors import VoiceError
from speech.text.script import read
from starter.evaluate import hear_voice, voice_name
from starter.narrators import VOICES
from starter.recogniser import Count, Recogniser

SHELF = Path(__file__).resolve().parents[2] / "models_store" / "starter"
CHAPTER = """The house stood at the end of a long road. Nobody had lived there for twenty years.

On Monday morning a man came to the door. "Is anyone at home?" he asked in a low voice. There was no answer.

He waited for a moment under the old tree, and then he went in. The kitchen was cold and dark. On the table he
found a letter, three books, and a small box made of wood. "That is very strange," he said.

He sat down by the window and began to read."""
MOST_WRONG = 0.2
"""Share of the words. PocketSphinx gets 0.04 of them wrong where flite's `rms` itself reads this chapter."""


def test_every_sentence_of_a_chapter_is_heard_once() -> None:
    shelf = Shelf(SHELF)
    narrator = next(iter(VOICES))
    try:
        shelf.resolve(voice_name(narrator))
    except VoiceError:
        pytest.skip(f"there is no voice {voice_name(narrator)} in models_store/starter yet: `make starter`")
    paragraphs = [("paragraph", [(part.replace("\n", " "), "en")]) for part in CHAPTER.split("\n\n")]
    texts = [utterance.text.strip() for utterance in read(paragraphs)]
    heard = hear_voice(shelf, voice_name(narrator), texts, Recogniser())
    told = "\n".join(
        f"{text!r}: lost {one.lost}, doubled {one.doubled}, invented {one.invented}, mistaken {one.mistaken}"
        for text, one in zip(texts, heard.hearings, strict=True)
    )
    for one in heard.hearings:
        assert one.lost <= max(1, len(one.said) // 3), told
        assert one.doubled <= max(1, len(one.said) // 4), told
        assert one.invented <= max(2, len(one.said) // 2), told
    count = Count.of(heard.hearings)
    assert count.sentences_lost == 0, told
    assert count.word_error_rate <= MOST_WRONG, told
