"""`lectorium train --now` as a user runs it: one command, its own worker, and a voice that was not there."""

from __future__ import annotations

import json

import pytest

from models_store.shelf import Shelf
from speech.gpt_sovits.files import ADAPTERS
from tests.cli.conftest import Shell
from tests.models_store.speaking import write_wav
from tests.worker.learning import put_on, recordings


@pytest.mark.slow
def test_recordings_become_a_voice_by_one_command(shell: Shell) -> None:
    shelf = Shelf(shell.home / "shelf")
    base = put_on(shelf)
    sounds, texts = recordings(2)
    for name, sound in sounds.items():
        write_wav(shell.folder / name, sound)
    rows = [f"folder/{name}|anna|EN|{text}\n" for name, text in texts.items()]
    (shell.folder / "said.list").write_text("".join(rows), encoding="utf-8")
    call = ["train", *sounds, "--list", "said.list", "--name", "anna", "--base", "base", "--language", "en"]
    call += ["--consent", "Anna agreed, 2 May 2026", "--now", "-o", "out", "--adapter-rank", "2"]
    call += ["--semantic-epochs", "2", "--semantic-passes", "1", "--least-per-epoch", "1"]
    done = shell.run(*call, LECTORIUM_WINDOW="00:00-00:01 UTC")
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0] == "the voice anna is trained"
    assert "Wh" in said[1]
    assert {path.name for path in (shell.folder / "out").iterdir()} == {
        "report.json", "evaluation.json", "evaluation.png", "losses.jsonl", "losses.png", "preview.wav",
    }  # fmt: skip
    told = json.loads((shell.folder / "out" / "report.json").read_text("utf-8"))
    assert told["n_kept"] == 2
    manifest = shelf.resolve("anna")
    assert manifest.base == f"base@{base.version}"
    assert ADAPTERS in manifest.files
    shelf.require_consent(manifest)
    again = shell.run(*call)
    assert (again.returncode, shelf.resolve("anna").version) == (0, manifest.version)
    assert "trained before with these recordings and options" in again.stderr
