"""The starter's decoder, at toy size: it learns, is stopped, goes on, and comes out as a voice's file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from speech.errors import TrainingError
from speech.gpt_sovits.files import DECODER
from speech.gpt_sovits.weights import load_decoder
from speech.networks.config import DecoderConfig, SpectralConfig
from speech.networks.content import ContentEncoder
from speech.networks.decoder import SoundRequest
from speech.training.loop import Outcome
from speech.training.options import DecoderOptions
from starter import flite
from starter.content import publish
from starter.corpus import Corpus
from starter.curve import Curve
from starter.decoder import CURVE, all_features, newest, polish, train
from starter.recipe import Recipe, TokenRecipe
from starter.sentences import own_sentences
from starter.tokens import make, read_readings
from tests.starter.test_stages import RECIPE

TOY = replace(
    RECIPE,
    tokens=TokenRecipe(n_codes=8, n_points=200, n_rounds=3),
    decoder=DecoderConfig(
        codebook_size=8, content_width=16, width=8, latent_width=8, filter_width=12, n_layers=2,
        crossing_width=12, style_hidden=6, style_width=12, flow_layers=1, posterior_layers=1,
        generator=SpectralConfig(width=16, n_blocks=1, expansion=2),
    ),
    decoder_options=DecoderOptions(
        epochs=4, n_lanes=2, least_per_epoch=1, rate=3e-3, crop_frames=20, judged=False, windows=(512,),
        warm_up=2, anneal=True, look_every=2,
    ),
    polish_options=DecoderOptions(
        epochs=1, n_lanes=2, least_per_epoch=1, rate=3e-3, crop_frames=20, windows=(512,), look_every=2
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Corpus, Path]:
    if not flite.is_installed():
        pytest.skip("flite is not installed: apt-get install flite")
    folder = tmp_path_factory.mktemp("decoder")
    made = Corpus(folder / "corpus", TOY.corpus, own_sentences(6), [])
    made.make(n_threads=2)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        publish(ContentEncoder(TOY.content), folder / "content")
    make(TOY.tokens, made, folder / "content", folder / "tokens")
    return made, folder / "tokens"


def test_a_decoder_learns_is_stopped_and_comes_out(corpus: tuple[Corpus, Path], tmp_path: Path) -> None:
    made, tokens = corpus
    asked = iter([False] * 3 + [True])
    stopped = train(TOY, made.entries(), tokens, tmp_path, must_stop=lambda: next(asked))
    assert stopped == Outcome.STOPPED
    assert not (tmp_path / DECODER).exists()
    told: list[tuple[int, int]] = []
    done = train(TOY, made.entries(), tokens, tmp_path, report=lambda n, of, _: told.append((n, of)))
    assert (done, told[0], told[-1]) == (Outcome.DONE, (4, 8), (8, 8))
    rows = [json.loads(line) for line in (tmp_path / CURVE).read_text().splitlines()]
    assert [row["update"] for row in rows] == [2, 4, 6, 8]  # each look ends a row, stop or no stop
    assert rows[-1]["held_out"] < rows[0]["held_out"]
    decoder = load_decoder(tmp_path, torch.device("cpu"))
    assert decoder.config == TOY.decoder
    reading = next(iter(read_readings(tokens).values()))
    [sound] = decoder.speak([SoundRequest("key", reading.tokens, reading.phonemes, torch.zeros(12))])
    assert len(sound) == 1280 * len(reading.tokens)

    assert polish(TOY, made.entries(), tokens, tmp_path) == Outcome.DONE
    assert "judging" in (tmp_path / "polished" / CURVE).read_text()
    networks, n_updates = newest(TOY, tokens, tmp_path)
    assert n_updates == 8 + 2
    polished = load_decoder(tmp_path / "polished", torch.device("cpu"))
    one, other = polished.prior.latents_out.weight, networks.decoder.prior.latents_out.weight
    torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)
    assert not torch.equal(one, decoder.prior.latents_out.weight)

    further = tmp_path / "further"
    again = replace(TOY, decoder_options=replace(TOY.decoder_options, epochs=1, look_every=1))
    train(again, made.entries(), tokens, further, begun=tmp_path / DECODER)
    first = json.loads((further / CURVE).read_text().splitlines()[0])
    assert first["held_out"] < rows[0]["held_out"]  # it did not begin with nothing


def test_a_decoder_of_other_tokens_is_refused(corpus: tuple[Corpus, Path], tmp_path: Path) -> None:
    made, tokens = corpus
    one = replace(TOY, decoder_options=replace(TOY.decoder_options, epochs=1))
    train(one, made.entries(), tokens, tmp_path / "first")
    other = TokenRecipe(n_codes=8, n_points=200, n_rounds=3, seed=1)
    make(other, made, tokens.parent / "content", tmp_path / "tokens")
    begun = tmp_path / "first" / DECODER
    with pytest.raises(TrainingError, match="has learnt other tokens than those of the stage tokens"):
        train(one, made.entries(), tmp_path / "tokens", tmp_path / "second", begun=begun)


def test_features_are_of_whole_tokens_and_short_sentences_are_passed_over(
    corpus: tuple[Corpus, Path],
) -> None:
    made, tokens = corpus
    readings = read_readings(tokens)
    learnt, held_out = all_features(made.entries(), readings, 20)
    assert (len(learnt), len(held_out)) == (4, 2)
    for features in (*learnt, *held_out):
        assert features.sound.dtype == torch.int16
        assert len(features.sound) == 1280 * len(features.tokens)
    least = min(features.n_frames for features in learnt)
    assert len(all_features(made.entries(), readings, least)[0]) < 4
    with pytest.raises(TrainingError, match="00000:00: the tokens lack it"):
        all_features(made.entries(), {}, 20)


def test_a_curve_forgets_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    curve = Curve(tmp_path / "curve.jsonl", 0)
    for update in range(1, 61):
        curve.add(update, {"mel": float(update)})
    curve.write()
    assert [(row["update"], row["mel"]) for row in curve.rows] == [(25, 13.0), (50, 38.0)]
    assert [row["update"] for row in Curve(tmp_path / "curve.jsonl", 40).rows] == [25]


def test_the_recipes_networks_fit_each_other() -> None:
    recipe = Recipe()
    assert recipe.decoder.codebook_size == recipe.tokens.n_codes
    assert recipe.decoder.content_width == recipe.content.width
