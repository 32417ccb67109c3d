"""GET /v1/voices/{voice}/preview: a voice is heard before a book is given to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from api.preview import SENTENCES
from models_store.manifest import ManifestPrompt, VoiceManifest
from models_store.scripts import thaw
from speech.text.runs import language_of
from tests.api.conftest import Client, Server, problem
from tests.api.test_speech import decode, speaking
from tests.models_store.making import manifest_of, write_files

PREVIEW = "/v1/voices/{}/preview"


@pytest.fixture
def base(keyed: Server, tmp_path: Path) -> VoiceManifest:
    files = write_files(tmp_path / "base", semantic=b"s", decoder=b"d")
    return keyed.office.shelf.install(manifest_of("base", files), files)


def spoken_of(server: Server, client: Client) -> list[str]:
    """The texts of the tenant's speeches, newest first."""
    jobs = client.get("/v1/jobs").json["jobs"]
    chapters = [server.ledger.jobs.chapters(server.tenants["alice"], job["id"])[0] for job in jobs]
    scripts = [thaw(server.office.objects.get(chapter.script_key)) for chapter in chapters]
    return ["".join(utterance.text for utterance in script.utterances) for script in scripts]


def test_a_voice_says_a_sentence_and_says_it_once(keyed: Server, tmp_path: Path) -> None:
    alice = keyed.as_tenant("alice")
    with speaking(keyed.office, tmp_path):
        first, again = (alice.get(PREVIEW.format("stub")) for _ in range(2))
    assert (first.status_code, first.content_type) == (200, "audio/mpeg"), first.text
    assert int(first.headers["Content-Length"]) == len(first.data)
    seconds, _ = decode(first.data)
    assert seconds > 0.3
    assert again.data == first.data
    assert spoken_of(keyed, alice) == [SENTENCES["en"]] * 2
    known = alice.get(PREVIEW.format("stub"), headers={"If-None-Match": first.headers["ETag"]})
    assert (known.status_code, known.data) == (304, b"")
    assert len(alice.get("/v1/jobs").json["jobs"]) == 2, "nobody speaks what is known"


def test_a_cloned_voice_speaks_its_prompts_language_once_it_may(
    keyed: Server, base: VoiceManifest, tmp_path: Path
) -> None:
    alice = keyed.as_tenant("alice")
    shelf = keyed.office.shelf.of(keyed.tenants["alice"])
    files = write_files(tmp_path / "in", prompt=b"p")
    prompt = ManifestPrompt(file="prompt.wav", transcript="你好。", language="yue")
    shelf.install(manifest_of("anna", files, base=base, prompts=(prompt,), languages=("en", "yue")), files)
    assert problem(alice.get(PREVIEW.format("anna")), 409)["type"].endswith("no-consent")
    assert not alice.get("/v1/jobs").json["jobs"]
    shelf.record_consent("anna", "Anna agreed")
    with speaking(keyed.office, tmp_path):
        heard = alice.get(PREVIEW.format("anna"))
    assert heard.status_code == 200, heard.text
    assert spoken_of(keyed, alice) == [SENTENCES["yue"]]


@pytest.mark.parametrize(
    ("voice", "status", "kind"),
    [("nobody", 404, "no-such-voice"), ("Stub", 404, "no-such-voice"), ("base", 409, "no-prompt")],
)
def test_what_cannot_be_heard_is_told(
    keyed: Server, base: VoiceManifest, voice: str, status: int, kind: str
) -> None:
    told = problem(keyed.as_tenant("alice").get(PREVIEW.format(voice)), status)
    assert told["type"].endswith(kind)


def test_hearing_needs_the_scope(keyed: Server) -> None:
    problem(keyed.as_tenant("carol", "read").get(PREVIEW.format("stub")), 403)


def test_there_is_a_sentence_in_every_language_that_cloned_voices_speak() -> None:
    known: dict[str, Any] = {language: language_of(language, "v2") for language in SENTENCES}
    assert set(known.values()) == {"en", "zh", "ja", "ko", "yue"}
