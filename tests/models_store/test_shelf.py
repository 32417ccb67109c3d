"""The shelf: voices are found by name, with a guess where they are not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models_store.manifest import ManifestError, VoiceManifest
from models_store.shelf import NameTakenError, NotYoursError, Shelf, UnknownVoiceError
from speech.draft import NARRATORS
from speech.errors import VoiceError
from speech.text.utterance import Span, Utterance
from speech.voice import Request


def put(
    root: Path, name: str, description: str = "", *, family: str = "stub", second: int = 0
) -> VoiceManifest:
    """A voice version on the shelf, written at that second."""
    manifest = VoiceManifest(
        name=name,
        family=family,
        weights_digest="ab" * 32,
        languages=("en",),
        licence="CC0-1.0",
        description=description,
    )
    path = root / name / manifest.version / "manifest.json"
    path.parent.mkdir(parents=True)
    path.write_text(manifest.to_json(), "utf-8")
    os.utime(path, (second, second))
    return manifest


def test_a_draft_voice_is_found_and_speaks(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "absent")
    manifest = shelf.resolve("draft-f2")
    assert "pt-br" in manifest.languages
    voice = shelf.open(manifest)
    (take,) = voice.speak(iter([Request("k", Utterance((Span("Olá!", "pt-br"),)))]))
    voice.close()
    assert np.abs(take.samples).max() > 0.1


def test_the_drafts_are_listed_and_the_stub_only_where_asked(tmp_path: Path) -> None:
    assert [manifest.name for manifest in Shelf(tmp_path).list()] == sorted(NARRATORS)
    with pytest.raises(UnknownVoiceError, match="voice 'stub' is not on the shelf"):
        Shelf(tmp_path).resolve("stub")
    shelf = Shelf(tmp_path, with_stub=True)
    assert "stub" in [manifest.name for manifest in shelf.list()]
    assert shelf.open(shelf.resolve("stub")).n_lanes == 1


def test_draft_narrators_are_versions_of_their_own_with_one_engine(tmp_path: Path) -> None:
    manifests = Shelf(tmp_path).list()
    assert len({manifest.version for manifest in manifests}) == len(manifests)
    assert len({manifest.weights_digest for manifest in manifests}) == 1


def test_a_voice_on_disk_is_listed_newest_version_first(tmp_path: Path) -> None:
    old = put(tmp_path, "anna", "old", second=100)
    new = put(tmp_path, "anna", "new", second=200)
    bert = put(tmp_path, "bert")
    shelf = Shelf(tmp_path)
    assert [manifest for manifest in shelf.list() if manifest.family == "stub"] == [new, old, bert]
    assert shelf.resolve("anna") == new
    assert shelf.resolve(f"anna@{old.version}") == old
    assert shelf.resolve(f"anna@{old.version[:8]}") == old
    assert shelf.folder(old) == tmp_path / "anna" / old.version
    assert shelf.folder(shelf.resolve("draft")) is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ana", "voice 'ana' is not on the shelf; did you mean anna?"),
        ("draft-f7", "did you mean draft-f"),
        ("zebedee", "known are anna, draft, draft-f1"),
        ("", "voice '' is not on the shelf"),
        ("../anna", "voice '../anna' is not on the shelf; did you mean anna"),
        ("anna/..", "is not on the shelf"),
        (".", "is not on the shelf"),
        ("..", "is not on the shelf"),
        ("anna\0", "is not on the shelf"),
        ("anna@", "voice 'anna': version '' is none of its versions; there are "),
        ("anna@zzzzzzzz", "version 'zzzzzzzz' is none of its versions"),
        ("draft@00000000", "voice 'draft': version '00000000' is none"),
    ],
)
def test_an_unknown_voice_is_an_error_with_a_guess(tmp_path: Path, name: str, message: str) -> None:
    put(tmp_path / "shelf", "anna")
    with pytest.raises(UnknownVoiceError) as caught:
        Shelf(tmp_path / "shelf").resolve(name)
    assert message in str(caught.value)


def test_a_version_needs_six_digits(tmp_path: Path) -> None:
    manifest = put(tmp_path, "anna")
    with pytest.raises(UnknownVoiceError, match="is none of its versions"):
        Shelf(tmp_path).resolve(f"anna@{manifest.version[:5]}")
    assert Shelf(tmp_path).resolve(f"anna@{manifest.version[:6]}") == manifest


def test_a_version_under_another_name_is_refused(tmp_path: Path) -> None:
    manifest = put(tmp_path, "anna")
    (tmp_path / "anna" / manifest.version).rename(tmp_path / "anna" / ("00" * 32))
    with pytest.raises(ManifestError, match=f"the folder is not named after the version, {manifest.version}"):
        Shelf(tmp_path).resolve("anna")
    (tmp_path / "anna").rename(tmp_path / "bert")
    with pytest.raises(ManifestError, match="name: 'anna' does not stand in its own folder"):
        Shelf(tmp_path).resolve("bert")


def test_a_broken_voice_does_not_hide_the_others(tmp_path: Path) -> None:
    manifest = put(tmp_path, "anna")
    broken = put(tmp_path, "bert")
    (tmp_path / "bert" / broken.version / "manifest.json").write_text("{", "utf-8")
    assert Shelf(tmp_path).resolve("anna") == manifest
    with pytest.raises(ManifestError, match="bert"):
        Shelf(tmp_path).resolve("bert")
    shelf = Shelf(tmp_path)
    assert [found for found in shelf.list() if found.family == "stub"] == [manifest]
    (fault,) = shelf.broken()
    assert str(fault).startswith(str(tmp_path / "bert" / broken.version / "manifest.json"))


def test_a_broken_version_hides_no_older_one_that_is_asked_for(tmp_path: Path) -> None:
    old = put(tmp_path, "anna", "old", second=100)
    new = put(tmp_path, "anna", "new", second=200)
    path = tmp_path / "anna" / new.version / "manifest.json"
    path.write_text("{", "utf-8")
    assert Shelf(tmp_path).resolve(f"anna@{old.version}") == old
    with pytest.raises(ManifestError, match=new.version):
        Shelf(tmp_path).resolve("anna")


def test_a_version_without_a_manifest_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "anna" / ("00" * 32)).mkdir(parents=True)
    with pytest.raises(ManifestError, match=r"anna/0+/manifest.json: No such file"):
        Shelf(tmp_path).resolve("anna")


def test_what_is_being_written_is_not_listed(tmp_path: Path) -> None:
    manifest = put(tmp_path, "anna")
    (tmp_path / "anna" / ".incoming").mkdir()
    (tmp_path / ".incoming").mkdir()
    (tmp_path / "notes.txt").write_text("not a voice")
    assert [found for found in Shelf(tmp_path).list() if found.family == "stub"] == [manifest]


def test_a_built_in_name_cannot_be_taken_on_disk(tmp_path: Path) -> None:
    put(tmp_path, "draft")
    with pytest.raises(ManifestError, match="called 'draft': that is the name of a built-in"):
        Shelf(tmp_path).resolve("draft")


def test_what_is_shipped_stands_on_every_shelf_and_stays(tmp_path: Path) -> None:
    shipped = put(tmp_path / "shipped", "anna", family="stub")
    shelf = Shelf(tmp_path / "shelf", shipped=tmp_path / "shipped").of("0000000000000000000000000A")
    assert shelf.resolve("anna") == shipped
    assert "anna" in [manifest.name for manifest in shelf.list()]
    assert not shelf.owns("anna")
    with pytest.raises(NotYoursError, match="comes with Lectorium and cannot be changed"):
        shelf.remove("anna")
    with pytest.raises(NameTakenError, match="'anna' is there for everybody"):
        shelf.install(shipped, {})
    assert shelf.open(shelf.resolve("anna")).n_lanes == 1


def test_an_unknown_family_is_an_error_with_a_guess(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    with pytest.raises(VoiceError, match="voice 'anna': family 'drafft' is unknown; did you mean 'draft'"):
        shelf.open(put(tmp_path, "anna", family="drafft"))


def test_reading_a_shelf_loads_no_engine() -> None:
    code = """
import sys
from pathlib import Path
from models_store.shelf import Shelf
Shelf(Path("/nowhere")).list()
print([name for name in ("torch", "espeakng_loader", "sqlalchemy", "flask") if name in sys.modules])
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout == "[]\n"
