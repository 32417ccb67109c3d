"""Each tenant sees its own voices and those for everybody, and nothing of another tenant's."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.ids import LOCAL_TENANT, new_id
from models_store.consent import ConsentError
from models_store.manifest import VoiceManifest
from models_store.shelf import InUseError, NameTakenError, NotYoursError, Shelf, UnknownVoiceError
from tests.models_store.making import manifest_of, write_files

ALICE, BOB = new_id(), new_id()


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


def put_base(shelf: Shelf, folder: Path, name: str = "base", weights: bytes = b"s") -> VoiceManifest:
    files = write_files(folder, semantic=weights, decoder=b"d")
    return shelf.install(manifest_of(name, files), files)


def put_clone(
    shelf: Shelf, base: VoiceManifest, folder: Path, *, name: str = "anna", prompt: bytes = b"p"
) -> VoiceManifest:
    files = write_files(folder, prompt=prompt)
    return shelf.install(manifest_of(name, files, base=base), files)


def names(shelf: Shelf) -> list[str]:
    return [manifest.name for manifest in shelf.list() if manifest.family == "gpt-sovits"]


def test_the_same_name_is_another_voice_for_each_tenant(shelf: Shelf, tmp_path: Path) -> None:
    base = put_base(shelf, tmp_path)
    alice, bob = shelf.of(ALICE), shelf.of(BOB)
    hers = put_clone(alice, base, tmp_path, prompt=b"alice's Anna")
    his = put_clone(bob, base, tmp_path, prompt=b"bob's Anna")
    assert hers.version != his.version
    for view, own, other in ((alice, hers, his), (bob, his, hers)):
        assert view.resolve("anna") == own
        assert view.resolve(f"anna@{own.version}") == own
        with pytest.raises(UnknownVoiceError):
            view.resolve(f"anna@{other.version}")
        assert names(view) == ["anna", "base"]
        content = view.source(own).prompts[0].path.read_bytes()
        assert content == (b"alice's Anna" if own is hers else b"bob's Anna")
        assert view.source(own).weights == shelf.folder(base)
        assert view.source(own).backbones == shelf.root / "_backbones"
    assert names(shelf) == ["base"]
    with pytest.raises(UnknownVoiceError) as caught:
        shelf.resolve("anna")
    assert ALICE not in str(caught.value)


def test_a_strangers_names_are_no_guesses(shelf: Shelf, tmp_path: Path) -> None:
    put_clone(shelf.of(ALICE), put_base(shelf, tmp_path), tmp_path, name="alices-secret")
    with pytest.raises(UnknownVoiceError) as caught:
        shelf.of(BOB).resolve("alices-secret")
    assert str(caught.value).count("alices-secret") == 1


def test_the_local_tenants_voices_are_for_everybody_to_read(shelf: Shelf, tmp_path: Path) -> None:
    base = put_base(shelf.of(LOCAL_TENANT), tmp_path)
    anna = put_clone(shelf, base, tmp_path)
    shelf.record_consent("anna", "Anna agreed")
    alice = shelf.of(ALICE)
    assert alice.resolve("anna") == anna
    assert alice.folder(anna) == shelf.folder(anna)
    alice.require_consent(anna)
    assert shelf.owns("anna")
    assert not alice.owns("anna")
    for change in (lambda: alice.remove("anna"), lambda: alice.record_consent("anna", "I say so")):
        with pytest.raises(NotYoursError, match="'anna' is there for everybody; only the operator"):
            change()
    with pytest.raises(NameTakenError, match="'anna' is there for everybody; choose another name"):
        put_clone(alice, base, tmp_path, prompt=b"another")
    statement = shelf.consent_of("anna")
    assert statement is not None
    assert statement.statement == "Anna agreed"


def test_a_later_voice_for_everybody_changes_nothing_for_whoever_had_the_name(
    shelf: Shelf, tmp_path: Path
) -> None:
    base = put_base(shelf, tmp_path)
    alice = shelf.of(ALICE)
    hers = put_clone(alice, base, tmp_path, prompt=b"hers")
    shared = put_clone(shelf, base, tmp_path, prompt=b"for everybody")
    assert alice.resolve("anna") == hers
    assert alice.resolve(f"anna@{shared.version}") == shared
    assert alice.folder(shared) == shelf.folder(shared)
    assert shelf.of(BOB).resolve("anna") == shared
    newer = put_clone(alice, base, tmp_path, prompt=b"hers again")
    assert alice.resolve("anna") == newer


def test_consent_is_each_tenants_own(shelf: Shelf, tmp_path: Path) -> None:
    base = put_base(shelf, tmp_path)
    alice, bob = shelf.of(ALICE), shelf.of(BOB)
    anna = put_clone(alice, base, tmp_path)
    assert put_clone(bob, base, tmp_path) == anna
    alice.record_consent("anna", "Anna agreed")
    alice.require_consent(anna)
    with pytest.raises(ConsentError, match="no consent is on record"):
        bob.require_consent(anna)


def test_a_base_stays_while_any_tenants_voice_stands_on_it(shelf: Shelf, tmp_path: Path) -> None:
    base = put_base(shelf, tmp_path)
    alice = shelf.of(ALICE)
    anna = put_clone(alice, base, tmp_path)
    with pytest.raises(InUseError, match=rf"anna@{anna.version[:12]} of tenant {ALICE} speak"):
        shelf.remove("base")
    alice.remove("anna")
    shelf.remove("base")


def test_removing_ones_own_leaves_anothers(shelf: Shelf, tmp_path: Path) -> None:
    base = put_base(shelf, tmp_path)
    alice, bob = shelf.of(ALICE), shelf.of(BOB)
    put_clone(alice, base, tmp_path)
    kept = put_clone(bob, base, tmp_path)
    alice.remove("anna")
    assert names(alice) == ["base"]
    assert bob.resolve("anna") == kept


@pytest.mark.parametrize("tenant_id", ["", "..", "../anna", "a", "0" * 25, ALICE.lower(), f"{ALICE}/.."])
def test_what_is_no_tenant_has_no_shelf(shelf: Shelf, tenant_id: str) -> None:
    with pytest.raises(ValueError, match="is no tenant's id"):
        shelf.of(tenant_id)
