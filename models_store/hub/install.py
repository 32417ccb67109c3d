"""What has been pulled comes onto the shelf: pickles become safetensors, all of it or nothing is shown."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, Final

from models_store.headers import read_header
from models_store.hub.catalogue import Backbone, Base, Catalogue
from models_store.hub.errors import HubError
from models_store.hub.origins import Arrived
from models_store.hub.provenance import PROVENANCE, Provenance
from models_store.manifest import ManifestFile, VoiceManifest, weights_digest
from models_store.shelf import Shelf
from models_store.stock import drop, locked, show
from speech.errors import VoiceError
from speech.gpt_sovits.files import DECODER, FAMILY, SEMANTIC

WEIGHTS: Final = "model.safetensors"
MAKING: Final = "making-"
"""What the folders begin with in which something is made; a pull that was killed leaves one."""
_CONFIG: Final = "config.json"
_VOCABULARY: Final = "vocab.txt"
_WORDS_NEEDED: Final = ("[UNK]", "[CLS]", "[SEP]")


def install_base(
    shelf: Shelf,
    base: Base,
    catalogue: Catalogue,
    revision: str,
    arrived: Mapping[str, Arrived],
    scratch: Path,
) -> VoiceManifest:
    """The base as a voice version that can be shared, and cannot speak: it has no prompt.

    Raises:
        VoiceError: the files are not what the catalogue says they are, or the shelf cannot take them.
    """
    from models_store.upstream.convert import convert

    with TemporaryDirectory(prefix=MAKING, dir=scratch) as made:
        folder = Path(made)
        version = convert(arrived[base.semantic.path].path, arrived[base.decoder.path].path, folder)
        if version != base.version:
            raise HubError(f"{base.decoder.path}: is of {version}, not of {base.version}")
        _provenance(base, catalogue, revision, arrived).write(folder)
        files = {name: ManifestFile.of(folder / name) for name in (SEMANTIC, DECODER, PROVENANCE)}
        manifest = VoiceManifest(
            name=base.name,
            family=FAMILY,
            weights_digest=weights_digest(files),
            languages=base.languages,
            licence=base.licence,
            description=f"{base.title} as published; speaks with anybody's prompt, and not without one",
            files=files,
            parameters={"version": version, "revision": revision},
        )
        return shelf.install(manifest, {name: folder / name for name in files})


def install_backbone(
    shelf: Shelf,
    backbone: Backbone,
    catalogue: Catalogue,
    revision: str,
    arrived: Mapping[str, Arrived],
    scratch: Path,
) -> Path:
    """The backbone's folder, which holds `model.safetensors` and what its network must know beside.

    Raises:
        VoiceError: a file is not what it should be.
    """
    from models_store.upstream.confine import read_confined
    from models_store.upstream.contents import BACKBONE

    target = shelf.backbone(backbone.kind)
    with TemporaryDirectory(prefix=MAKING, dir=scratch) as made:
        folder = Path(made) / backbone.kind
        folder.mkdir()
        weights = arrived[backbone.weights.path].path
        if backbone.weights.path.endswith(".safetensors"):
            _check_safetensors(weights, place=backbone.weights.path)
            shutil.copyfile(weights, folder / WEIGHTS)
        else:
            read_confined(weights, BACKBONE, folder / WEIGHTS)
        if backbone.config:
            path = backbone.config.path
            config = _settings_of(arrived[path].path, place=path)
            (folder / _CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        if backbone.tokenizer:
            path = backbone.tokenizer.path
            words = words_of(_settings_of(arrived[path].path, place=path), place=path)
            (folder / _VOCABULARY).write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
        for source in backbone.beside:
            content = _settings_of(arrived[source.path].path, place=source.path)
            text = json.dumps(content, indent=2, ensure_ascii=False)
            (folder / PurePosixPath(source.path).name).write_text(text + "\n", encoding="utf-8")
        _provenance(backbone, catalogue, revision, arrived).write(folder)
        for written in folder.iterdir():
            with written.open("rb") as file:
                os.fsync(file.fileno())
        with locked(shelf.root):
            if target.is_dir():
                drop(target)
            show(folder, target)
    return target


def words_of(tokenizer: Any, *, place: str) -> list[str]:
    """The vocabulary of a `tokenizer.json`, in the order of its numbers.

    Raises:
        HubError: there is none, or its numbers are not 0, 1, 2, ...
    """
    try:
        numbers: dict[str, int] = tokenizer["model"]["vocab"]
        words = sorted(numbers, key=lambda word: numbers[word])
        is_whole = [numbers[word] for word in words] == list(range(len(words)))
    except (KeyError, TypeError) as error:
        raise HubError(f"{place}: holds no vocabulary") from error
    if not is_whole or any("\n" in word or "\r" in word for word in words):
        raise HubError(f"{place}: its vocabulary is not numbered from 0 on, one word a line")
    if missing := [word for word in _WORDS_NEEDED if word not in numbers]:
        raise HubError(f"{place}: its vocabulary lacks {', '.join(missing)}")
    return words


def _check_safetensors(path: Path, *, place: str) -> None:
    """Raises HubError if the file is not wholly what its header says."""
    try:
        read_header(path)
    except VoiceError as error:
        raise HubError(f"{place}: {error}") from error


def _provenance(
    offer: Base | Backbone, catalogue: Catalogue, revision: str, arrived: Mapping[str, Arrived]
) -> Provenance:
    return Provenance(
        repository=catalogue.repository,
        revision=revision,
        licence=offer.licence,
        files={source.path: arrived[source.path].sha256 for source in offer.sources},
    )


def _settings_of(path: Path, *, place: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise HubError(f"{place}: is not JSON") from error
    if not isinstance(content, dict):
        raise HubError(f"{place}: holds something other than settings by name")
    return content
