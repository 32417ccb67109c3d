from __future__ import annotations

import json

import pytest

from models_store.manifest import VoiceManifest
from models_store.scripts import Script, freeze, thaw
from speech.text.lexicon import Entry, Lexicon
from speech.text.utterance import Boundary, Span, Utterance
from speech.voice import Sampling

VOICE = VoiceManifest(
    name="ann", family="stub", weights_digest="0" * 64, languages="any", licence="MIT", description=""
)
UTTERANCES = (
    Utterance((Span("Er sagte: ", "de"), Span("never mind.", "en")), Boundary.PARAGRAPH),
    Utterance((Span("第一回 “雨”", "zh"),), Boundary.HEADING),
)


def test_a_script_comes_back_as_it_was_frozen() -> None:
    script = Script.write(UTTERANCES, voice=VOICE, sampling=Sampling(1.25, (("top_k", 5.0),)))
    assert thaw(freeze(script)) == script


def test_a_script_names_voice_and_version() -> None:
    script = Script.write(UTTERANCES, voice=VOICE, sampling=Sampling())
    assert script.voice == f"ann@{VOICE.version}"


def test_equal_scripts_freeze_to_equal_bytes() -> None:
    first = Script.write(UTTERANCES, voice=VOICE, sampling=Sampling())
    second = Script.write(iter(UTTERANCES), voice=VOICE, sampling=Sampling())
    assert freeze(first) == freeze(second)


def test_a_boundary_does_not_change_a_key() -> None:
    moved = tuple(Utterance(utterance.spans, Boundary.BREAK) for utterance in UTTERANCES)
    here = Script.write(UTTERANCES, voice=VOICE, sampling=Sampling())
    there = Script.write(moved, voice=VOICE, sampling=Sampling())
    assert here.keys == there.keys


def test_a_newer_format_is_refused_by_number() -> None:
    frozen = json.loads(freeze(Script.write(UTTERANCES, voice=VOICE, sampling=Sampling())))
    with pytest.raises(ValueError, match="script format 3"):
        thaw(json.dumps({**frozen, "format": 3}).encode())


LEXICON = Lexicon(
    (
        Entry("mind", "en", ("M", "AY1", "N", "D")),
        Entry("雨", "zh", respelling="语"),
        Entry("never", "en", respelling="nevver"),
        Entry("nowhere", "en", respelling="no where"),
    )
)


def test_an_utterance_has_the_entries_of_its_own_words() -> None:
    script = Script.write(UTTERANCES, voice=VOICE, sampling=Sampling(), lexicon=LEXICON)
    words = [[entry.word for entry in script.request(index).lexicon] for index in range(2)]
    assert words == [["mind", "never"], ["雨"]]
    assert thaw(freeze(script)) == script


def test_an_entry_changes_the_keys_of_the_utterances_it_occurs_in() -> None:
    before = Script.write(UTTERANCES, voice=VOICE, sampling=Sampling(), lexicon=LEXICON).keys
    other = Lexicon.join(LEXICON, Lexicon((Entry("雨", "zh", respelling="鱼"),)))
    after = Script.write(UTTERANCES, voice=VOICE, sampling=Sampling(), lexicon=other).keys
    assert before[0] == after[0]
    assert before[1] != after[1]


def test_a_script_of_the_format_before_lexicons_is_still_read() -> None:
    script = Script.write(UTTERANCES, voice=VOICE, sampling=Sampling())
    frozen = json.loads(freeze(script))
    del frozen["lexicon"]
    for utterance in frozen["utterances"]:
        del utterance["lexicon"]
    assert thaw(json.dumps({**frozen, "format": 1}).encode()) == script
