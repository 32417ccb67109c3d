"""`lectorium voice pull`, as it is typed: against a hub of our own, and from a folder."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cli.doctor import LOOKS
from cli.main import run
from cli.transfers import Lines, Meter
from jobs.settings import Settings
from models_store.hub.catalogue import OFFICIAL
from models_store.hub.provenance import provenance_of
from models_store.manifest import ManifestFile
from models_store.shelf import Shelf
from speech.gpt_sovits import open_voice
from speech.voice import PromptFile
from tests.cli.conftest import Shell
from tests.models_store.hub.repository import COMMIT, REPOSITORY, backbone_files, base_files, write_folder
from tests.models_store.hub.server import Fault, LocalHub, local_hub
from tests.speech.gpt_sovits.toys import TRANSCRIPT, request, write_recording
from tests.speech.whispering import write_recogniser

ROOT = Path(__file__).resolve().parents[2]


ASTRAY = {
    "HF_ENDPOINT": "http://127.0.0.1:9",
    "HF_HUB_OFFLINE": "1",
    "HF_TOKEN": "hf_secret",
    "HF_HUB_ETAG_TIMEOUT": "0",
}
"""Variables that would lead the hub's own library astray."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LECTORIUM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    with local_hub() as hub:
        hub.publish(REPOSITORY, COMMIT, {"README.md": b"# weights"})
        monkeypatch.setenv("LECTORIUM_HUB", hub.address)
        yield hub


@pytest.mark.parametrize(
    ("arguments", "line", "status"),
    [
        (["gpt-sovits-v4"], "'gpt-sovits-v4' is nothing that can be pulled; did you mean ", 2),
        (["backbones", "--only", "ears"], "--only: 'ears' is none of base, content, linguistic, speaker", 2),
        (["backbones", "--mirror", "ftp://x"], "hub: 'ftp://x' is no http:// or https:// address", 2),
        (["backbones", "--mirror", "http://x", "--from", "."], "--mirror: not together with --from", 2),
        (["backbones", "--from", "nowhere"], "nowhere: no such folder", 2),
        (["backbones", "whisper-small"], "'whisper-small' has a repository of its own: pull it alone", 2),
        (["backbones", "--revision", "v9"], "lj1995/GPT-SoVITS at v9: the hub has no such revision", 2),
    ],
)
def test_what_cannot_be_is_one_line(
    arguments: list[str], line: str, status: int, server: LocalHub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["voice", "pull", *arguments]) == status
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(line)
    assert len(printed.err.splitlines()) == 1


def test_a_failed_pull_is_status_1_and_the_licence_was_told_before(
    server: LocalHub, capsys: pytest.CaptureFixture[str]
) -> None:
    server.faults["revision"] = [Fault(status=503, headers={"Retry-After": "86400"})]
    assert run(["voice", "pull", "backbones", "--revision", "main"]) == 1
    assert capsys.readouterr().err == (
        "lj1995/GPT-SoVITS at main: 127.0.0.1 answers 503 Service Unavailable; "
        "it asks to come back in 86400 s\n"
    )
    assert run(["voice", "pull", "gpt-sovits-v2", "--only", "base", "--revision", "main"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "GPT-SoVITS v2: licence MIT"
    assert lines[-1].endswith("the repository has no such file at this revision")


NO_NETWORK = """
import socket, sys
def refuse(*arguments, **named): raise AssertionError("a network call at import time")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
import cli.main
assert not {"huggingface_hub", "httpx2", "torch"} & set(sys.modules)
import models_store.hub.pull, models_store.hub.install
assert "huggingface_hub" in sys.modules and "torch" not in sys.modules
"""


def test_nothing_is_asked_of_the_network_at_import_time() -> None:
    subprocess.run([sys.executable, "-c", NO_NETWORK], check=True, cwd=ROOT)


@pytest.mark.slow
def test_a_base_and_its_backbones_are_pulled_and_speak(shell: Shell, tmp_path: Path) -> None:
    """The whole way, in an environment that would lead the hub's own library astray."""
    with local_hub() as hub:
        hub.publish(REPOSITORY, COMMIT, {**backbone_files(), **base_files("gpt-sovits-v2pro")})
        done = shell.run(
            *("voice", "pull", "gpt-sovits-v2Pro", "--revision", "main", "--mirror", hub.address, "--json"),
            HF_HOME=str(tmp_path / "hf"),
            **ASTRAY,
        )
        assert done.returncode == 0, done.stderr
        assert not any("authorization" in asked.headers for asked in hub.asked)
        sent = {path: len(content) for path, content in hub.files[REPOSITORY, COMMIT].items()}
        del sent["chinese-hubert-base/preprocessor_config.json"]  # nothing of ours reads it
        assert dict(hub.bytes_sent) == sent
    assert not (tmp_path / "hf").exists()
    pulled = json.loads(done.stdout)
    names = ["gpt-sovits-v2pro", "content", "linguistic", "speaker"]
    assert [(each["name"], each["revision"], each["is_new"]) for each in pulled] == [
        (name, COMMIT, True) for name in names
    ]
    assert "Traceback" not in done.stderr
    assert "GPT-SoVITS v2Pro: licence MIT" in done.stderr.splitlines()

    shelf = Shelf(shell.home / "shelf")
    base = shelf.resolve("gpt-sovits-v2pro")
    assert base.parameters == {"version": "v2Pro", "revision": COMMIT}
    assert base.prompts == ()
    assert base.licence == OFFICIAL.bases[base.name].licence
    prompt = PromptFile(write_recording(tmp_path / "prompt.wav"), TRANSCRIPT, "en")
    source = replace(shelf.source(base), prompts=(prompt,), folder=tmp_path)
    voice = open_voice(source)
    (take,) = voice.speak(iter([request("今天天气很好。", "zh")]))
    voice.close()
    assert take.samples.size > 0
    verdict, line = LOOKS["weights"](Settings(home=shell.home))
    assert (verdict, line) == ("ok", "bases: gpt-sovits-v2pro; backbones: content, linguistic, speaker")


def test_ctrl_c_ends_it_at_once_and_keeps_what_has_arrived(shell: Shell) -> None:
    path = "sv/pretrained_eres2netv2w24s4ep4.ckpt"
    with local_hub() as hub:
        hub.publish(REPOSITORY, COMMIT, {path: bytes(4_000_000)})
        hub.faults[path] = [Fault(pause_seconds=0.02)]
        arguments = ("voice", "pull", "backbones", "--only", "speaker", "--revision", "main")
        with shell.start(*arguments, "--mirror", hub.address, **ASTRAY) as process:
            part = shell.home / "shelf" / "_pulled" / COMMIT / f"{path}.part"
            while process.poll() is None and not (part.is_file() and part.stat().st_size):
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=60)
        assert not any("authorization" in asked.headers for asked in hub.asked)
    assert process.returncode == 130
    assert told.splitlines()[-1] == "stopped"
    assert 0 < part.stat().st_size < 4_000_000


@pytest.mark.slow
def test_a_pull_that_is_killed_twice_leaves_nothing_half_and_is_taken_up(shell: Shell) -> None:
    files = base_files("gpt-sovits-v2")
    base = OFFICIAL.bases["gpt-sovits-v2"]
    path = base.semantic.path
    arguments = ("voice", "pull", base.name, "--only", "base", "--revision", "main", "--mirror")
    shelf = Shelf(shell.home / "shelf")
    before = shelf.list()
    with local_hub() as hub:
        hub.publish(REPOSITORY, COMMIT, files)
        hub.faults[path] = [Fault(pause_seconds=0.05)]
        with shell.start(*arguments, hub.address) as process:
            part = shelf.root / "_pulled" / COMMIT / f"{path}.part"
            while process.poll() is None and not (part.is_file() and part.stat().st_size):
                time.sleep(0.05)
            process.kill()
            assert process.wait(timeout=60) == -signal.SIGKILL
        arrived = part.stat().st_size
        assert 0 < arrived < len(files[path])
        assert (shelf.list(), shelf.broken()) == (before, ())
        hub.asked.clear()

        with shell.start(*arguments, hub.address) as process:
            while process.poll() is None and not list(part.parents[2].glob("making-*")):
                time.sleep(0.01)
            process.kill()
            assert process.wait(timeout=60) == -signal.SIGKILL
        ranges = [asked.headers["range"] for asked in hub.asked if "range" in asked.headers]
        assert f"bytes={arrived}-" in ranges, "it goes on at the byte where it was"
        assert (shelf.list(), shelf.broken()) == (before, ())
        hub.bytes_sent.clear()

        done = shell.run(*arguments, hub.address, "--json")
        assert done.returncode == 0, done.stderr
        assert not hub.bytes_sent, "what had arrived whole is not fetched again"
    [pulled] = json.loads(done.stdout)
    assert (pulled["name"], pulled["revision"], pulled["is_new"]) == (base.name, COMMIT, True)
    manifest = shelf.resolve(base.name)
    folder = shelf.folder(manifest)
    assert folder
    provenance = provenance_of(folder)
    assert provenance
    assert provenance.files == {name: hashlib.sha256(files[name]).hexdigest() for name in files}
    assert {name: ManifestFile.of(folder / name) for name in manifest.files} == manifest.files
    assert [left.name for left in (shelf.root / "_pulled").iterdir()] == [".lock"]


def test_a_folder_is_pulled_from_as_its_revision(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_folder(tmp_path / "clone", backbone_files())
    pull = ["voice", "pull", "backbones", "--only", "speaker", "--from", str(folder)]
    assert run(pull) == 1
    assert "not the file of revision 336b2ec4e8d4" in capsys.readouterr().err
    assert run([*pull, "--revision", "mine"]) == 0
    place = home / "shelf" / "_backbones" / "speaker"
    assert capsys.readouterr().out == f"{'speaker':<21} {'pulled':<9} {'mine':<12} {place}\n"


def test_a_recogniser_is_pulled_from_a_folder_and_the_doctor_sees_it(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_recogniser(tmp_path / "clone")
    assert run(["voice", "pull", "whisper-small", "--from", str(folder), "--revision", "mine"]) == 0
    place = home / "shelf" / "_backbones" / "recogniser"
    printed = capsys.readouterr()
    assert printed.out == f"{'recogniser':<21} {'pulled':<9} {'mine':<12} {place}\n"
    assert "recogniser (whisper-small): licence Apache-2.0" in printed.err
    assert LOOKS["weights"](Settings(home=home))[1] == "bases: none; backbones: recogniser"


def test_figures_of_what_arrives(capsys: pytest.CaptureFixture[str]) -> None:
    meter = Meter()
    meter.expected = 2_000_000
    meter.count(500_000, arrived=False)
    assert meter.figures() == "500.0 kB of 2.0 MB", "what was found says nothing of the line's speed"
    meter.count(1000, arrived=True)
    assert meter.figures().startswith("501.0 kB of 2.0 MB")
    lines = Lines()
    lines.expect(10)
    lines.advance(10)
    lines.line("done")
    assert capsys.readouterr().err == "done\n"
