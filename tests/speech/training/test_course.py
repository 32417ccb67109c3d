"""A voice's whole training, stopped wherever and carried elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch

from speech.errors import TrainingError
from speech.gpt_sovits.files import ADAPTERS, DECODER, SEMANTIC
from speech.gpt_sovits.weights import load_decoder, load_semantic
from speech.training.batches import SAMPLES_PER_TOKEN, Features
from speech.training.corpus import Corpus, Entry
from speech.training.course import Course, Reached, pack, unpack
from speech.training.loop import Outcome, Pace
from speech.training.options import DecoderOptions, SemanticOptions
from tests.speech.training import drawn
from tests.speech.training.bases import N_TOKENS, write_base

CPU = torch.device("cpu")
DECODER_LEARNS = DecoderOptions(n_lanes=2, crop_frames=4, epochs=2, least_per_epoch=1, look_every=2)
SEMANTIC_LEARNS = SemanticOptions(n_lanes=2, n_passes=1, epochs=2, least_per_epoch=1, look_every=2)
N_DECODER, N_SEMANTIC = 4, 4
"""Updates of each: four recordings that are learnt from, two at a time."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("base"))


def entry(i: int) -> Entry:
    n_tokens = 16 + i
    features = Features(
        f"recording {i}",
        drawn.sound(f"course {i}", n_tokens * SAMPLES_PER_TOKEN),
        drawn.integers(f"course tokens {i}", N_TOKENS, n_tokens),
        drawn.integers(f"course phonemes {i}", 700, 8 + i),
    )
    return Entry(features, f"Text {i}.", "en", f"{i:064x}")


def course(base: Path, folder: Path, **changes: Any) -> Course:
    options: dict[str, Any] = {"decoder": DECODER_LEARNS, "semantic": SEMANTIC_LEARNS, **changes}
    corpus = Corpus.of([entry(i) for i in range(5)], seed=1)
    return Course(base, "digest", corpus, folder, device=CPU, **options)


def after(n: int) -> Callable[[], bool]:
    """Says stop when it was asked so often."""
    asked = count()
    return lambda: next(asked) >= n


def test_corpus_comes_back_as_it_went(tmp_path: Path) -> None:
    corpus = Corpus.of([entry(i) for i in range(12)], seed=1)
    corpus.write(tmp_path / "corpus.safetensors")
    again = Corpus.read(tmp_path / "corpus.safetensors")
    assert [one.features.name for one in again.judged] == [one.features.name for one in corpus.judged]
    assert (len(again.learnt), len(again.held_out)) == (10, 2)
    for one, other in zip(corpus.entries, again.entries, strict=True):
        assert (one.text, one.sha256, one.features.linguistic) == (other.text, other.sha256, None)
        assert torch.equal(one.features.sound, other.features.sound)
    assert Corpus.of([entry(i) for i in range(3)], seed=1).held_out == []
    (tmp_path / "corpus.safetensors").write_bytes(b"no")
    with pytest.raises(TrainingError, match=r"corpus.safetensors holds no recordings"):
        Corpus.read(tmp_path / "corpus.safetensors")


def test_stopped_anywhere_and_carried_elsewhere_it_ends_with_the_same_bytes(
    base: Path, tmp_path: Path
) -> None:
    undisturbed = course(base, tmp_path / "whole")
    told: list[Reached] = []
    assert undisturbed.run(report=lambda reached, _: told.append(reached)) is Outcome.DONE
    assert [reached.n_done for reached in told] == list(range(1, N_DECODER + N_SEMANTIC + 1))
    assert {reached.n_updates for reached in told} == {N_DECODER + N_SEMANTIC}
    place, n_runs = tmp_path / "place 0", 0
    outcome = Outcome.STOPPED
    while outcome is Outcome.STOPPED:  # a look before each update, and one before each stage
        outcome = course(base, place).run(must_stop=after(3), pace=Pace(updates=1))
        n_runs += 1
        pack(place, tmp_path / "packed")
        place = tmp_path / f"place {n_runs}"
        unpack(tmp_path / "packed", place)
    assert n_runs >= 4
    moved = course(base, place)
    assert set(moved.published) == {DECODER, SEMANTIC} == set(undisturbed.published)
    for name, path in undisturbed.published.items():
        assert moved.published[name].read_bytes() == path.read_bytes()
    assert moved.losses == undisturbed.losses
    assert len(moved.losses) == N_DECODER + N_SEMANTIC
    assert sum("held_out" in row for row in moved.losses) == (N_DECODER + N_SEMANTIC) // 2


def test_what_is_published_is_a_voice_and_a_base(base: Path, tmp_path: Path) -> None:
    first = course(base, tmp_path / "first")
    first.run()
    folder = first.published[DECODER].parent
    assert load_decoder(folder, CPU).config == load_decoder(base, CPU).config
    before, after_it = load_semantic(base, CPU), load_semantic(folder, CPU)
    assert not torch.equal(before.head.weight, after_it.head.weight)
    second = course(folder, tmp_path / "second", decoder=None)
    assert second.run() is Outcome.DONE


def test_adapters_alone_are_published_where_the_decoder_does_not_learn(base: Path, tmp_path: Path) -> None:
    semantic = SemanticOptions(n_lanes=2, n_passes=1, epochs=1, least_per_epoch=1, adapter_rank=2)
    alone = course(base, tmp_path / "alone", decoder=None, semantic=semantic)
    alone.run()
    assert set(alone.published) == {ADAPTERS}
    both = course(base, tmp_path / "both", semantic=semantic)
    both.run()
    assert set(both.published) == {DECODER, SEMANTIC}
