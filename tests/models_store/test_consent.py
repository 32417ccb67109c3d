"""A cloned voice speaks after consent is on record, and for the recordings it was given for."""

from __future__ import annotations

import json
import re
import threading
from datetime import datetime
from pathlib import Path

import pytest

from models_store.consent import ConsentError
from models_store.manifest import ManifestError, VoiceManifest
from models_store.shelf import NotYoursError, Shelf, UnknownVoiceError
from speech.errors import VoiceError
from tests.models_store.making import manifest_of, write_files

ASK = "run: lectorium voice consent anna "


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


def clone(shelf: Shelf, folder: Path, prompt: bytes = b"Anna speaks", **changes: str) -> VoiceManifest:
    files = write_files(folder, semantic=b"s", decoder=b"d", prompt=prompt)
    return shelf.install(manifest_of("anna", files, **changes), files)


def test_a_cloned_voice_may_not_speak_without_consent(shelf: Shelf, tmp_path: Path) -> None:
    anna = clone(shelf, tmp_path)
    assert shelf.consent_of("anna") is None
    for refuse in (shelf.require_consent, shelf.open):
        with pytest.raises(ConsentError) as caught:
            refuse(anna)
        assert str(caught.value).startswith("voice 'anna' is cloned, and no consent is on record; ")
        assert ASK in str(caught.value)
        assert "\n" not in str(caught.value)
    shelf.record_consent("anna", "Anna agreed")
    shelf.require_consent(anna)
    with pytest.raises(VoiceError) as refused:  # the family's own word now: these bytes are no weights
        shelf.open(anna)
    assert not isinstance(refused.value, ConsentError)


def test_the_record_says_what_when_and_for_which_recordings(shelf: Shelf, tmp_path: Path) -> None:
    anna = clone(shelf, tmp_path)
    made = shelf.record_consent("anna", "  Anna agreed,\n by letter  of 3 May ")
    assert shelf.consent_of("anna") == made
    assert made.statement == "Anna agreed, by letter of 3 May"
    assert datetime.fromisoformat(made.recorded_at).tzinfo is not None
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", made.recorded_at)
    assert made.prompts == (anna.files["prompt.wav"].sha256,)
    assert Shelf(shelf.root).consent_of("anna") == made


def test_consent_to_one_recording_is_none_to_another(shelf: Shelf, tmp_path: Path) -> None:
    first = clone(shelf, tmp_path)
    shelf.record_consent("anna", "Anna agreed")
    reworded = clone(shelf, tmp_path, description="another version, the same recording")
    shelf.require_consent(reworded)
    other = clone(shelf, tmp_path, prompt=b"somebody else speaks")
    with pytest.raises(ConsentError, match="the consent on record is older than it"):
        shelf.require_consent(other)
    shelf.require_consent(first)
    shelf.record_consent("anna", "both agreed")
    for version in (first, reworded, other):
        shelf.require_consent(version)


def test_voices_of_nobody_need_none(shelf: Shelf, tmp_path: Path) -> None:
    shelf.require_consent(shelf.resolve("draft"))
    files = write_files(tmp_path, semantic=b"s", decoder=b"d")
    shelf.require_consent(shelf.install(manifest_of("base", files), files))
    assert shelf.consent_of("draft") is None


def test_consent_goes_with_the_last_version(shelf: Shelf, tmp_path: Path) -> None:
    first, second = clone(shelf, tmp_path), clone(shelf, tmp_path, description="second")
    shelf.record_consent("anna", "Anna agreed")
    shelf.remove(f"anna@{second.version}")
    shelf.require_consent(first)
    shelf.remove("anna")
    again = clone(shelf, tmp_path)
    with pytest.raises(ConsentError, match="no consent is on record"):
        shelf.require_consent(again)


@pytest.mark.parametrize(
    ("name", "statement", "error", "message"),
    [
        ("anna", "", ConsentError, "the statement is empty"),
        ("anna", " \n", ConsentError, "the statement is empty"),
        ("anna", "a" * 4001, ConsentError, "has 4001 characters; at most 4000"),
        ("ana", "yes", UnknownVoiceError, "did you mean anna"),
        ("draft", "yes", NotYoursError, "'draft' is built in"),
        ("../anna", "yes", UnknownVoiceError, "is not on the shelf"),
    ],
)
def test_what_is_no_consent_is_refused(
    shelf: Shelf, tmp_path: Path, name: str, statement: str, error: type[Exception], message: str
) -> None:
    clone(shelf, tmp_path)
    with pytest.raises(error, match=message):
        shelf.record_consent(name, statement)
    assert shelf.consent_of("anna") is None


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("{", "Invalid JSON"),
        ("[]", "Input should be an object"),
        (json.dumps({"statement": "", "recorded_at": "", "prompts": []}), "statement: "),
        (json.dumps({"statement": "x", "recorded_at": "", "prompts": [], "who": ""}), "who: "),
    ],
)
def test_a_broken_record_is_no_consent(shelf: Shelf, tmp_path: Path, content: str, fault: str) -> None:
    anna = clone(shelf, tmp_path)
    (shelf.root / "anna" / "consent.json").write_text(content)
    with pytest.raises(ManifestError) as caught:
        shelf.require_consent(anna)
    assert f"anna/consent.json: {fault}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_record_is_old_or_new_and_never_half(shelf: Shelf, tmp_path: Path) -> None:
    clone(shelf, tmp_path)
    shelf.record_consent("anna", "first")
    stop = threading.Event()
    seen: set[str] = set()

    def look() -> None:
        while not stop.is_set():
            consent = Shelf(shelf.root).consent_of("anna")
            seen.add(consent.statement if consent else "none")

    thread = threading.Thread(target=look)
    thread.start()
    for number in range(30):
        shelf.record_consent("anna", f"statement {number} " + "x" * 3000)
    stop.set()
    thread.join(30)
    assert all(words == "first" or len(words) > 3000 for words in seen)
    assert [path.name for path in (shelf.root / "anna").glob(".*")] == []
