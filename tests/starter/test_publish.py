"""Stage 6 at toy size: what the stages left becomes voices that speak like any other."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from models_store.shelf import Shelf
from speech.errors import TrainingError
from speech.gpt_sovits.files import OWN_CONTENT
from speech.networks.content import ContentEncoder
from speech.text.utterance import Span, Utterance
from speech.training.loop import Outcome
from speech.voice import Request, Sampling
from starter import decoder, flite, semantic
from starter.begun import keep, take_up
from starter.content import publish as publish_content
from starter.corpus import Corpus
from starter.narrators import VOICES
from starter.publish import EVALUATION, choose_prompts, publish
from starter.recipe import CorpusRecipe, Recipe
from starter.sentences import own_sentences
from starter.tokens import QUANTISER, make, read_readings
from tests.starter.test_decoder import TOY as DECODER_TOY
from tests.starter.test_semantic import SEMANTIC

SENTENCES = 40  # enough that every narrator reads one of three to ten seconds unchanged
TOY = replace(
    DECODER_TOY,
    corpus=CorpusRecipe(n_own=SENTENCES, n_read=0, n_held_out=2, n_per_shard=SENTENCES, plain_share=1.0),
    semantic=SEMANTIC,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Corpus, Path]:
    """All stages before, at toy size."""
    if not flite.is_installed():
        pytest.skip("flite is not installed: apt-get install flite")
    folder = tmp_path_factory.mktemp("starter")
    corpus = Corpus(folder / "corpus", TOY.corpus, own_sentences(SENTENCES), [])
    corpus.make(n_threads=2)
    content = folder / "content" / "content"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        publish_content(ContentEncoder(TOY.content), content)
    make(TOY.tokens, corpus, content, folder / "tokens")
    stop = partial(bool, 1)  # at once: a checkpoint of networks that have learnt nothing
    decoder.train(TOY, corpus.entries(), folder / "tokens", folder / "decoder", must_stop=stop)
    sentences = semantic.sentences_of_corpus(corpus, folder)
    semantic.train(TOY.semantic, sentences, folder / "semantic", must_stop=stop)
    (folder / EVALUATION).write_text("{}")
    return TOY, corpus, folder


def test_narrators_are_voices_of_one_set_of_weights(
    made: tuple[Recipe, Corpus, Path], tmp_path: Path
) -> None:
    recipe, corpus, folder = made
    base, *narrators = publish(recipe, corpus.entries(), folder, tmp_path / "shipped")
    assert [manifest.name for manifest in narrators] == [f"starter-{voice}" for voice in VOICES]
    assert {manifest.weights_digest for manifest in narrators} == {base.weights_digest}
    assert f"{OWN_CONTENT}/model.safetensors" in base.files
    shelf = Shelf(tmp_path / "somebodys", shipped=tmp_path / "shipped")
    for manifest in narrators:
        assert manifest.languages == ("en",)
        voice = shelf.open(shelf.resolve(manifest.name))
        said = Request("key", Utterance((Span("Good morning.", "en"),)), Sampling())
        [take] = voice.speak(iter([said]))
        assert len(take.samples) > 0
    told = json.loads((tmp_path / "shipped" / "recipe.json").read_text())
    assert told["updates"] == {"decoder": 0, "semantic": 0}
    for name in ("README.md", "curves.jsonl", EVALUATION):
        assert (tmp_path / "shipped" / name).is_file()


def test_an_older_version_makes_room(made: tuple[Recipe, Corpus, Path], tmp_path: Path) -> None:
    recipe, corpus, folder = made
    first = publish(recipe, corpus.entries(), folder, tmp_path)
    assert publish(recipe, corpus.entries(), folder, tmp_path) == first  # the same again is the same
    networks, _ = decoder.learnt(recipe, folder / "tokens", folder / "decoder")
    config = folder / "content" / "content" / "config.json"
    before = config.read_text()
    config.write_text(before + "\n")
    try:
        second = publish(recipe, corpus.entries(), folder, tmp_path)
    finally:
        config.write_text(before)
    shelf = Shelf(tmp_path, shipped=tmp_path / "_none")
    on_disk = {m.name: m.version for m in shelf.list() if m.name.startswith("starter")}
    assert on_disk == {manifest.name: manifest.version for manifest in second}
    assert second[0].version != first[0].version
    assert networks.decoder.config == recipe.decoder


def test_prompts_last_about_four_seconds_and_are_no_variants(made: tuple[Recipe, Corpus, Path]) -> None:
    _, corpus, folder = made
    readings = read_readings(folder / "tokens")
    for voice, (entry, reading) in choose_prompts(corpus.entries(), readings).items():
        assert entry.narrator == voice
        assert not entry.is_held_out
        assert 3 < entry.seconds < 5.5
        assert len(reading.tokens) == len(entry.spoken.sound) // 640
    with pytest.raises(TrainingError, match="no sentence that rms reads unchanged"):
        choose_prompts([], readings)


def test_a_stage_that_is_missing_is_named(made: tuple[Recipe, Corpus, Path], tmp_path: Path) -> None:
    recipe, corpus, _ = made
    with pytest.raises(TrainingError, match="first run the stage content"):
        publish(recipe, corpus.entries(), tmp_path, tmp_path / "shelf")
    assert not (tmp_path / "shelf").exists()


def test_what_was_kept_is_gone_on_from(made: tuple[Recipe, Corpus, Path], tmp_path: Path) -> None:
    recipe, corpus, folder = made
    begun, fresh = tmp_path / "begun", tmp_path / "fresh"
    with pytest.raises(TrainingError, match="holds no networks to go on from"):
        take_up(fresh, begun)
    assert keep(recipe, folder, begun) == {"decoder": 0, "semantic": 0}
    take_up(fresh, begun)
    with pytest.raises(TrainingError, match="is there already"):
        take_up(fresh, begun)
    assert make(recipe.tokens, corpus, fresh / "content" / "content", fresh / "tokens")
    assert (fresh / "tokens" / QUANTISER).read_bytes() == (begun / QUANTISER).read_bytes()
    readings = read_readings(folder / "tokens")
    for name, reading in read_readings(fresh / "tokens").items():
        assert torch.equal(reading.tokens, readings[name].tokens)
    stop = partial(bool, 1)
    polished = decoder.polish(recipe, corpus.entries(), fresh / "tokens", fresh / "decoder", must_stop=stop)
    sentences = semantic.sentences_of_corpus(corpus, fresh)
    taught = semantic.train(recipe.semantic, sentences, fresh / "semantic", begun=begun, must_stop=stop)
    assert polished == taught == Outcome.STOPPED
