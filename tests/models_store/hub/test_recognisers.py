"""A recogniser comes from a repository of its own, as it is published there: nothing in it is unpickled."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from models_store.hub.catalogue import OFFICIAL
from models_store.hub.errors import HubError, HubInputError
from models_store.hub.install import install_backbone
from models_store.hub.origins import Arrived
from models_store.hub.provenance import provenance_of
from models_store.hub.recognisers import RECOGNISERS, find_catalogue
from models_store.shelf import Shelf
from speech.gpt_sovits.features import backbone_stamps
from speech.gpt_sovits.files import RECOGNISER
from speech.recogniser import FILES, Recogniser
from tests.models_store.hub.repository import COMMIT, saved
from tests.speech.gpt_sovits.toys import write_backbones
from tests.speech.whispering import SENTENCE, write_recogniser


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


def install(shelf: Shelf, published: Path, scratch: Path) -> Path:
    scratch.mkdir()
    catalogue = RECOGNISERS["whisper-small"]
    backbone = catalogue.backbones[RECOGNISER]
    arrived = {source.path: Arrived(published / source.path, "0" * 64) for source in backbone.sources}
    return install_backbone(shelf, backbone, catalogue, COMMIT, arrived, scratch)


def test_what_is_installed_listens(shelf: Shelf, tmp_path: Path) -> None:
    published = write_recogniser(tmp_path / "published")
    folder = install(shelf, published, tmp_path / "scratch")
    assert folder == shelf.backbone("recogniser")
    assert {path.name for path in folder.iterdir()} == {*FILES, "model.safetensors", "provenance.json"}
    assert (folder / "model.safetensors").read_bytes() == (published / "model.safetensors").read_bytes()
    provenance = provenance_of(folder)
    assert provenance is not None
    assert (provenance.repository, provenance.licence) == ("openai/whisper-small", "Apache-2.0")
    assert Recogniser(folder)([torch.zeros(16_000)], "en") == [SENTENCE]


def test_weights_that_are_no_safetensors_are_refused(shelf: Shelf, tmp_path: Path) -> None:
    published = write_recogniser(tmp_path / "published")
    (published / "model.safetensors").write_bytes(saved({"weight": torch.zeros(2)}))
    with pytest.raises(HubError, match=r"model\.safetensors: is a pickle, not safetensors"):
        install(shelf, published, tmp_path / "scratch")
    assert not shelf.backbone("recogniser").exists()


@pytest.mark.parametrize("name", RECOGNISERS)
def test_every_file_is_pinned_to_a_commit_and_the_weights_to_their_digest(name: str) -> None:
    catalogue = RECOGNISERS[name]
    assert len(bytes.fromhex(catalogue.revision)) == 20
    assert {Path(path).name for path in catalogue.pins(catalogue.revision)} <= {*FILES, "model.safetensors"}
    assert len(bytes.fromhex(catalogue.pins(catalogue.revision)["model.safetensors"])) == 32
    assert {source.path for source in catalogue.backbones[RECOGNISER].sources} == {
        *FILES,
        "model.safetensors",
    }
    assert catalogue.backbones[RECOGNISER].licence


def test_no_prompts_features_follow_from_it(tmp_path: Path) -> None:
    backbones = write_backbones(tmp_path)
    before = backbone_stamps(backbones)
    write_recogniser(backbones / RECOGNISER)
    assert backbone_stamps(backbones) == before
    assert len(before) == 3


def test_a_recogniser_is_pulled_alone() -> None:
    assert find_catalogue(["backbones"]) == (OFFICIAL, ["backbones"])
    with pytest.raises(HubInputError, match="'whisper-small' has a repository of its own: pull it alone"):
        find_catalogue(["backbones", "whisper-small"])


def test_a_recognisers_name_with_a_slip_is_told_which_was_meant() -> None:
    with pytest.raises(HubInputError, match=r"^'whisper-smal' is nothing .*; did you mean whisper-small\?$"):
        find_catalogue(["whisper-smal"])
    assert find_catalogue(["gpt-sovits-v4"])[0] is OFFICIAL
