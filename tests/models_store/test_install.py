"""A version arrives whole or not at all, and leaves nobody without weights."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from models_store import stock
from models_store.manifest import ManifestError, ManifestFile, VoiceManifest, weights_digest
from models_store.shelf import InUseError, Shelf, UnknownVoiceError, UnwritableError
from speech.errors import VoiceError
from tests.models_store.making import manifest_of, sha256, write_files


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


@pytest.fixture
def base(shelf: Shelf, tmp_path: Path) -> VoiceManifest:
    """Weights on the shelf, that cannot speak alone."""
    files = write_files(tmp_path / "base", semantic=b"s" * 1000, decoder=b"d" * 2000)
    return shelf.install(manifest_of("base", files), files)


def clone(shelf: Shelf, base: VoiceManifest, folder: Path, name: str = "anna") -> VoiceManifest:
    files = write_files(folder, prompt=f"sound of {name}".encode())
    return shelf.install(manifest_of(name, files, base=base), files)


def on_shelf(shelf: Shelf) -> list[str]:
    return [manifest.name for manifest in shelf.list() if manifest.family == "gpt-sovits"]


def hidden(shelf: Shelf) -> list[Path]:
    return list(shelf.root.rglob(".incoming-*"))


def test_a_version_stands_with_its_files_and_nothing_beside(shelf: Shelf, base: VoiceManifest) -> None:
    assert shelf.resolve("base") == base
    folder = shelf.folder(base)
    assert folder is not None
    assert sorted(path.name for path in folder.iterdir()) == [
        "decoder.safetensors",
        "manifest.json",
        "semantic.safetensors",
    ]
    assert (folder / "semantic.safetensors").read_bytes() == b"s" * 1000
    assert not hidden(shelf)


def test_a_clone_shares_the_weights_of_its_base(shelf: Shelf, base: VoiceManifest, tmp_path: Path) -> None:
    manifest = clone(shelf, base, tmp_path / "in")
    source = shelf.source(manifest)
    assert source.weights == shelf.folder(base)
    assert source.folder == shelf.folder(manifest)
    assert source.prompts[0].path.read_bytes() == b"sound of anna"
    assert source.backbones == shelf.root / "_backbones"
    assert shelf.backbone("content") == shelf.root / "_backbones" / "content"


def test_installing_again_changes_nothing(shelf: Shelf, base: VoiceManifest, tmp_path: Path) -> None:
    folder = shelf.folder(base)
    assert folder is not None
    before = (folder / "manifest.json").stat()
    assert shelf.install(base, {}) == base
    assert (folder / "manifest.json").stat() == before


def test_files_in_folders_of_the_version_arrive_too(shelf: Shelf, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    manifest = VoiceManifest(
        name="deep",
        family="stub",
        weights_digest="ab" * 32,
        languages=("en",),
        licence="MIT",
        files={"a/b/c.bin": ManifestFile.of(path)},
    )
    shelf.install(manifest, {"a/b/c.bin": path})
    assert (shelf.root / "deep" / manifest.version / "a/b/c.bin").read_bytes() == b"abc"


def test_what_is_not_as_the_manifest_says_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    files = write_files(tmp_path / "in", semantic=b"s" * 10, decoder=b"d" * 10)
    manifest = manifest_of("anna", files)
    other = tmp_path / "other"
    for content, message in ((b"s" * 9, "9 bytes; the manifest says 10"), (b"t" * 10, "its SHA-256 is not")):
        other.write_bytes(content)
        with pytest.raises(VoiceError, match=rf"voice 'anna': semantic.safetensors: {message}"):
            shelf.install(manifest, files | {"semantic.safetensors": other})
    with pytest.raises(VoiceError, match=r"voice 'anna': extra is not in the manifest"):
        shelf.install(manifest, files | {"extra": other})
    with pytest.raises(VoiceError, match=r"voice 'anna': decoder.safetensors is missing"):
        shelf.install(manifest, {"semantic.safetensors": files["semantic.safetensors"]})
    with pytest.raises(VoiceError, match=r"semantic.safetensors: No such file"):
        shelf.install(manifest, files | {"semantic.safetensors": tmp_path / "absent"})
    with pytest.raises(VoiceError, match="weights_digest is not that of its weights"):
        shelf.install(manifest_of("anna", files, weights_digest="ab" * 32), files)
    assert on_shelf(shelf) == []
    assert not hidden(shelf)


def test_a_built_in_name_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    files = write_files(tmp_path / "in", semantic=b"s", decoder=b"d")
    with pytest.raises(VoiceError, match="'draft' is built in; choose another name"):
        shelf.install(manifest_of("draft", files), files)


def test_a_base_must_be_there_with_the_same_weights(
    shelf: Shelf, base: VoiceManifest, tmp_path: Path
) -> None:
    files = write_files(tmp_path / "in", prompt=b"x")
    with pytest.raises(VoiceError, match="has other weights"):
        shelf.install(manifest_of("anna", files, base=base, weights_digest="ab" * 32), files)
    absent = base.model_copy(update={"name": "absent"})
    with pytest.raises(UnknownVoiceError, match="'absent' is not on the shelf"):
        shelf.install(manifest_of("anna", files, base=absent), files)
    assert on_shelf(shelf) == ["base"]


def test_the_weights_digest_is_that_of_both_weights_and_nothing_else(tmp_path: Path) -> None:
    files = write_files(tmp_path, semantic=b"s", decoder=b"d", prompt=b"p")
    described = {name: ManifestFile.of(path) for name, path in files.items()}
    digest = weights_digest(described)
    lines = f"{sha256(b'd')}  decoder.safetensors\n{sha256(b's')}  semantic.safetensors\n"
    assert digest == sha256(lines.encode())  # as `sha256sum` prints it
    described["prompt.wav"] = ManifestFile(sha256="ab" * 32, bytes=3)
    assert weights_digest(described) == digest
    with pytest.raises(ManifestError, match=r"semantic.safetensors is missing"):
        weights_digest({"decoder.safetensors": described["decoder.safetensors"]})


def test_a_shelf_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "shelf").write_text("not a folder")
    files = write_files(tmp_path / "in", semantic=b"s", decoder=b"d")
    shelf = Shelf(tmp_path / "shelf")
    for change in (lambda: shelf.install(manifest_of("anna", files), files), lambda: shelf.remove("draft")):
        with pytest.raises(UnwritableError, match="shelf cannot be written: ") as caught:
            change()
        assert "\n" not in str(caught.value)


def test_many_install_the_same_at_once(shelf: Shelf, tmp_path: Path) -> None:
    files = write_files(tmp_path / "in", semantic=os.urandom(300_000), decoder=os.urandom(300_000))
    manifest = manifest_of("anna", files)
    barrier, faults = threading.Barrier(8), []

    def install() -> None:
        barrier.wait()
        try:
            Shelf(shelf.root).install(manifest, files)
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=install) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    assert [found for found in shelf.list() if found.name == "anna"] == [manifest]
    assert not hidden(shelf)


CRASH = """
import os, signal, sys
from pathlib import Path
from models_store import stock
from models_store.manifest import read_manifest
from models_store.shelf import Shelf

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(stock if sys.argv[2] != "rename" else Path, sys.argv[2], die)
folder = Path(sys.argv[3])
manifest = read_manifest((folder / "m.json").read_bytes())
Shelf(Path(sys.argv[1])).install(manifest, {name: folder / name for name in manifest.files})
"""


@pytest.mark.parametrize("place", ["_copy", "_write", "_sync", "rename"])
def test_a_crash_half_way_shows_nothing_and_a_later_arrival_succeeds(
    shelf: Shelf, tmp_path: Path, place: str
) -> None:
    files = write_files(tmp_path / "in", semantic=b"s", decoder=b"d")
    manifest = manifest_of("anna", files)
    (tmp_path / "in" / "m.json").write_text(manifest.to_json())
    ran = subprocess.run(
        [sys.executable, "-c", CRASH, str(shelf.root), place, str(tmp_path / "in")], timeout=60, check=False
    )
    assert ran.returncode == -signal.SIGKILL
    assert on_shelf(shelf) == []
    assert shelf.broken() == ()
    (leftover,) = hidden(shelf)
    shelf.install(manifest, files)
    assert on_shelf(shelf) == ["anna"]
    assert hidden(shelf) == [leftover], "somebody might still be writing it"
    yesterday = time.time() - 100_000
    os.utime(leftover, (yesterday, yesterday))
    with stock.staged(shelf.root, manifest, files):
        assert leftover not in hidden(shelf)


def test_a_voice_is_removed_by_version_or_whole(shelf: Shelf, tmp_path: Path) -> None:
    versions = []
    for content in (b"1", b"2", b"3"):
        files = write_files(tmp_path / "in", semantic=content, decoder=b"d")
        versions.append(shelf.install(manifest_of("anna", files), files).version)
    assert shelf.remove(f"anna@{versions[1][:8]}") == (versions[1],)
    assert {found.version for found in shelf.list() if found.name == "anna"} == {versions[0], versions[2]}
    assert set(shelf.remove("anna")) == {versions[0], versions[2]}
    with pytest.raises(UnknownVoiceError):
        shelf.resolve("anna")
    with pytest.raises(UnknownVoiceError):
        shelf.remove("anna")
    assert not hidden(shelf)


def test_a_broken_version_can_be_removed(shelf: Shelf, base: VoiceManifest) -> None:
    folder = shelf.folder(base)
    assert folder is not None
    (folder / "manifest.json").unlink()
    (fault,) = shelf.broken()
    assert str(fault).endswith("No such file or directory")
    shelf.remove(f"base@{base.version}")
    assert shelf.broken() == ()


def test_what_others_stand_on_stays(shelf: Shelf, base: VoiceManifest, tmp_path: Path) -> None:
    anna = clone(shelf, base, tmp_path / "a")
    clone(shelf, base, tmp_path / "b", "bert")
    for name in ("base", f"base@{base.version}"):
        with pytest.raises(InUseError, match=rf"anna@{anna.version[:12]}, bert@\w+ speak with its weights"):
            shelf.remove(name)
    shelf.remove("anna")
    shelf.remove("bert")
    shelf.remove("base")
    assert on_shelf(shelf) == []


def test_a_built_in_voice_stays(shelf: Shelf) -> None:
    with pytest.raises(VoiceError, match="'draft' is built in and cannot be changed"):
        shelf.remove("draft")
    with pytest.raises(UnknownVoiceError, match="did you mean draft"):
        shelf.remove("drafd")
