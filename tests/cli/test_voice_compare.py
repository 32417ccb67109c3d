"""`lectorium voice compare` and `rollback`, as they are typed."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from cli.main import run
from models_store.manifest import VoiceManifest
from models_store.publishing import publish
from models_store.shelf import Shelf
from speech.gpt_sovits.files import DECODER, SEMANTIC
from tests.models_store.test_publishing import put_base, trained


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[VoiceManifest]:
    monkeypatch.setenv("LECTORIUM_HOME", str(tmp_path / "home"))
    shelf = Shelf(tmp_path / "home" / "shelf")
    base, weights = put_base(shelf, tmp_path)
    learnt = {name: weights / name for name in (DECODER, SEMANTIC)}
    made = []
    for n in (120, 240):
        evaluation = {"rate": 1.0, "spectral_db": 600 / n}
        voice = trained(shelf, tmp_path, base, learnt, n_updates=n, evaluation=evaluation)
        made.append(publish(shelf, voice, weights))
        time.sleep(0.01)  # versions are told apart by the time they came
    return made


def test_two_versions_side_by_side(versions: list[VoiceManifest], capsys: pytest.CaptureFixture[str]) -> None:
    old, new = versions
    assert run(["voice", "compare", f"anna@{old.version[:8]}", "anna", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["updates"] == {"a": "120", "b": "240", "same": False}
    assert told["spectral_db"] == {"a": "5.000", "b": "2.500", "same": False}
    assert told["weights"]["same"] is True
    assert told["energy, kWh"]["a"] == "0.0100 (estimate)"
    assert run(["voice", "compare", "anna", "base"]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert rows[0][1] == f"anna@{new.version[:12]}"
    assert rows[0][2].startswith("base@")
    assert ["updates", "240", "-", "differs"] in rows
    assert run(["voice", "compare", "anna", "ann"]) == 2
    assert "did you mean anna" in capsys.readouterr().err


def test_back_and_forth(versions: list[VoiceManifest], capsys: pytest.CaptureFixture[str]) -> None:
    old, new = versions
    assert run(["voice", "rollback", "anna", old.version[:8]]) == 0
    told = capsys.readouterr()
    assert told.out == f"anna is anna@{old.version[:12]}\n"
    assert f"lectorium voice rollback anna {new.version[:12]}" in told.err
    assert run(["voice", "show", "anna"]) == 0
    assert old.version in capsys.readouterr().out
    assert run(["voice", "rollback", "anna", "ffffff"]) == 2
    assert "version 'ffffff' is none of its versions" in capsys.readouterr().err
    assert run(["voice", "rollback", "anna", new.version]) == 0
