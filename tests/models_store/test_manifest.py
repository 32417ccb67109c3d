"""The manifest: what a voice version is, and what it must not be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from models_store.manifest import ManifestError, ManifestFile, VoiceManifest, read_manifest

CONTENT: dict[str, Any] = {
    "name": "anna",
    "family": "gpt-sovits",
    "weights_digest": "ab" * 32,
    "languages": ["de", "en"],
    "licence": "CC0-1.0",
    "description": "Anna, reading",
    "files": {"weights/semantic.safetensors": {"sha256": "cd" * 32, "bytes": 12}},
    "parameters": {"prompt_text": "Höre zu.", "top_k": 5, "half": True, "pace": 0.5},
}

FILE = {"sha256": "cd" * 32, "bytes": 12}
PROMPT = {"file": "p.wav", "transcript": "Hello.", "language": "en"}


def read(**changes: object) -> VoiceManifest:
    return read_manifest(json.dumps({**CONTENT, **changes}), place="anna/manifest.json")


def test_a_manifest_is_read_and_written_back() -> None:
    manifest = read()
    assert manifest.name == "anna"
    assert manifest.languages == ("de", "en")
    assert manifest.files["weights/semantic.safetensors"] == ManifestFile(sha256="cd" * 32, bytes=12)
    assert manifest.parameters == CONTENT["parameters"]
    assert isinstance(manifest.parameters["half"], bool)
    assert read_manifest(manifest.to_json()) == manifest
    assert read_manifest(manifest.canonical()).version == manifest.version


def test_the_version_is_the_digest_of_the_content_and_stays() -> None:
    # The folders of every shelf are named by this: it may never change for a given content.
    assert read().version == "941ecb106702ae865328088bab9e6b84a637f6a366610b9bd2f1fd4100de19ad"
    assert read_manifest(json.dumps(dict(reversed(CONTENT.items())), indent=3)).version == read().version


@pytest.mark.parametrize(
    "changes",
    [{"name": "bert"}, {"languages": ["de"]}, {"parameters": {"top_k": 6}}, {"files": {}}],
)
def test_another_content_is_another_version(changes: dict[str, object]) -> None:
    assert read(**changes).version != read().version


def test_a_field_at_its_default_leaves_the_version_alone() -> None:
    # So that a field this program learns one day renames no older version.
    assert read(base="", prompts=[]).version == read().version
    assert (
        read(parameters={}).version
        == read_manifest(
            json.dumps({name: value for name, value in CONTENT.items() if name != "parameters"})
        ).version
    )


def test_a_second_prompt_may_give_timbre_only() -> None:
    files = {"p.wav": FILE, "q.wav": FILE}
    manifest = read(prompts=[PROMPT, {**PROMPT, "file": "q.wav", "transcript": ""}], files=files)
    assert manifest.is_cloned
    assert not read().is_cloned


def test_a_manifest_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        read().name = "bert"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"licens": "MIT"}, "licens: unknown field; did you mean 'licence'?"),
        ({"zzz": 1}, "zzz: unknown field; known are name, family, weights_digest"),
        (
            {"files": {"a": {"sha256": "cd" * 32, "byte": 1, "bytes": 1}}},
            "byte: unknown field; did you mean 'bytes'?",
        ),
        ({"name": "Anna"}, "name: must be 1 to 64 lower-case letters"),
        ({"name": "../anna"}, "name: must be"),
        ({"name": ""}, "name: must be"),
        ({"name": "a" * 65}, "name: must be"),
        ({"weights_digest": "AB" * 32}, "weights_digest: String should match"),
        ({"languages": "en"}, "languages"),
        (
            {"files": {"../x": {"sha256": "cd" * 32, "bytes": 1}}},
            "files: '../x' is not a plain relative path",
        ),
        ({"files": {"/x": {"sha256": "cd" * 32, "bytes": 1}}}, "is not a plain relative path"),
        ({"files": {"a\\b": {"sha256": "cd" * 32, "bytes": 1}}}, "is not a plain relative path"),
        ({"files": {"a": {"sha256": "cd" * 32, "bytes": -1}}}, "files.a.bytes: "),
        ({"files": {"a": {"sha256": "cd" * 32, "bytes": "1"}}}, "files.a.bytes: "),
        ({"parameters": {"a": float("nan")}}, "parameters.a"),
        ({"parameters": {"a": None}}, "parameters.a"),
        ({"family": 3}, "family: Input should be a valid string"),
        ({"prompts": [PROMPT]}, "prompts.0.file: 'p.wav' is not in files"),
        (
            {"prompts": [{**PROMPT, "transcript": ""}], "files": {"p.wav": FILE}},
            "prompts.0.transcript: is empty",
        ),
        ({"files": {"manifest.json": FILE}}, "files: 'manifest.json' is the manifest itself"),
    ],
)
def test_a_wrong_manifest_is_one_line_that_names_the_field(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        read(**changes)
    assert str(caught.value).startswith("anna/manifest.json: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"name": "a"}', b"\xff\xfe"])
def test_what_is_no_manifest_is_one_line(text: str | bytes) -> None:
    with pytest.raises(ManifestError) as caught:
        read_manifest(text, place="here")
    assert str(caught.value).startswith("here: ")
    assert "\n" not in str(caught.value)
