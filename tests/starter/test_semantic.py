"""Stage 5 at toy size: sentences are joined as prompts are, and learnt from in stretches."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from speech.errors import TrainingError
from speech.networks.config import SemanticConfig
from speech.networks.content import ContentEncoder
from speech.training.loop import Outcome
from speech.training.options import SemanticOptions
from starter import flite
from starter.content import publish
from starter.corpus import Corpus
from starter.recipe import SemanticRecipe, TokenRecipe
from starter.semantic import Sentence, lanes_of, learnt, sentences_of_corpus, train
from starter.sentences import own_sentences
from starter.tokens import make
from tests.speech.training import drawn
from tests.starter.test_stages import RECIPE

SEMANTIC = SemanticRecipe(
    model=SemanticConfig(width=16, n_heads=2, n_layers=1, n_tokens=9, linguistic_width=1),
    options=SemanticOptions(
        epochs=2, n_lanes=2, n_passes=1, least_per_epoch=1, rate=1e-2, warm_up=2, dropout=0.0, look_every=3
    ),
    n_pairings=2,
)


def sentence(number: int, narrator: str, *, is_held_out: bool = False) -> Sentence:
    n = 12 + number % 3
    return Sentence(
        name=f"00000:{number:02d}",
        narrator=narrator,
        is_held_out=is_held_out,
        phonemes=drawn.integers(f"phonemes {number}", 700, n // 2),
        tokens=drawn.integers(f"tokens {number}", 8, n),
        pause=torch.full((15,), 7),
    )


def test_sentences_of_one_pace_are_joined_in_other_pairs_each_time() -> None:
    names = ["rms"] * 5 + ["rms@100 stretch 1 tract 8/9"] * 4 + ["rms stretch 17/20 tract 1"]
    sentences = [sentence(number, name) for number, name in enumerate(names)]
    lanes = lanes_of(sentences, 3)
    said = Counter(name for lane in lanes for name in lane.name.split())
    assert said == {one.name: 3 for one in sentences}
    pairs = [lane for lane in lanes if " " in lane.name]
    assert len(pairs) == 12  # of nine, four pairs and one that stands alone
    assert len({lane.name for lane in pairs}) > 9
    assert all("00000:09" not in lane.name for lane in pairs)
    by_name = {one.name: one for one in sentences}
    prompt, after = (by_name[name] for name in pairs[0].name.split())
    assert pairs[0].phonemes.tolist() == [*prompt.phonemes.tolist(), *after.phonemes.tolist()]
    assert pairs[0].tokens.tolist() == [*prompt.tokens.tolist(), *[7] * 15, *after.tokens.tolist()]


def test_a_training_that_was_stopped_goes_on(tmp_path: Path) -> None:
    sentences = [sentence(i, "rms", is_held_out=i > 7) for i in range(10)]
    whole: list[tuple[int, int, float]] = []
    done = train(
        SEMANTIC,
        sentences,
        tmp_path / "whole",
        report=lambda number, n, losses: whole.append((number, n, losses["token"])),
    )
    assert done == Outcome.DONE
    assert [number for number, _, _ in whole] == list(range(1, whole[-1][1] + 1))
    assert whole[-1][2] < whole[0][2]

    asked = iter([False, False, False, True])
    assert train(SEMANTIC, sentences, tmp_path / "parts", must_stop=lambda: next(asked)) == Outcome.STOPPED
    assert learnt(SEMANTIC, tmp_path / "parts")[1] == 3
    rest: list[float] = []
    train(
        SEMANTIC,
        sentences,
        tmp_path / "parts",
        report=lambda _number, _n, losses: rest.append(losses["token"]),
    )
    assert rest == [loss for _, _, loss in whole[3:]]
    (of_whole, n_whole), (of_parts, n_parts) = (
        learnt(SEMANTIC, tmp_path / name) for name in ("whole", "parts")
    )
    assert n_whole == n_parts == whole[-1][1]
    assert torch.equal(of_whole.head.weight, of_parts.head.weight)

    whole.clear()
    more = {"begun": tmp_path / "whole", "report": lambda *told: whole.append((told[0], 0, told[2]["token"]))}
    assert train(SEMANTIC, sentences, tmp_path / "more", **more) == Outcome.DONE
    assert whole[0][2] < rest[0]  # it began where the first training ended
    other = replace(SEMANTIC, model=replace(SEMANTIC.model, n_layers=2))
    with pytest.raises(TrainingError, match=r"semantic\.safetensors: .*n_layers=1"):
        train(other, sentences, tmp_path / "other", begun=tmp_path / "whole")


def test_before_its_time_it_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="first run the stage semantic"):
        learnt(SEMANTIC, tmp_path)


def test_a_corpus_is_read_with_the_silence_after_each_sentence(tmp_path: Path) -> None:
    if not flite.is_installed():
        pytest.skip("flite is not installed: apt-get install flite")
    corpus = Corpus(tmp_path / "corpus", RECIPE.corpus, own_sentences(6), [])
    corpus.make(n_threads=2)
    with pytest.raises(TrainingError, match="first run the stage tokens"):
        sentences_of_corpus(corpus, tmp_path)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        publish(ContentEncoder(RECIPE.content), tmp_path / "content" / "content")
    tokens = TokenRecipe(n_codes=8, n_points=200, n_rounds=5)
    make(tokens, corpus, tmp_path / "content" / "content", tmp_path / "tokens")
    sentences = sentences_of_corpus(corpus, tmp_path)
    assert [one.name for one in sentences] == [entry.name for entry in corpus.entries()]
    assert all(len(one.pause) == 15 for one in sentences)
    assert sum(one.is_held_out for one in sentences) == 2
    last = torch.stack([one.pause[-1] for one in sentences])
    assert (last == last[0]).all()  # far from the sentence, silence is the same
    kept = (tmp_path / "semantic" / "pauses.safetensors").stat().st_mtime_ns
    again = sentences_of_corpus(corpus, tmp_path)
    assert (tmp_path / "semantic" / "pauses.safetensors").stat().st_mtime_ns == kept
    assert all(torch.equal(one.pause, other.pause) for one, other in zip(sentences, again, strict=True))
