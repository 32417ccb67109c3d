"""Exports and pulls over real HTTP, done by a real worker; published weights come from a hub of our own."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from werkzeug.serving import make_server

from jobs.settings import Settings
from jobs.states import StepKind
from models_store.hub.catalogue import OFFICIAL
from models_store.hub.provenance import provenance_of
from models_store.manifest import ManifestFile, ManifestPrompt, VoiceManifest, weights_digest
from models_store.shelf import Shelf
from models_store.upstream.contents import GPT, SOVITS
from models_store.upstream.convert import convert
from speech.gpt_sovits.files import DECODER, FAMILY, RECOGNISER, SEMANTIC
from speech.stub import WEIGHTS_DIGEST
from tests.api.conftest import Client, Server, problem
from tests.models_store.hub.repository import COMMIT, REPOSITORY, base_files
from tests.models_store.hub.server import Fault, LocalHub, local_hub
from tests.models_store.making import manifest_of, write_files
from tests.models_store.upstream.pairs import write_pair
from tests.models_store.upstream.test_round_trip import packed
from tests.speech.whispering import write_recogniser
from worker.drain import Drain
from worker.workshop import open_workshop

KINDS = (StepKind.EXPORT, StepKind.PULL)
SPEAKER = "sv/pretrained_eres2netv2w24s4ep4.ckpt"
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Line:
    """Somebody at the other end of a real connection."""

    address: str
    key: str

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """The status and the JSON of the answer."""
        status, content = self.fetch(method, path, body)
        return status, json.loads(content)

    def fetch(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """The status and the body of the answer."""
        content = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        asked = Request(self.address + path, content, headers, method=method)  # noqa: S310 - our own server
        try:
            with urlopen(asked, timeout=60) as answer:  # noqa: S310
                return answer.status, answer.read()
        except HTTPError as error:
            return error.code, error.read()

    def job(self, job: dict[str, Any]) -> dict[str, Any]:
        """The job as it stands."""
        shown: dict[str, Any] = self.ask("GET", job["href"])[1]
        return shown


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    with local_hub() as served:
        yield served


@pytest.fixture
def settings(settings: Settings, hub: LocalHub) -> Settings:
    return settings.model_copy(update={"hub": hub.address, "lease_seconds": 5, "renew_seconds": 1})


@pytest.fixture
def alice(keyed: Server) -> Iterator[Line]:
    """At the other end of a socket, with every scope."""
    served = make_server("127.0.0.1", 0, keyed.app, threaded=True)
    thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield Line(f"http://127.0.0.1:{served.server_port}", keyed.as_tenant("alice").key)
    served.shutdown()
    thread.join()
    served.server_close()


@pytest.fixture
def own(keyed: Server, alice: Line) -> Shelf:
    """The shelf as alice sees it."""
    return keyed.office.shelf.of(keyed.tenants["alice"])


@contextmanager
def worker(settings: Settings) -> Iterator[threading.Thread]:
    """A worker that does what is due, in a thread of its own, and ends when nothing is."""
    workshop = open_workshop(settings)
    drain = Drain(workshop, KINDS)
    thread = threading.Thread(target=drain.run)
    thread.start()
    try:
        yield thread
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()
        assert workshop.watch.in_hand() == []
    finally:
        workshop.watch.stop()
        drain.close()
        workshop.voices.close()
        workshop.ledger.close()


def wait_for(condition: Callable[[], Any], *, what: str) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < until, what
        time.sleep(0.02)


def clone(shelf: Shelf, folder: Path, version: str = "v2Pro", name: str = "anna") -> VoiceManifest:
    """A voice with weights of its own, as `voice import` leaves it; its speaker has not agreed yet."""
    gpt, sovits = write_pair(folder, version)
    files = {name: folder / name for name in (SEMANTIC, DECODER, "prompt.wav")}
    files[SEMANTIC].write_bytes(packed(gpt, GPT))
    files[DECODER].write_bytes(packed(sovits, SOVITS))
    files["prompt.wav"].write_bytes(b"sound")
    described = {name: ManifestFile.of(path) for name, path in files.items()}
    manifest = VoiceManifest(
        name=name,
        family=FAMILY,
        weights_digest=weights_digest(described),
        languages=("en", "zh"),
        licence="MIT",
        files=described,
        prompts=(ManifestPrompt(file="prompt.wav", transcript="Hello.", language="en"),),
        parameters={"version": version},
    )
    return shelf.install(manifest, files)


def test_an_exported_pair_comes_back_as_the_same_voice(
    alice: Line, own: Shelf, settings: Settings, tmp_path: Path
) -> None:
    manifest = clone(own, tmp_path / "in")
    own.record_consent("anna", "Anna agreed")
    status, job = alice.ask("POST", "/v1/voices/anna/export")
    assert (status, job["kind"], job["state"]) == (202, "export", "queued")
    assert job["spec"]["voice"] == f"anna@{manifest.version}"
    with worker(settings):
        pass
    job = alice.job(job)
    assert (job["state"], job["error"]) == ("succeeded", None)
    stem = f"anna-{manifest.version[:12]}"
    artefacts = sorted(job["artefacts"], key=lambda each: str(each["name"]))
    assert [each["name"] for each in artefacts] == [f"{stem}.ckpt", f"{stem}.pth"]
    pair = []
    for each in artefacts:
        status, content = alice.fetch("GET", each["href"])
        assert (status, len(content)) == (200, each["bytes"])
        pair.append(tmp_path / each["name"])
        pair[-1].write_bytes(content)
    back = tmp_path / "back"
    back.mkdir()
    assert convert(*pair, back) == "v2Pro", "read as a stranger's files are, by children"
    folder = own.folder(manifest)
    assert folder
    for name in (SEMANTIC, DECODER):
        assert (back / name).read_bytes() == (folder / name).read_bytes(), name


def test_only_an_owner_whose_speaker_agreed_takes_a_voice_away(
    keyed: Server, alice: Line, own: Shelf, settings: Settings, tmp_path: Path
) -> None:
    clone(own, tmp_path / "anna")
    clone(keyed.office.shelf, tmp_path / "house", name="house")
    keyed.office.shelf.record_consent("house", "The house's own")
    bare = write_files(tmp_path / "bare", prompt=b"p")
    prompts = (ManifestPrompt(file="prompt.wav", transcript="Hello.", language="en"),)
    house = keyed.office.shelf.resolve("house")
    own.install(manifest_of("borrowed", bare, base=house, prompts=prompts), bare)
    own.record_consent("borrowed", "Bea agreed")
    bob = keyed.as_tenant("bob")
    for voice, status, kind in (
        ("anna", 409, "no-consent"),
        ("house", 403, "not-yours"),
        ("borrowed", 403, "not-yours"),
        ("draft", 403, "not-yours"),
        ("nobody", 404, "no-such-voice"),
        ("Anna", 404, "no-such-voice"),
    ):
        answered, told = alice.ask("POST", f"/v1/voices/{voice}/export")
        assert (answered, told["type"]) == (status, f"urn:lectorium:problem:{kind}"), voice
    own.record_consent("anna", "Anna agreed")
    assert problem(bob.post("/v1/voices/anna/export"), 404)["type"].endswith("no-such-voice")
    assert problem(bob.post("/v1/voices/anna/export", json={"version": "0" * 12}), 404)
    _, job = alice.ask("POST", "/v1/voices/anna/export")
    (own.root / "_tenants" / keyed.tenants["alice"] / "anna" / "consent.json").unlink()
    with worker(settings):
        pass
    job = alice.job(job)
    assert (job["state"], job["error"]["code"], job["artefacts"]) == ("failed", "voice", [])


def test_what_cannot_be_exported_is_told(keyed: Server, own: Shelf, tmp_path: Path) -> None:
    client = keyed.as_tenant("alice")
    files = write_files(tmp_path / "in", prompt=b"p")
    own.install(
        VoiceManifest(
            name="hum",
            family="stub",
            weights_digest=WEIGHTS_DIGEST,
            languages="any",
            licence="MIT",
            files={name: ManifestFile.of(path) for name, path in files.items()},
        ),
        files,
    )
    assert problem(client.post("/v1/voices/hum/export"), 409)["type"].endswith("not-exportable")
    for body, place in (({"version": "xyz"}, "/version"), ({"folder": "/etc"}, "/folder")):
        assert problem(client.post("/v1/voices/hum/export", json=body), 422)["errors"][0]["pointer"] == place
    problem(client.post("/v1/voices/hum/export", data=b"{", content_type="application/json"), 400)
    problem(client.post("/v1/voices/hum/export", data=b"{}", content_type="text/plain"), 415)


def test_an_idempotency_key_exports_once(keyed: Server, own: Shelf, tmp_path: Path) -> None:
    clone(own, tmp_path)
    own.record_consent("anna", "Anna agreed")
    client, headers = keyed.as_tenant("alice"), {"Idempotency-Key": "k1"}
    first, again = (client.post("/v1/voices/anna/export", headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json["id"] == first.json["id"]
    assert again.headers["Idempotency-Replayed"] == "true"
    problem(client.post("/v1/voices/bea/export", headers=headers), 422)


def test_a_base_is_pulled_after_an_outage_and_told_with_its_licence(
    keyed: Server, alice: Line, settings: Settings, hub: LocalHub
) -> None:
    hub.publish(REPOSITORY, COMMIT, base_files("gpt-sovits-v2"))
    hub.faults["revision"] = [Fault(status=503, headers={"Retry-After": "86400"})]
    wanted = {"names": ["gpt-sovits-v2"], "only": ["base"], "revision": "main"}
    status, job = alice.ask("POST", "/v1/voices/pull", wanted)
    assert (status, job["kind"], job["title"]) == (202, "pull", "gpt-sovits-v2")
    assert job["spec"]["offers"] == [{"name": "gpt-sovits-v2", "title": "GPT-SoVITS v2", "licence": "MIT"}]
    assert job["spec"]["repository"] == OFFICIAL.repository
    with worker(settings):
        pass
    failed = alice.job(job)
    assert (failed["state"], failed["error"]["code"]) == ("failed", "pull")
    assert "answers 503 Service Unavailable" in failed["error"]["message"]

    status, _ = alice.ask("POST", f"{job['href']}/retry")
    assert status == 202
    with worker(settings):
        pass
    done = alice.job(job)
    assert (done["state"], done["error"]) == ("succeeded", None)
    n_bytes = sum(map(len, base_files("gpt-sovits-v2").values()))
    pulled = [{"name": "gpt-sovits-v2", "revision": COMMIT, "is_new": True}]
    assert done["pull"] == {"bytes_done": n_bytes, "bytes": n_bytes, "doing": "", "pulled": pulled}
    bob = keyed.as_tenant("bob").get("/v1/voices/gpt-sovits-v2").json
    assert (bob["own"], bob["versions"][0]["licence"]) == (False, "MIT")


def test_recognisers_are_pulled_by_name_each_from_its_own_repository(
    keyed: Server, alice: Line, settings: Settings, hub: LocalHub, tmp_path: Path
) -> None:
    folder = write_recogniser(tmp_path / "published")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    licences = {"whisper-small": "Apache-2.0", "whisper-large-v3-turbo": "MIT"}
    for number, (name, licence) in enumerate(licences.items()):
        commit = f"{number}" * 40
        hub.publish(f"openai/{name}", commit, files)
        status, job = alice.ask("POST", "/v1/voices/pull", {"names": [name], "revision": "main"})
        assert (status, job["title"]) == (202, name)
        assert job["spec"]["repository"] == f"openai/{name}"
        offer = {"name": RECOGNISER, "title": f"recogniser ({name})", "licence": licence}
        assert job["spec"]["offers"] == [offer]
        with worker(settings):
            pass
        done = alice.job(job)
        assert (done["state"], done["error"]) == ("succeeded", None)
        assert done["pull"]["pulled"] == [{"name": RECOGNISER, "revision": commit, "is_new": True}]
        stands = keyed.office.shelf.backbone(RECOGNISER)
        provenance = provenance_of(stands)
        assert provenance is not None
        assert (provenance.repository, provenance.revision) == (f"openai/{name}", commit)
        assert (stands / "model.safetensors").read_bytes() == files["model.safetensors"]


def test_a_pull_that_was_paused_or_cancelled_goes_on_where_it_was(
    alice: Line, settings: Settings, hub: LocalHub
) -> None:
    hub.publish(REPOSITORY, COMMIT, {SPEAKER: bytes(4_000_000)})
    hub.faults[SPEAKER] = [Fault(pause_seconds=0.02) for _ in range(2)]
    wanted = {"names": ["backbones"], "only": ["speaker"], "revision": COMMIT}
    _, job = alice.ask("POST", "/v1/voices/pull", wanted)
    part = settings.shelf_path / "_pulled" / COMMIT / f"{SPEAKER}.part"

    with worker(settings):
        wait_for(lambda: part.is_file() and part.stat().st_size, what="nothing arrives")
        wait_for(lambda: alice.job(job)["pull"], what="it does not tell how far it is")
        assert alice.ask("POST", f"{job['href']}/pause")[0] == 202
    arrived = part.stat().st_size
    assert 0 < arrived < 4_000_000
    paused = alice.job(job)
    assert paused["state"] == "paused"
    assert paused["pull"]["doing"], "it told what it was doing"

    assert alice.ask("POST", f"{job['href']}/resume")[0] == 202
    hub.asked.clear()
    with worker(settings):
        wait_for(lambda: part.stat().st_size > arrived, what="it does not go on")
        assert alice.ask("POST", f"{job['href']}/cancel")[0] == 202
    assert f"bytes={arrived}-" in [asked.headers.get("range") for asked in hub.asked]
    assert alice.job(job)["state"] == "cancelled"
    assert arrived < part.stat().st_size < 4_000_000, "what has come stays for the next pull"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/names"),
        ({"names": []}, "/names"),
        ({"names": ["gpt-sovits-v4"]}, "/names"),
        ({"names": ["whisper-small", "backbones"]}, "/names"),
        ({"names": ["whisper-small", "whisper-large-v3-turbo"]}, "/names"),
        ({"names": ["whisper-medium"]}, "/names"),
        ({"names": ["whisper-small"], "only": ["speaker"]}, "/only"),
        ({"names": ["http://169.254.169.254/"]}, "/names/0"),
        ({"names": ["backbones"], "only": ["ears"]}, "/only/0"),
        ({"names": ["backbones"], "only": ["base"]}, "/only"),
        ({"names": ["backbones"], "revision": "http://10.0.0.1/x"}, "/revision"),
        ({"names": ["backbones"], "revision": "../../x"}, "/revision"),
        ({"names": ["backbones"], "mirror": "http://10.0.0.1/"}, "/mirror"),
        ({"names": ["backbones"], "hub": "http://10.0.0.1/"}, "/hub"),
    ],
)
def test_no_request_says_where_weights_come_from(
    keyed: Server, hub: LocalHub, body: dict[str, Any], pointer: str
) -> None:
    client: Client = keyed.as_tenant("alice")
    told = problem(client.post("/v1/voices/pull", json=body), 422)
    assert told["errors"][0]["pointer"] == pointer
    assert hub.asked == []
    assert client.get("/v1/jobs").json["jobs"] == []
