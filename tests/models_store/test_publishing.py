"""What was trained comes onto the shelf, can be compared, and can be gone back from."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from models_store.lineage import LearntRecording, Lineage
from models_store.manifest import ManifestFile, ManifestPrompt, VoiceManifest, read_manifest, weights_digest
from models_store.publishing import Trained, publish
from models_store.shelf import NotYoursError, Shelf, UnknownVoiceError
from speech.errors import VoiceError
from speech.gpt_sovits.files import ADAPTERS, DECODER, OWN_CONTENT, SEMANTIC
from tests.speech.gpt_sovits.toys import TRANSCRIPT, write_recording
from tests.speech.training.bases import write_base


def put_base(shelf: Shelf, folder: Path) -> tuple[VoiceManifest, Path]:
    """A base that learns, on the shelf; and where its weights are."""
    files = {path.name: path for path in write_base(folder / "base").iterdir()}
    described = {name: ManifestFile.of(path) for name, path in files.items()}
    manifest = VoiceManifest(
        name="base",
        family="gpt-sovits",
        weights_digest=weights_digest(described),
        languages=("en",),
        licence="MIT",
        files=described,
        parameters={"device": "cpu", "n_lanes": 2, "threads": 1, "revision": "main"},
    )
    shelf.install(manifest, files)
    weights = shelf.source(manifest).weights
    assert weights is not None
    return manifest, weights


def prompt_of(folder: Path) -> tuple[ManifestPrompt, Path]:
    recording = write_recording(folder / "prompt.wav")
    return ManifestPrompt(file=recording.name, transcript=TRANSCRIPT, language="en"), recording


def lineage(base: VoiceManifest, **changes: Any) -> Lineage:
    plain: dict[str, Any] = {
        "base": f"{base.name}@{base.version}",
        "recordings": (LearntRecording(name="a.wav", sha256="ab" * 32, seconds=3.5),),
        "options": {"decoder_epochs": 8},
        "n_updates": 120,
        "code": "Lectorium 0",
        "energy_kwh": 0.01,
        "energy_source": "estimate",
        "evaluation": {"rate": 1.1, "spectral_db": 4.0},
    }
    return Lineage(**{**plain, **changes})


def trained(
    shelf: Shelf, folder: Path, base: VoiceManifest, weights: dict[str, Path], **changes: Any
) -> Trained:
    prompt, recording = prompt_of(folder)
    return Trained("anna", base, weights, prompt, recording, lineage(base, **changes), "Anna agreed.")


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


def other_weights(folder: Path, name: str, base: Path) -> dict[str, Path]:
    folder.mkdir()
    (folder / name).write_bytes((base / name).read_bytes())
    return {name: folder / name}


def test_a_network_that_did_not_learn_is_the_bases(shelf: Shelf, tmp_path: Path) -> None:
    base, weights = put_base(shelf, tmp_path)
    learnt = other_weights(tmp_path / "learnt", SEMANTIC, write_base(tmp_path / "other", seed=5))
    manifest = publish(shelf, trained(shelf, tmp_path, base, learnt), weights)
    assert manifest.files[DECODER] == base.files[DECODER]
    assert manifest.files[SEMANTIC] != base.files[SEMANTIC]
    assert manifest.base == ""
    assert "revision" not in manifest.parameters
    assert shelf.resolve("anna") == manifest
    shelf.require_consent(manifest)
    assert read_manifest(manifest.to_json()) == manifest
    again = publish(shelf, trained(shelf, tmp_path, base, learnt), weights)
    assert again.version == manifest.version


def test_what_is_learnt_keeps_the_bases_own_content_backbone(shelf: Shelf, tmp_path: Path) -> None:
    base, weights = put_base(shelf, tmp_path)
    (weights / OWN_CONTENT).mkdir()
    (weights / OWN_CONTENT / "config.json").write_text("{}")
    learnt = other_weights(tmp_path / "learnt", SEMANTIC, write_base(tmp_path / "other", seed=5))
    manifest = publish(shelf, trained(shelf, tmp_path, base, learnt), weights)
    folder = shelf.folder(manifest)
    assert folder is not None
    assert (folder / OWN_CONTENT / "config.json").read_text() == "{}"


def test_adapters_share_the_bases_weights_and_hold_it_there(shelf: Shelf, tmp_path: Path) -> None:
    base, weights = put_base(shelf, tmp_path)
    path = tmp_path / ADAPTERS
    save_file({"blocks.0.qkv.down": torch.zeros(1, 1)}, path)
    manifest = publish(shelf, trained(shelf, tmp_path, base, {ADAPTERS: path}), weights)
    assert manifest.weights_digest == base.weights_digest
    assert manifest.base == f"base@{base.version}"
    assert set(manifest.files) == {ADAPTERS, "prompt.wav"}
    with pytest.raises(VoiceError, match="speak with its weights"):
        shelf.remove("base")
    with pytest.raises(VoiceError, match="adapters stand alone"):
        publish(shelf, trained(shelf, tmp_path, base, {ADAPTERS: path, DECODER: path}), weights)


def test_a_voice_is_pointed_back_and_a_later_version_takes_its_place(shelf: Shelf, tmp_path: Path) -> None:
    base, weights = put_base(shelf, tmp_path)
    learnt = other_weights(tmp_path / "learnt", SEMANTIC, write_base(tmp_path / "other", seed=5))
    versions = []
    for n in range(3):
        versions.append(publish(shelf, trained(shelf, tmp_path, base, learnt, n_updates=n), weights))
        time.sleep(0.01)  # versions are told apart by the time they came
    first, second, third = versions
    assert shelf.resolve("anna") == third
    assert shelf.point("anna", first.version[:12]) == first
    assert Shelf(shelf.root).resolve("anna") == first
    assert shelf.resolve(f"anna@{third.version}") == third
    assert [each.version for each in shelf.list() if each.name == "anna"] == [
        first.version, third.version, second.version,
    ]  # fmt: skip
    time.sleep(0.01)
    fourth = publish(shelf, trained(shelf, tmp_path, base, learnt, n_updates=3), weights)
    assert shelf.resolve("anna") == fourth
    with pytest.raises(UnknownVoiceError, match="version 'abcdef' is none of its versions"):
        shelf.point("anna", "abcdef")
    with pytest.raises(NotYoursError, match="is built in"):
        shelf.point("draft", "abcdef")
    with pytest.raises(UnknownVoiceError, match="did you mean anna"):
        shelf.point("ann", "abcdef")
    shelf.remove("anna")
    assert not (shelf.root / "anna" / "current").exists()
