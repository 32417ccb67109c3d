"""Pulls: what was chosen stands on the shelf, converted and with its provenance, whatever happened before."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from models_store.hub.catalogue import OFFICIAL, Catalogue
from models_store.hub.choice import Choice, choose
from models_store.hub.errors import HubError, HubInputError
from models_store.hub.install import words_of
from models_store.hub.origins import Offline, Online
from models_store.hub.patience import Patience
from models_store.hub.protocol import COMMIT as COMMIT_PATTERN
from models_store.hub.protocol import Hub
from models_store.hub.provenance import provenance_of
from models_store.hub.pull import Pull, Pulled
from models_store.shelf import Shelf
from speech.backbones import SpeakerBackbone
from tests.models_store.hub.repository import (
    COMMIT,
    REPOSITORY,
    backbone_files,
    base_files,
    saved,
    write_folder,
)
from tests.models_store.hub.server import Fault, LocalHub, local_hub

QUICK = Patience(tries=2, first_seconds=0.01, longest_seconds=0.02)
SPEAKER = "sv/pretrained_eres2netv2w24s4ep4.ckpt"


class Listening:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def expect(self, n_bytes: int) -> None:
        pass

    found = advance = expect

    def line(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def server() -> Iterator[LocalHub]:
    with local_hub() as hub:
        hub.publish(REPOSITORY, COMMIT, backbone_files())
        yield hub


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


Puller = Callable[..., tuple[Pulled, ...]]


@pytest.fixture
def pull(server: LocalHub, shelf: Shelf) -> Puller:
    def run(
        *names: str,
        only: tuple[str, ...] = ("speaker",),
        revision: str = "main",
        catalogue: Catalogue = OFFICIAL,
        progress: Listening | None = None,
    ) -> tuple[Pulled, ...]:
        hub = Hub(server.address)
        try:
            origin = Online(hub, QUICK)
            choice = choose(catalogue, names or ("backbones",), only)
            return Pull(shelf, catalogue, origin, progress or Listening()).run(choice, revision)
        finally:
            hub.close()

    return run


def chosen(choice: Choice) -> list[str]:
    return [*(base.name for base in choice.bases), *(backbone.kind for backbone in choice.backbones)]


@pytest.mark.parametrize(
    ("names", "only", "parts"),
    [
        (["gpt-sovits-v2"], [], ["gpt-sovits-v2", "content", "linguistic"]),
        (["GPT-SoVITS-v2ProPlus"], [], ["gpt-sovits-v2proplus", "content", "linguistic", "speaker"]),
        (["gpt-sovits-v1"], ["base"], ["gpt-sovits-v1"]),
        (["gpt-sovits-v2"], ["base", "content"], ["gpt-sovits-v2", "content"]),
        (["backbones"], [], ["content", "linguistic", "speaker"]),
        (["backbones"], ["speaker"], ["speaker"]),
    ],
)
def test_what_a_voice_needs_comes_with_it(names: list[str], only: list[str], parts: list[str]) -> None:
    assert chosen(choose(OFFICIAL, names, only)) == parts


@pytest.mark.parametrize(
    ("names", "only", "line"),
    [
        (["gpt-sovits-v3"], [], "'gpt-sovits-v3' is nothing that can be pulled; did you mean gpt-sovits-v"),
        (["hubert"], [], "'hubert' is nothing that can be pulled; there are gpt-sovits-v1, "),
        (["backbones"], ["hubert"], "--only: 'hubert' is none of base, content, linguistic, speaker"),
        (["gpt-sovits-v2"], ["speaker"], "--only: nothing of gpt-sovits-v2 is left"),
    ],
)
def test_what_is_not_there_cannot_be_chosen(names: list[str], only: list[str], line: str) -> None:
    with pytest.raises(HubInputError) as caught:
        choose(OFFICIAL, names, only)
    assert str(caught.value).startswith(line)


def test_the_official_catalogue_is_pinned() -> None:
    assert COMMIT_PATTERN.fullmatch(OFFICIAL.revision)
    pins = OFFICIAL.pins(OFFICIAL.revision)
    assert len(pins) == 13
    assert all(len(sha256) == 64 for sha256 in pins.values())
    assert OFFICIAL.pins("main") == {}
    assert {base.licence for base in OFFICIAL.bases.values()} == {"MIT"}


def test_a_backbone_arrives_converted_and_is_not_fetched_again(
    pull: Puller, shelf: Shelf, server: LocalHub
) -> None:
    listening = Listening()
    other = shelf.root / "_pulled" / COMMIT / "chinese-hubert-base" / "pytorch_model.bin.part"
    write_folder(shelf.root / "_pulled" / COMMIT, {"chinese-hubert-base/pytorch_model.bin.part": b"begun"})
    (pulled,) = pull(progress=listening)
    assert other.read_bytes() == b"begun", "the part of something else is still wanted"
    other.unlink()
    other.parent.rmdir()
    other.parent.parent.rmdir()
    assert pulled == Pulled("speaker", COMMIT, shelf.backbone("speaker"), is_new=True)
    assert listening.lines[:2] == [
        "speaker backbone (ERes2NetV2): licence Apache-2.0",
        f"1 file of lj1995/GPT-SoVITS at {COMMIT[:12]} from {server.address}",
    ]
    assert SpeakerBackbone(pulled.place)(torch.zeros(16_000)).ndim == 1
    published = torch.load(io.BytesIO(backbone_files()[SPEAKER]), weights_only=True)
    stored = load_file(pulled.place / "model.safetensors")
    assert set(stored) == set(published)
    assert all(torch.equal(stored[name], published[name]) for name in stored)
    provenance = provenance_of(pulled.place)
    assert provenance
    assert provenance.files == {SPEAKER: hashlib.sha256(backbone_files()[SPEAKER]).hexdigest()}
    assert [path.name for path in (shelf.root / "_pulled").iterdir()] == [".lock"]

    server.asked.clear()
    (again,) = pull()
    assert again == replace(pulled, is_new=False)
    assert [asked.path.split("/") for asked in server.asked] == [
        ["", "api", "models", *REPOSITORY.split("/"), "revision", "main"]
    ]

    (pulled.place / "model.safetensors").unlink()
    server.publish(REPOSITORY, COMMIT, {SPEAKER: saved({"conv1.weight": torch.zeros(1000)})})
    with pytest.raises(HubError, match="the hub offers another file than is recorded for 5eed5eed5eed"):
        pull(revision=COMMIT)


def test_an_interrupted_pull_is_taken_up_by_two_at_once(pull: Puller, server: LocalHub, shelf: Shelf) -> None:
    server.faults[SPEAKER] = [Fault(cut_at=5000), *[Fault(status=500)] * 2]
    with pytest.raises(HubError, match="answers 500"):
        pull()
    assert not shelf.backbone("speaker").exists()
    server.faults[SPEAKER] = [Fault(pause_seconds=0.002)]
    results: list[tuple[Pulled, ...]] = []
    threads = [threading.Thread(target=lambda: results.append(pull())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(pulled.is_new for (pulled,) in results) == [False, True]
    assert server.bytes_sent[SPEAKER] == len(backbone_files()[SPEAKER])


def test_another_file_than_is_pinned_is_refused_before_it_comes(pull: Puller, server: LocalHub) -> None:
    server.publish(REPOSITORY, OFFICIAL.revision, backbone_files())
    with pytest.raises(HubError) as caught:
        pull(revision="")
    assert str(caught.value).startswith(
        f"{SPEAKER}: the hub offers another file than is recorded for 336b2ec4e8d4"
    )
    assert not server.bytes_sent


def test_a_missing_revision_and_a_missing_file_are_one_line(pull: Puller, server: LocalHub) -> None:
    with pytest.raises(HubInputError, match="lj1995/GPT-SoVITS at v99: the hub has no such revision"):
        pull(revision="v99")
    server.publish(REPOSITORY, COMMIT, {"README.md": b"#"})
    with pytest.raises(HubInputError, match="the repository has no such file at this revision"):
        pull()


def test_a_pickle_that_wants_more_is_refused(pull: Puller, server: LocalHub, shelf: Shelf) -> None:
    server.publish(REPOSITORY, COMMIT, {SPEAKER: saved({"seg_1.weight": Trap(), "x": torch.zeros(400)})})
    with pytest.raises(Exception, match=r"pretrained_eres2netv2w24s4ep4.ckpt: ") as caught:
        pull()
    assert "\n" not in str(caught.value)
    assert not shelf.backbone("speaker").exists()


class Trap:
    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return print, ("executed",)


def test_a_folder_serves_in_place_of_the_network(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / COMMIT, {SPEAKER: backbone_files()[SPEAKER]})
    origin = Offline(folder)
    revision = origin.revision_of(OFFICIAL, "")
    assert revision == COMMIT, "a snapshot of the hub's cache is named after its commit"
    assert origin.revision_of(OFFICIAL, "v9") == "v9"
    sources = OFFICIAL.backbones["speaker"].sources
    arrived = origin.gather(OFFICIAL, revision, sources, {}, tmp_path / "store", Listening())
    assert arrived[SPEAKER].path == folder / SPEAKER
    assert not (tmp_path / "store").exists()


def test_a_folder_must_hold_what_is_pinned(shelf: Shelf, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "clone", {SPEAKER: backbone_files()[SPEAKER]})
    choice = choose(OFFICIAL, ["backbones"], ["speaker"])
    with pytest.raises(HubError, match=r"not the file of revision 336b2ec4e8d4: SHA-256 .*; name the"):
        Pull(shelf, OFFICIAL, Offline(folder), Listening()).run(choice)


def test_a_folder_that_lacks_files_names_them(shelf: Shelf, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "clone", base_files("gpt-sovits-v2"))
    with pytest.raises(HubInputError) as caught:
        Pull(shelf, OFFICIAL, Offline(folder), Listening()).run(choose(OFFICIAL, ["gpt-sovits-v2"]))
    assert str(caught.value) == (
        f"{folder}: chinese-hubert-base/pytorch_model.bin, chinese-hubert-base/config.json, "
        "chinese-roberta-wwm-ext-large/pytorch_model.bin, chinese-roberta-wwm-ext-large/config.json, "
        "chinese-roberta-wwm-ext-large/tokenizer.json not there"
    )
    with pytest.raises(HubInputError, match="nowhere: no such folder"):
        Pull(shelf, OFFICIAL, Offline(tmp_path / "nowhere"), Listening()).run(choose(OFFICIAL, ["backbones"]))


def test_a_vocabulary_is_in_the_order_of_its_numbers() -> None:
    words = words_of(json.loads('{"model": {"vocab": {"[SEP]": 2, "[UNK]": 0, "[CLS]": 1}}}'), place="t")
    assert words == ["[UNK]", "[CLS]", "[SEP]"]


@pytest.mark.parametrize(
    ("tokenizer", "fault"),
    [
        ({}, "t: holds no vocabulary"),
        (
            {"model": {"vocab": {"[UNK]": 0, "[CLS]": 2, "[SEP]": 3}}},
            "t: its vocabulary is not numbered from 0",
        ),
        ({"model": {"vocab": {"[UNK]": 0, "[CLS]": 1, "\n": 2}}}, "one word a line"),
        ({"model": {"vocab": {"[UNK]": 0}}}, r"t: its vocabulary lacks \[CLS\], \[SEP\]"),
    ],
)
def test_a_broken_vocabulary_is_refused(tokenizer: object, fault: str) -> None:
    with pytest.raises(HubError, match=fault):
        words_of(tokenizer, place="t")
