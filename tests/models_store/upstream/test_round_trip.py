"""A voice comes from upstream's files and goes back into them, and nothing of it has changed.

The children that read the files in earnest take a second each for torch: here runs what they run, and
`test_bring` starts them.
"""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch

from models_store.upstream.container import check, pack
from models_store.upstream.contents import GPT, SOVITS
from models_store.upstream.convert import LANGUAGES
from models_store.upstream.errors import UpstreamFileError
from models_store.upstream.export import export
from speech.gpt_sovits.files import DECODER, SEMANTIC
from speech.gpt_sovits.weights import load_decoder, load_semantic, read_weights, version_of
from tests.models_store.upstream.pairs import TAGS, halves, loaded, saved, write_pair

VERSIONS = tuple(LANGUAGES)
CPU = torch.device("cpu")


def packed(path: Path, part: str) -> bytes:
    with path.open("rb") as file:
        return pack(*check(file, part))


def assert_same_file(first: Path, second: Path) -> None:
    """All but the zip's own order and padding is equal, to the bit."""
    before, after = loaded(first), loaded(second)
    assert after.tag == before.tag
    assert after.keys == before.keys
    assert (after.config, after.is_hparams, after.remark) == (before.config, before.is_hparams, before.remark)
    assert after.more == before.more
    assert list(after.weight) == list(before.weight)
    for name, tensor in before.weight.items():
        assert after.weight[name].dtype == tensor.dtype, name
        assert after.weight[name].shape == tensor.shape, name
        assert after.weight[name].numpy().tobytes() == tensor.numpy().tobytes(), name


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_comes_back_as_it_was(version: str, tmp_path: Path) -> None:
    gpt, sovits = write_pair(tmp_path, version)
    (tmp_path / SEMANTIC).write_bytes(packed(gpt, GPT))
    (tmp_path / DECODER).write_bytes(packed(sovits, SOVITS))
    assert version_of(tmp_path) == version
    assert load_decoder(tmp_path, CPU).config.n_phonemes == (322 if version == "v1" else 732)
    assert load_semantic(tmp_path, CPU).config.n_phonemes == (512 if version == "v1" else 732)
    export(tmp_path, tmp_path / "out.ckpt", tmp_path / "out.pth")
    assert_same_file(gpt, tmp_path / "out.ckpt")
    assert_same_file(sovits, tmp_path / "out.pth")
    assert loaded(tmp_path / "out.pth").tag == TAGS.get(version, b"PK")
    assert packed(tmp_path / "out.ckpt", GPT) == (tmp_path / SEMANTIC).read_bytes()
    assert packed(tmp_path / "out.pth", SOVITS) == (tmp_path / DECODER).read_bytes()


def test_container_is_kept(tmp_path: Path) -> None:
    _, sovits = write_pair(tmp_path, "v2Pro")
    (tmp_path / DECODER).write_bytes(packed(sovits, SOVITS))
    tensors, container = read_weights(tmp_path / DECODER)
    assert (container["info"], container["tag"], container["hparams"]) == ("8epoch_400iteration", "05", True)
    assert container["config"]["train"] == {"betas": [0.8, 0.99], "fp16_run": True}
    assert {str(tensor.dtype) for tensor in tensors.values()} == {"torch.float16", "torch.float32"}


@pytest.mark.parametrize(
    ("version", "tag", "kept"), [("v2Pro", b"PK", "05"), ("v2", b"06", "PK"), ("v2", b"01", "01")]
)
def test_tag_is_the_one_upstream_must_find(version: str, tag: bytes, kept: str, tmp_path: Path) -> None:
    """Upstream knows its own base files by their digest; they have no tag, and what we write has another."""
    _, sovits = halves(tmp_path, version)
    (tmp_path / "base.pth").write_bytes(saved(sovits, tag))
    (tmp_path / DECODER).write_bytes(packed(tmp_path / "base.pth", SOVITS))
    assert read_weights(tmp_path / DECODER)[1]["tag"] == kept


def test_what_else_the_file_held_is_kept(tmp_path: Path) -> None:
    gpt, sovits = halves(tmp_path / "written", "v2")
    (tmp_path / "a.ckpt").write_bytes(saved(gpt))
    (tmp_path / "a.pth").write_bytes(saved({**sovits, "note": ["by", 1]}))
    (tmp_path / SEMANTIC).write_bytes(packed(tmp_path / "a.ckpt", GPT))
    (tmp_path / DECODER).write_bytes(packed(tmp_path / "a.pth", SOVITS))
    export(tmp_path, tmp_path / "b.ckpt", tmp_path / "b.pth")
    assert loaded(tmp_path / "b.pth").more == {"note": ["by", 1]}
    assert_same_file(tmp_path / "a.pth", tmp_path / "b.pth")


def test_metadata_of_a_state_dict_is_no_obstacle(tmp_path: Path) -> None:
    """A whole state_dict carries the versions of its modules; fine-tuned files do not, older bases may."""
    gpt, _ = halves(tmp_path, "v2")
    plain = packed_bytes(gpt)
    vars(gpt["weight"])["_metadata"] = {"": {"version": 1}}
    assert packed_bytes(gpt) == plain


def packed_bytes(content: object) -> bytes:
    return pack(*check(io.BytesIO(saved(content)), GPT))


def test_voice_trained_here_is_written_as_upstream_trains(tmp_path: Path) -> None:
    """Its container has the config and no more."""
    from tests.speech.gpt_sovits.toys import write_weights

    write_weights(tmp_path, "v2Pro")
    export(tmp_path, tmp_path / "out.ckpt", tmp_path / "out.pth")
    gpt, sovits = loaded(tmp_path / "out.ckpt"), loaded(tmp_path / "out.pth")
    assert (gpt.is_hparams, gpt.tag) == (False, b"PK")
    assert (sovits.is_hparams, sovits.tag) == (True, b"05")
    assert gpt.keys == sovits.keys == ["weight", "config", "info"]


def test_nothing_is_overwritten_or_left_behind(tmp_path: Path) -> None:
    from tests.speech.gpt_sovits.toys import write_weights

    written = write_weights(tmp_path / "voice", "v2")
    (tmp_path / "out.pth").write_bytes(b"mine")
    with pytest.raises(UpstreamFileError, match=r"out\.pth: exists already"):
        export(written, tmp_path / "out.ckpt", tmp_path / "out.pth")
    assert (tmp_path / "out.pth").read_bytes() == b"mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.pth", "voice"]
    with pytest.raises(UpstreamFileError, match="No such file or directory"):
        export(written, tmp_path / "absent" / "out.ckpt", tmp_path / "x.pth")
