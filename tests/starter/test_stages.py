"""The stages one after another, at toy size."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from speech.backbones import ContentBackbone
from speech.networks.config import ContentConfig
from speech.networks.content import ContentEncoder
from speech.training.loop import Outcome
from speech.training.options import ContentOptions
from starter import flite
from starter.__main__ import main
from starter.content import train
from starter.corpus import Corpus, Entry
from starter.measures import measure, measure_backbone
from starter.phones import PHONES
from starter.recipe import CorpusRecipe, Recipe
from starter.sentences import own_sentences

RECIPE = Recipe(
    corpus=CorpusRecipe(n_own=6, n_read=0, n_held_out=2, n_per_shard=6),
    content=ContentConfig(n_classes=len(PHONES), n_mels=20, width=16, expansion=2, kernel=3, dilations=(1,)),
    content_options=ContentOptions(
        epochs=4, n_lanes=2, least_per_epoch=1, crop_frames=50, warm_up=2, look_every=2, rate=5e-3
    ),
)


def test_a_content_encoder_comes_out_as_a_backbone(tmp_path: Path) -> None:
    if not flite.is_installed():
        pytest.skip("flite is not installed: apt-get install flite")
    corpus = Corpus(tmp_path / "corpus", RECIPE.corpus, own_sentences(6), [])
    corpus.make(n_threads=2)
    told: list[tuple[int, int]] = []
    asked = iter([False, False, True])
    stopped = train(RECIPE, corpus.entries(), tmp_path / "content", must_stop=lambda: next(asked))
    assert stopped == Outcome.STOPPED
    assert not (tmp_path / "content" / "content").exists()
    done = train(
        RECIPE, corpus.entries(), tmp_path / "content", report=lambda number, n, _: told.append((number, n))
    )
    assert done == Outcome.DONE
    assert told[0] == (3, 8)  # it went on
    assert told[-1] == (8, 8)
    looks = json.loads((tmp_path / "content" / "curve.json").read_text())
    assert [update for update, _ in looks] == [2, 4, 6, 8]
    assert looks[-1][1] < looks[0][1]
    measured = measure_backbone(tmp_path / "content", RECIPE.content, corpus.entries())
    assert 0 < measured.right < 1
    features = ContentBackbone(tmp_path / "content" / "content")(torch.randn(3200))
    assert features.shape == (1, 16, 10)


def test_accuracy_counts_frames() -> None:
    """An encoder that says silence whatever it hears is right in the silent frames alone."""
    encoder = ContentEncoder(RECIPE.content).eval()
    with torch.no_grad():
        encoder.classes_out.weight.zero_()
        encoder.classes_out.bias.copy_(torch.eye(len(PHONES))[0])
    sound = torch.ones(3200, dtype=torch.int16)
    spoken = flite.Spoken(sound, torch.tensor([0, 5, 7]), torch.tensor([1280, 2880, 3200]))
    measured = measure(encoder, [Entry("00000:00", "?", "slt@200 stretch 1 tract 1", True, spoken)])
    assert (measured.right, measured.right_phones) == (0.4, 0.0)
    assert measured.by_narrator == {"slt": 0.4}
    assert measured.confusions == [(PHONES[5], "pau", 5), (PHONES[7], "pau", 1)]
    with pytest.raises(ValueError, match="no sentence"):
        measure(encoder, [])


def test_a_stage_before_its_time_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["content", "--folder", str(tmp_path)]) == 2
    assert "lacks 7 of 7 shards" in capsys.readouterr().err


def test_a_book_that_is_none_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "--folder", str(tmp_path), "--book", str(tmp_path / "missing.epub")]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "missing.epub" in line
