"""Voices are made, agreed to and removed over HTTP, each tenant's apart from all others'."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from models_store.manifest import VoiceManifest
from tests.api.conftest import Client, Server, problem
from tests.models_store.making import manifest_of, write_files, write_weights
from tests.models_store.speaking import TEXT, Sound, noise, spoken, write_wav

SPEC = {"name": "anna", "base": "base", "transcript": TEXT, "language": "en", "consent": "Anna agreed"}


@pytest.fixture
def base(keyed: Server, tmp_path: Path) -> VoiceManifest:
    files = write_files(tmp_path / "base", semantic=b"s", decoder=b"d")
    return keyed.office.shelf.install(manifest_of("base", files), files)


@pytest.fixture
def alice(keyed: Server, base: VoiceManifest) -> Client:
    return keyed.as_tenant("alice")


@pytest.fixture
def sound(tmp_path: Path) -> bytes:
    return recording(tmp_path, spoken())


def recording(folder: Path, sound: Sound) -> bytes:
    """At 16 kHz, for speed."""
    return write_wav(folder / "ref.wav", sound[::2], rate=16_000).read_bytes()


def make(client: Any, *prompts: bytes, weights: dict[str, bytes] | None = None, **spec: Any) -> TestResponse:
    content = {name: value for name, value in (SPEC | spec).items() if value is not None}
    files: dict[str, Any] = {
        "spec": (io.BytesIO(json.dumps(content).encode()), "spec.json", "application/json"),
        "prompt": [(io.BytesIO(prompt), "ref.wav") for prompt in prompts],
    }
    for part, weight in (weights or {}).items():
        files[part] = (io.BytesIO(weight), f"{part}.safetensors")
    answer: TestResponse = client.post("/v1/voices", data=files, content_type="multipart/form-data")
    return answer


def pointer_of(answer: TestResponse) -> str:
    return str(problem(answer, 422)["errors"][0]["pointer"])


def test_a_voice_is_made_shown_and_heard_of(
    keyed: Server, alice: Client, base: VoiceManifest, sound: bytes
) -> None:
    words = [{"word": "Anna", "language": "en", "respelling": "Ahna"}]
    made = make(alice, sound, description="Anna, reading", licence="CC0-1.0", lexicon=words)
    assert made.status_code == 201, made.text
    assert made.headers["Location"] == "/v1/voices/anna"
    shown = alice.get("/v1/voices/anna").json
    assert shown == made.json
    assert shown["own"] is True
    (version,) = shown["versions"]
    assert version["base"] == f"base@{base.version}"
    assert (version["licence"], version["description"]) == ("CC0-1.0", "Anna, reading")
    assert version["may_speak"] is True
    shelf = keyed.office.shelf.of(keyed.tenants["alice"])
    assert "lexicon.json" in shelf.resolve("anna").files
    (prompt,) = version["prompts"]
    assert (prompt["transcript"], prompt["language"]) == (TEXT, "en")
    assert "anna" in [voice["name"] for voice in alice.get("/v1/voices").json["voices"]]
    assert alice.post("/v1/narrations", json={"text": "x", "voice": "anna"}).status_code == 202
    consent = alice.get("/v1/voices/anna/consent").json
    assert consent["statement"] == "Anna agreed"
    assert consent["prompts"] == [prompt["sha256"]]


def test_the_same_name_again_is_a_new_version(alice: Client, sound: bytes) -> None:
    first = make(alice, sound).json["versions"][0]["version"]
    assert [version["version"] for version in make(alice, sound).json["versions"]] == [first]
    versions = make(alice, sound, description="newer").json["versions"]
    assert [version["description"] for version in versions] == ["newer", ""]


def test_a_voice_brings_its_own_weights_as_safetensors(alice: Client, sound: bytes, tmp_path: Path) -> None:
    semantic, decoder = (path.read_bytes() for path in write_weights(tmp_path / "own", "v1"))
    made = make(alice, sound, base=None, weights={"semantic": semantic, "decoder": decoder})
    assert made.status_code == 201, made.text
    (version,) = made.json["versions"]
    assert (version["base"], version["languages"]) == (None, ["en", "ja", "zh"])


def test_weights_that_are_no_safetensors_are_refused_with_their_part(
    alice: Client, sound: bytes, tmp_path: Path
) -> None:
    semantic, decoder = (path.read_bytes() for path in write_weights(tmp_path / "own"))
    hostile = pickle.dumps(print)
    for weights, part, words in (
        ({"semantic": hostile, "decoder": decoder}, "/semantic", "is a pickle"),
        ({"semantic": semantic, "decoder": b"PK\x03\x04" + bytes(99)}, "/decoder", "is a pickle"),
        ({"semantic": semantic[:-1], "decoder": decoder}, "/semantic", "is cut off"),
        ({"semantic": b"", "decoder": decoder}, "/semantic", "is no safetensors file"),
        ({"semantic": decoder, "decoder": semantic}, "/decoder", "lacks the weight"),
        ({"semantic": semantic}, "/decoder", "is missing"),
    ):
        answer = make(alice, sound, base=None, weights=weights)
        assert pointer_of(answer) == part
        assert words in answer.json["detail"]
    both = make(alice, sound, weights={"semantic": semantic, "decoder": decoder})
    assert pointer_of(both) == "/base"
    assert pointer_of(make(alice, sound, base=None)) == "/base"


@pytest.mark.parametrize(
    ("spec", "pointer"),
    [
        ({"name": "Anna"}, "/name"),
        ({"name": None}, "/name"),
        ({"consent": None}, "/consent"),
        ({"consent": "  "}, "/consent"),
        ({"consent": "x" * 4001}, "/consent"),
        ({"transcript": None}, "/transcript"),
        ({"transcript": "Hi."}, "/transcript"),
        ({"transcript": TEXT + "\x00"}, "/transcript"),
        ({"language": "tlh"}, "/language"),
        ({"base": "nobody"}, "/base"),
        ({"base": "stub"}, "/base"),
        ({"base": "../x"}, "/base"),
        ({"owner": "bob"}, "/owner"),
        ({"lexicon": [{"word": "Anna", "language": "ja", "respelling": "アンナ"}]}, "/lexicon"),
        ({"lexicon": [{"word": "Anna", "language": "en"}]}, "/lexicon/0"),
    ],
)
def test_a_spec_that_will_not_do_names_the_field(
    alice: Client, sound: bytes, spec: dict[str, Any], pointer: str
) -> None:
    assert pointer_of(make(alice, sound, **spec)) == pointer
    problem(alice.get("/v1/voices/anna"), 404)


def test_recordings_that_will_not_do_are_told_with_the_figure(
    alice: Client, sound: bytes, tmp_path: Path
) -> None:
    noisy = recording(tmp_path, spoken() + noise(spoken().size, -30))
    for prompts, words in (
        ((), "is missing"),
        ((b"",), "prompt 1: "),
        ((b"not sound",), "prompt 1: cannot be read as sound"),
        ((sound, noisy), "prompt 2: noisy: speech stands "),
        ((sound, sound), "the same recording"),
        ((b"x",) * 6, "6 recordings; at most 5"),
    ):
        answer = make(alice, *prompts)
        assert pointer_of(answer) == "/prompt"
        assert words in answer.json["detail"]


def test_a_request_with_far_too_many_files_is_told_how_many_it_may_have(alice: Client) -> None:
    """Each is an open file of the server's: it stops at the first that is too many, and says so as 422."""
    answer = make(alice, *[b"x"] * 40)
    assert pointer_of(answer) == ""
    assert answer.json["detail"] == "has more than 16 files"


@pytest.mark.parametrize("path", ["/v1/voices", "/v1/trainings", "/v1/narrations"])
@pytest.mark.parametrize("header", ['form-data; name="%0A&"', "form-data"])
def test_a_part_without_a_name_is_refused(alice: Client, path: str, header: str) -> None:
    body = f"--b\r\nContent-Disposition: {header}\r\n\r\n{{}}\r\n--b--\r\n"
    answer = alice.post(path, data=body.encode(), content_type="multipart/form-data; boundary=b")
    assert pointer_of(answer) in {"/", "/%0A&"}
    assert answer.json["detail"].startswith(f"{pointer_of(answer)}: unknown part; known are spec, ")


def test_other_bodies_and_parts_are_refused(alice: Client, sound: bytes) -> None:
    problem(alice.post("/v1/voices", json=SPEC), 415)
    spec = json.dumps(SPEC)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"spec": spec, "weights": (io.BytesIO(b"x"), "x")}, "/weights"),
        ({"spec": spec, "prompt": "not a file"}, "/prompt"),
        ({"prompt": (io.BytesIO(sound), "ref.wav")}, "/name"),
    ]
    for parts, pointer in wrong:
        answer = alice.post("/v1/voices", data=parts, content_type="multipart/form-data")
        assert pointer_of(answer) == pointer
    answer = alice.post("/v1/voices", data={"spec": "{"}, content_type="multipart/form-data")
    problem(answer, 400)


def test_a_name_for_everybody_is_taken(alice: Client, sound: bytes) -> None:
    for name in ("base", "draft", "stub"):
        assert problem(make(alice, sound, name=name), 409)["type"].endswith("name-taken")


def test_a_cloned_voice_without_consent_may_not_speak(
    keyed: Server, alice: Client, base: VoiceManifest, tmp_path: Path
) -> None:
    shelf = keyed.office.shelf.of(keyed.tenants["alice"])
    files = write_files(tmp_path / "in", prompt=b"p")
    shelf.install(manifest_of("anna", files, base=base), files)
    assert alice.get("/v1/voices/anna").json["versions"][0]["may_speak"] is False
    assert problem(alice.get("/v1/voices/anna/consent"), 404)["type"].endswith("no-consent")
    refused = alice.post("/v1/narrations", json={"text": "x", "voice": "anna"})
    assert pointer_of(refused) == "/voice"
    put = alice.open("/v1/voices/anna/consent", method="PUT", json={"statement": "Anna agreed"})
    assert put.status_code == 200
    assert put.json == alice.get("/v1/voices/anna/consent").json
    assert alice.get("/v1/voices/anna").json["versions"][0]["may_speak"] is True
    assert alice.post("/v1/narrations", json={"text": "x", "voice": "anna"}).status_code == 202


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 422), ({"statement": ""}, 422), ({"statement": " "}, 422), ({"statement": 1}, 422), ("{", 400)],
)
def test_a_statement_that_is_none_is_refused(alice: Client, sound: bytes, body: Any, status: int) -> None:
    make(alice, sound)
    given = {"data": body} if isinstance(body, str) else {"json": body}
    problem(alice.open("/v1/voices/anna/consent", method="PUT", **given), status)
    assert alice.get("/v1/voices/anna/consent").json["statement"] == "Anna agreed"


def test_a_voice_is_removed_by_version_or_whole(alice: Client, sound: bytes) -> None:
    first = make(alice, sound).json["versions"][0]["version"]
    second = make(alice, sound, description="newer").json["versions"][0]["version"]
    assert alice.open(f"/v1/voices/anna/versions/{first[:8]}", method="DELETE").status_code == 204
    assert [v["version"] for v in alice.get("/v1/voices/anna").json["versions"]] == [second]
    problem(alice.open(f"/v1/voices/anna/versions/{first}", method="DELETE"), 404)
    gone = alice.open("/v1/voices/anna", method="DELETE")
    assert (gone.status_code, gone.data) == (204, b"")
    problem(alice.open("/v1/voices/anna", method="DELETE"), 404)
    problem(alice.get("/v1/voices/anna"), 404)


def test_a_voice_that_others_stand_on_stays(alice: Client, sound: bytes, tmp_path: Path) -> None:
    semantic, decoder = (path.read_bytes() for path in write_weights(tmp_path / "own"))
    make(alice, sound, name="hers", base=None, weights={"semantic": semantic, "decoder": decoder})
    assert make(alice, sound, base="hers").status_code == 201
    refused = problem(alice.open("/v1/voices/hers", method="DELETE"), 409)
    assert refused["type"].endswith("in-use")
    assert "anna@" in refused["detail"]


def test_what_is_for_everybody_is_not_for_anybody_to_change(alice: Client) -> None:
    assert alice.get("/v1/voices/base").json["own"] is False
    for name in ("base", "draft"):
        for path, method, given in (
            (f"/v1/voices/{name}", "DELETE", {}),
            (f"/v1/voices/{name}/versions/{'0' * 64}", "DELETE", {}),
            (f"/v1/voices/{name}/consent", "PUT", {"json": {"statement": "I say so"}}),
            (f"/v1/voices/{name}/consent", "GET", {}),
        ):
            assert problem(alice.open(path, method=method, **given), 403)["type"].endswith("not-yours")


def test_a_stranger_finds_nothing_of_anothers_voice(keyed: Server, alice: Client, sound: bytes) -> None:
    made = make(alice, sound, description="alice's secret").json
    version = made["versions"][0]["version"]
    bob = keyed.as_tenant("bob")
    walks: list[tuple[str, str, Any]] = [
        ("/v1/voices/{}", "GET", None),
        ("/v1/voices/{}", "DELETE", None),
        ("/v1/voices/{}/versions/" + version, "DELETE", None),
        ("/v1/voices/{}/consent", "GET", None),
        ("/v1/voices/{}/consent", "PUT", {"statement": "mine"}),
    ]
    for path, method, body in walks:
        hers = bob.open(path.format("anna"), method=method, json=body)
        nobodys = bob.open(path.format("nobody"), method=method, json=body)
        assert (hers.status_code, hers.data) == (404, nobodys.data)
    assert "secret" not in bob.get("/v1/voices").text
    refused = bob.post("/v1/narrations", json={"text": "x", "voice": f"anna@{version}"})
    nobodys = bob.post("/v1/narrations", json={"text": "x", "voice": f"bnna@{version}"})
    assert refused.status_code == nobodys.status_code == 422
    assert refused.text.replace("anna", "bnna") == nobodys.text
    his = make(bob, sound, transcript=TEXT.replace("old", "odd"))
    assert his.status_code == 201
    assert his.json["versions"][0]["version"] != version
    assert alice.get("/v1/voices/anna").json == made


def test_making_needs_the_scope(keyed: Server, base: VoiceManifest, sound: bytes) -> None:
    reader = keyed.as_tenant("carol", "read", "narrate")
    problem(make(reader, sound), 403)
    for path, method in (
        ("/v1/voices/anna", "DELETE"),
        ("/v1/voices/anna/versions/abcdef", "DELETE"),
        ("/v1/voices/anna/consent", "PUT"),
    ):
        problem(reader.open(path, method=method), 403)


def test_a_broken_voice_hides_no_other(keyed: Server, alice: Client, base: VoiceManifest) -> None:
    folder = keyed.office.shelf.folder(base)
    assert folder is not None
    (folder / "manifest.json").write_text("{")
    voices = [voice["name"] for voice in alice.get("/v1/voices").json["voices"]]
    assert "draft" in voices
    assert "base" not in voices
    problem(alice.get("/v1/voices/base"), 404)
    refused = alice.post("/v1/narrations", json={"text": "x", "voice": "base"})
    assert pointer_of(refused) == "/voice"
    assert str(keyed.office.shelf.root) not in refused.text


def test_a_shelf_that_cannot_be_written_says_so(serve: Any, settings: Any, sound: bytes) -> None:
    (settings.home / "shelf").write_text("not a folder")
    server = serve(settings)
    body = problem(server.local().open("/v1/voices/draft", method="DELETE"), 503)
    assert body["type"].endswith("shelf")
    assert str(settings.home) not in body["detail"]


def test_without_keys_a_voice_is_there_for_everybody(server: Server, keyed: Server, sound: bytes) -> None:
    files = write_files(server.office.settings.home / "base", semantic=b"s", decoder=b"d")
    server.office.shelf.install(manifest_of("base", files), files)
    local = server.local()
    assert make(local, sound).json["own"] is True
    assert (server.office.shelf.root / "anna").is_dir()
    shown = keyed.as_tenant("alice").get("/v1/voices/anna").json  # both servers look at one shelf
    assert shown["own"] is False
    assert shown["versions"][0]["may_speak"] is True
