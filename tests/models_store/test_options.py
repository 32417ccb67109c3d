"""What is asked of a voice beside its text is checked by the family's own tables, the field named."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.specs import NarrationRequest, SamplingSettings
from models_store.manifest import VoiceManifest
from models_store.options import SETTINGS, OptionError, lexicon_for, sampling_for
from models_store.shelf import FAMILIES
from speech.gpt_sovits.knobs import KNOBS, SPEED
from speech.text.lexicon import Entry, Lexicon, describe_entry


def voice(family: str = "gpt-sovits", languages: Any = ("en", "ja", "ko", "yue", "zh")) -> VoiceManifest:
    return VoiceManifest(
        name="anna", family=family, weights_digest="0" * 64, languages=languages, licence="MIT"
    )


def asking(**fields: Any) -> NarrationRequest:
    return NarrationRequest.model_validate(fields)


def bounds(schema: dict[str, Any]) -> tuple[float, float, bool]:
    """Least, most and whether it is whole, of a field in JSON schema that may be null."""
    number = next((kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"), schema)
    return number["minimum"], number["maximum"], number["type"] == "integer"


def test_the_spec_has_the_settings_of_the_family_with_their_ranges() -> None:
    """The rooms are strangers, so each states the ranges; here they are held together."""
    fields = SamplingSettings.model_json_schema()["properties"]
    assert {name: bounds(field) for name, field in fields.items()} == {
        name: (knob.low, knob.high, knob.is_integer) for name, knob in KNOBS.items()
    }
    assert all(field["default"] is None for field in fields.values())
    speed = NarrationRequest.model_json_schema()["properties"]["speed"]
    assert (*bounds(speed), speed["default"]) == (SPEED.low, SPEED.high, SPEED.is_integer, SPEED.default)


def test_every_family_says_which_settings_it_knows() -> None:
    assert FAMILIES.keys() <= SETTINGS.keys()


def test_what_is_not_asked_for_is_the_familys_default() -> None:
    sampling = sampling_for(voice(), NarrationRequest(speed=1.5))
    assert sampling.speed == 1.5
    assert dict(sampling.settings) == {name: knob.default for name, knob in KNOBS.items()}
    assert sampling_for(voice(), asking(speed=1.5, sampling={"top_k": 15})) == sampling
    other = sampling_for(voice(), asking(speed=1.5, sampling={"top_k": 5, "seed": 7}))
    assert dict(other.settings) == {**dict(sampling.settings), "top_k": 5.0, "seed": 7.0}
    assert list(other.settings) == sorted(other.settings)


@pytest.mark.parametrize("family", ["draft", "stub"])
def test_a_voice_that_does_not_know_a_setting_refuses_it_by_name(family: str) -> None:
    with pytest.raises(
        OptionError, match=r"sampling\.top_k: the voice 'anna' .* has no such setting"
    ) as refused:
        sampling_for(voice(family), asking(sampling={"top_k": 5}))
    assert refused.value.place == ("sampling", "top_k")
    assert sampling_for(voice(family), asking(sampling={})).settings == ()


def test_a_lexicon_is_the_same_there_and_back() -> None:
    lexicon = Lexicon(
        (
            Entry("Hermione", "en", ("HH", "ER0", "M", "AY1", "AH0", "N", "IY0")),
            Entry("김", "ko", ("ㅋ", "ㅣ", "ㅁ")),
            Entry("東京", "ja", respelling="おおさか"),
        )
    )
    assert lexicon_for(voice(), asking(lexicon=tuple(map(describe_entry, lexicon.entries)))) == lexicon


V1 = ("en", "ja", "zh")


@pytest.mark.parametrize(
    ("manifest", "entry", "complaint"),
    [
        (voice(), {"language": "fr", "respelling": "b"}, "language: the voice 'anna' does not speak 'fr'"),
        (voice(), {"language": "en-gb", "respelling": "b"}, "'en-gb' is none of en, ja, ko, yue, zh"),
        (voice(), {"language": "en", "phonemes": "QQ"}, "phonemes: 'QQ' is no symbol of v2"),
        (voice(languages=V1), {"language": "ja", "phonemes": "a ["}, "phonemes: '[' is no symbol of v1"),
        (voice(), {"language": "zh", "phonemes": "a1"}, "phonemes: 1 for 1 characters; each has two"),
        (voice("draft"), {"language": "en", "phonemes": "AH0"}, "phonemes: a draft voice takes a respelling"),
        (voice("draft"), {"language": "tlx", "respelling": "b"}, "does not speak 'tlx'"),
    ],
)
def test_an_entry_of_no_use_is_refused_with_its_place(
    manifest: VoiceManifest, entry: dict[str, str], complaint: str
) -> None:
    good = {"word": "fine", "language": "en", "respelling": "good"}
    with pytest.raises(OptionError) as refused:
        lexicon_for(manifest, asking(lexicon=(good, {"word": "a", **entry})))
    assert complaint in str(refused.value)
    assert refused.value.place == ("lexicon", "1")
    assert "\n" not in str(refused.value)


def test_a_version_that_is_named_says_which_symbols_there_are() -> None:
    asked = asking(lexicon=({"word": "a", "language": "ja", "phonemes": "a ["},))
    named = voice(languages=("ja",)).model_copy(update={"parameters": {"version": "v2Pro"}})
    assert lexicon_for(named, asked).entries[0].phonemes == ("a", "[")
    with pytest.raises(OptionError, match="no symbol of v1"):
        lexicon_for(named.model_copy(update={"parameters": {"version": "v1"}}), asked)


def test_the_stub_takes_any_entry() -> None:
    asked = {"word": "a", "language": "tlx", "phonemes": "b"}
    assert len(lexicon_for(voice("stub", "any"), asking(lexicon=(asked,))).entries) == 1
