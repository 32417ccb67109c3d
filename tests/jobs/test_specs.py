"""The validated request: each fault names its field, an unknown field is guessed at."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from jobs.specs import NarrationRequest, NarrationSpec, Source, faults_of


def _faults(given: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as refused:
        NarrationRequest.model_validate_json(json.dumps(given), strict=True)
    return [(".".join(place), what) for place, what in faults_of(refused.value, NarrationRequest)]


def test_smallest_request_is_enough() -> None:
    request = NarrationRequest.model_validate_json('{"text": "Hello."}', strict=True)
    spec = request.narrate(Source(key="k", sha256="0" * 64, n_bytes=6))
    assert (spec.voice, spec.formats, spec.profile, spec.priority) == ("draft", ("m4b",), "podcast", 5)


def test_stored_spec_reads_back_equal() -> None:
    given = {
        "voice": "anna@0123456789ab",
        "language": "en-GB",
        "authors": ["Jane Austen"],
        "chapters": "1-3,5",
        "matter": ["front", "back"],
        "formats": ["m4b", "mp3"],
        "webhook": {"url": "https://example.org/hook"},
        "sampling": {"top_k": 5, "temperature": 0.8, "seed": 7},
        "lexicon": [
            {"word": "Hermione", "language": "EN", "phonemes": "HH ER0 M AY1 AH0 N IY0"},
            {"word": "SQL", "language": "en", "respelling": "sequel"},
        ],
        "text": "x",
    }
    request = NarrationRequest.model_validate_json(json.dumps(given), strict=True)
    spec = request.narrate(Source(key="k", sha256="0" * 64, n_bytes=1, name="emma.epub"))
    assert spec.language == "en-gb"
    stored = spec.model_dump(mode="json")
    assert "text" not in stored
    assert NarrationSpec.model_validate_json(json.dumps(stored), strict=True) == spec


def test_spec_is_immutable() -> None:
    request = NarrationRequest(text="x")
    with pytest.raises(ValidationError):
        request.text = "y"


@pytest.mark.parametrize(
    ("given", "field", "what"),
    [
        ({"chaptrs": "1"}, "chaptrs", "unknown field 'chaptrs'; did you mean 'chapters'?"),
        ({"webhook": {"ulr": "https://a.b"}}, "webhook.ulr", "did you mean 'url'?"),
        ({"zzz": 1}, "zzz", "unknown field 'zzz'"),
        ({"source": {"key": "../etc"}}, "source", "unknown field 'source'"),
        ({"speed": 3}, "speed", "less than or equal to 2"),
        ({"speed": "fast"}, "speed", "valid number"),
        ({"priority": 10}, "priority", "less than or equal to 9"),
        ({"priority": True}, "priority", "valid integer"),
        ({"formats": []}, "formats", "at least 1 item"),
        ({"formats": ["mp3", "mp3"]}, "formats", "names a format twice"),
        ({"formats": ["exe"]}, "formats.0", "'m4b', 'mp3', 'flac', 'opus' or 'wav'"),
        ({"chapters": "1-"}, "chapters", "pattern"),
        ({"chapters": "\u0661"}, "chapters", "pattern"),
        ({"voice": "../../etc/passwd"}, "voice", "pattern"),
        ({"voice": "Anna"}, "voice", "pattern"),
        ({"language": "englisch!"}, "language", "pattern"),
        ({"title": "two\nlines"}, "title", "pattern"),
        ({"title": "nul\x00"}, "title", "pattern"),
        ({"title": "x" * 501}, "title", "at most 500"),
        ({"sampling": {"topk": 5}}, "sampling.topk", "did you mean 'top_k'?"),
        ({"sampling": {"top_k": 0}}, "sampling.top_k", "greater than or equal to 1"),
        ({"sampling": {"top_k": 1.5}}, "sampling.top_k", "valid integer"),
        ({"sampling": {"top_p": 1.01}}, "sampling.top_p", "less than or equal to 1"),
        ({"sampling": {"temperature": -1}}, "sampling.temperature", "greater than or equal to 0"),
        ({"sampling": {"repetition_penalty": 0}}, "sampling.repetition_penalty", "or equal to 0.1"),
        ({"sampling": {"noise_scale": 2.1}}, "sampling.noise_scale", "less than or equal to 2"),
        ({"sampling": {"seed": 2**53}}, "sampling.seed", "less than or equal to"),
        ({"sampling": None}, "sampling", "object"),
        ({"lexicon": [{"word": "a", "langauge": "en"}]}, "lexicon.0.langauge", "did you mean 'language'?"),
        ({"lexicon": [{"word": "a", "language": "en"}]}, "lexicon.0", "either phonemes or a respelling"),
        (
            {"lexicon": [{"word": "a", "language": "en", "phonemes": "B", "respelling": "b"}]},
            "lexicon.0",
            "either phonemes or a respelling",
        ),
        ({"lexicon": [{"word": " ", "language": "en", "phonemes": "B"}]}, "lexicon.0.word", "at least 1"),
        (
            {"lexicon": [{"word": "a", "language": "en", "phonemes": ["B"]}]},
            "lexicon.0.phonemes",
            "valid string",
        ),
        (
            {"lexicon": [{"word": "a", "language": "en", "respelling": "b"}] * 2001},
            "lexicon",
            "at most 2000",
        ),
        ({"text": ""}, "text", "at least 1"),
        ({"text": 7}, "text", "valid string"),
    ],
)
def test_fault_names_its_field(given: dict[str, Any], field: str, what: str) -> None:
    faults = dict(_faults(given))
    assert field in faults
    assert what in faults[field]


def test_every_fault_is_told_at_once() -> None:
    assert [field for field, _ in _faults({"speed": 9, "priority": -1, "chaptrs": "1"})] == [
        "speed",
        "priority",
        "chaptrs",
    ]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "ftp://example.org/",
        "https://",
        "https://me:secret@example.org/",
        "https://127.0.0.1/",
        "https://10.0.0.7/x",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1]/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://[ff02::1]/",
        "https://[::1",
        "https://exa mple.org/",
        "https://example.org/\r\nHost: x",
        "javascript:alert(1)",
        "https://" + "x" * 2000,
    ],
)
def test_webhook_never_points_into_a_network_of_ours(url: str) -> None:
    assert [field for field, _ in _faults({"webhook": {"url": url}})] == ["webhook.url"]
