from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from models_store.manifest import VoiceManifest
from tests.api.conftest import Server, problem


def shelve(server: Server, name: str, description: str) -> str:
    """The version of a voice that now stands on the shelf."""
    manifest = VoiceManifest(
        name=name,
        family="draft",
        weights_digest="1" * 64,
        languages=("en", "zh"),
        licence="MIT",
        description=description,
    )
    folder = server.office.shelf.root / name / manifest.version
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
    return manifest.version


def test_voices_are_listed_by_name_with_their_versions(server: Server, client: FlaskClient) -> None:
    versions = {shelve(server, "zora", "first"), shelve(server, "zora", "second")}
    voices = {voice["name"]: voice for voice in client.get("/v1/voices").json["voices"]}
    assert {"draft", "stub", "zora"} <= set(voices)
    assert list(voices) == sorted(voices)
    assert {version["version"] for version in voices["zora"]["versions"]} == versions
    assert voices["stub"]["versions"][0]["languages"] is None


def test_a_voice_shows_languages_and_licence(server: Server, client: FlaskClient) -> None:
    shelve(server, "zora", "a voice")
    voice = client.get("/v1/voices/zora").json
    assert voice["href"] == "/v1/voices/zora"
    (version,) = voice["versions"]
    assert version["languages"] == ["en", "zh"]
    assert version["licence"] == "MIT"


@pytest.mark.parametrize("name", ["nobody", "..", "%2e%2e", "zora@1", "Draft", "x" * 500, "%00"])
def test_a_voice_that_is_not_there_is_not_found(client: FlaskClient, name: str) -> None:
    problem(client.get(f"/v1/voices/{name}"), 404)


def test_a_narration_may_name_the_version(server: Server, client: FlaskClient) -> None:
    version = shelve(server, "zora", "a voice")
    for voice, status in (("zora", 202), (f"zora@{version[:8]}", 202), ("zora@000000", 422)):
        assert client.post("/v1/narrations", json={"text": "x", "voice": voice}).status_code == status
