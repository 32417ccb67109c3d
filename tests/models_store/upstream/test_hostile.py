"""Files that try to be more than a voice: none runs, each is refused in one line.

Nearly all are refused before torch is loaded, so the checks run here, in this process; a few go through the
child that does it in earnest, and two tests look at what would still hold if the checks let one pass.
"""

from __future__ import annotations

import contextlib
import io
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from models_store.upstream.confine import read_confined
from models_store.upstream.container import HParams, check
from models_store.upstream.contents import GPT
from models_store.upstream.errors import HostileFileError, UpstreamFileError
from models_store.upstream.values import HPARAMS
from tests.models_store.upstream.pickles import CANARY, PICKLES, ZIPS, Runs, running, text, voice, zipped

HOSTILE = {
    **{kind: ((lambda p=pickled: zipped(p)), complaint) for kind, (pickled, complaint) in PICKLES.items()},
    **ZIPS,
}


@pytest.fixture(autouse=True)
def _canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The test runs in a folder of its own, and no canary is left there nor where the child runs."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / CANARY).exists()
    assert not Path("/", CANARY).exists()


def test_the_voice_around_them_is_one() -> None:
    """What is refused below is not refused for something that they all have."""
    _, half = check(io.BytesIO(zipped(voice())), GPT)
    assert half.part == GPT
    assert half.tensors["model.ar_x"].shape == (2, 2)
    assert half.container["config"] == {}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_file_is_refused_for_what_it_wants(kind: str) -> None:
    build, complaint = HOSTILE[kind]
    with pytest.raises(UpstreamFileError) as refused:
        check(io.BytesIO(build()), GPT)
    assert complaint in str(refused.value)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    "kind", ["os.system", "getattr chain", "billion laughs", "zip bomb", "million values"]
)
def test_child_refuses_in_one_line_and_leaves_nothing(kind: str, tmp_path: Path) -> None:
    build, complaint = HOSTILE[kind]
    path, target = tmp_path / "voice.ckpt", tmp_path / "out.safetensors"
    path.write_bytes(build())
    with pytest.raises(HostileFileError, match=r"^voice\.ckpt: ") as refused:
        read_confined(path, GPT, target)
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not target.exists()


@pytest.mark.parametrize("kind", PICKLES)
def test_torch_would_not_run_it_either(kind: str) -> None:
    """With our one class allowed, as the child allows it: the second wall stands without the first."""
    pickled, _ = PICKLES[kind]
    with torch.serialization.safe_globals([(HParams, HPARAMS)]), contextlib.suppress(Exception):
        torch.load(io.BytesIO(zipped(pickled)), map_location="cpu", weights_only=True)


def test_the_canary_would_be_seen() -> None:
    """These commands do run where a pickle is simply unpickled."""
    pickle.loads(pickle.dumps(Runs(), protocol=2))  # noqa: S301 - that is the point
    assert Path(CANARY).exists()
    Path(CANARY).unlink()


def test_a_process_that_has_given_up_its_files_can_run_nothing() -> None:
    """The third wall: what the child does before torch sees the file, and what a pickle might then try."""
    program = f"""
import os, socket, subprocess
from book.limited import give_up_files
give_up_files()
for harm in (
    lambda: open({CANARY!r}, "w"),
    lambda: os.system("touch {CANARY}"),
    lambda: subprocess.run(["touch", {CANARY!r}]),
    lambda: socket.socket(),
    lambda: os.pipe(),
):
    try:
        harm()
    except OSError as error:
        os.write(1, b"%d " % error.errno)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, timeout=60)
    assert done.stdout.split() == [b"24"] * 4, done.stderr  # EMFILE; os.system only returns a status


def test_line_shows_no_control_characters(tmp_path: Path) -> None:
    path = tmp_path / "voice.ckpt"
    path.write_bytes(zipped(running("os.\x1b[31mred\x07", text("x"))))
    with pytest.raises(HostileFileError) as refused:
        read_confined(path, GPT, tmp_path / "out")
    assert str(refused.value).isprintable()
