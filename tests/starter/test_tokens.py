"""The codebook, and the corpus in its tokens."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from speech.errors import TrainingError
from speech.networks.content import ContentEncoder
from starter import flite
from starter.__main__ import main
from starter.content import publish
from starter.corpus import Corpus
from starter.recipe import TokenRecipe
from starter.sentences import own_sentences
from starter.tokens import (
    QUANTISER,
    READINGS,
    cluster,
    codebook_of,
    discriminants,
    make,
    read_quantiser,
    read_readings,
)
from tests.speech.training import drawn
from tests.starter.test_stages import RECIPE

TOKENS = TokenRecipe(n_codes=8, n_points=200, n_rounds=5)


def test_clusters_are_found() -> None:
    """Points in ten heaps far apart give the heaps' middles."""
    heaps = 20 * torch.eye(10)
    points = (heaps[:, None] + 0.1 * drawn.normal("points", 10, 30, 10)).flatten(0, 1)
    middles = cluster(points, 10, 5, torch.Generator().manual_seed(0))
    found = middles[torch.cdist(heaps, middles).argmin(dim=1)]
    torch.testing.assert_close(found, points.reshape(10, 30, 10).mean(dim=1), atol=1e-4, rtol=0)


def test_no_code_is_lost_where_points_are_alike() -> None:
    """Two places for four codes: those without a point begin anew, and nothing is divided by none."""
    points = torch.eye(2).repeat_interleave(5, dim=0)
    middles = cluster(points, 4, 3, torch.Generator().manual_seed(0))
    assert torch.isfinite(middles).all()
    assert torch.cdist(torch.eye(2), middles).min(dim=1).values.max() < 1e-3


def test_fewer_tokens_than_codes_are_told() -> None:
    with pytest.raises(TrainingError, match="n_codes: 8 are more than the corpus has tokens, 3"):
        codebook_of(TOKENS, [drawn.normal("few", 3, 32)], [torch.zeros(3, 2, dtype=torch.long)])


def test_directions_are_those_in_which_phones_differ() -> None:
    """Two phones differ in one direction; another one, twenty times as loud, has nothing to do with them."""
    phones = drawn.integers("phones", 2, 400)
    pairs = 0.1 * drawn.normal("apart", 400, 6)
    pairs[:, 4] += phones
    pairs[:, 1] += 20 * drawn.normal("loud", 400)
    [direction] = discriminants(pairs - pairs.mean(dim=0), phones[:, None].expand(-1, 2), 1)
    assert direction.abs().argmax() == 4
    found = (pairs - pairs.mean(dim=0)) @ direction
    assert found.square().mean().sqrt() == pytest.approx(1, abs=1e-4)
    assert torch.corrcoef(torch.stack([found, phones.float()]))[0, 1].abs() > 0.95


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Corpus, Path]:
    if not flite.is_installed():
        pytest.skip("flite is not installed: apt-get install flite")
    folder = tmp_path_factory.mktemp("tokens")
    made = Corpus(folder / "corpus", RECIPE.corpus, own_sentences(6), [])
    made.make(n_threads=2)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        publish(ContentEncoder(RECIPE.content), folder / "content")
    return made, folder


def test_every_sentence_is_read(corpus: tuple[Corpus, Path], tmp_path: Path) -> None:
    made, folder = corpus
    assert not make(TOKENS, made, folder / "content", tmp_path, must_stop=lambda: True)
    assert not (tmp_path / READINGS).exists()
    assert make(TOKENS, made, folder / "content", tmp_path)
    readings = read_readings(tmp_path)
    entries = list(made.entries())
    assert list(readings) == [entry.name for entry in entries]
    for entry in entries:
        reading = readings[entry.name]
        assert len(reading.tokens) == len(entry.spoken.sound) // 640
        assert 0 <= int(reading.tokens.min()) <= int(reading.tokens.max()) < 8
        assert len(reading.phonemes) > 2
    quantiser = read_quantiser(tmp_path)
    assert quantiser.codebook.shape == (8, 16)
    together = torch.cat([reading.tokens for reading in readings.values()])
    assert len(torch.unique(together)) > 4  # one code for all would be no codebook


def test_what_is_there_is_kept_until_something_changes(corpus: tuple[Corpus, Path], tmp_path: Path) -> None:
    made, folder = corpus
    make(TOKENS, made, folder / "content", tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in (QUANTISER, READINGS)}
    told: list[int] = []
    make(TOKENS, made, folder / "content", tmp_path, report=lambda n, *_: told.append(n))
    assert not told
    make(TokenRecipe(n_codes=7, n_points=200, n_rounds=5), made, folder / "content", tmp_path)
    assert read_quantiser(tmp_path).codebook.shape[0] == 7
    make(TOKENS, made, folder / "content", tmp_path)
    assert before == {name: (tmp_path / name).read_bytes() for name in (QUANTISER, READINGS)}  # the same bits


def test_a_stage_before_its_time_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tokens", "--folder", str(tmp_path)]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"there is no content backbone in {tmp_path / 'content' / 'content'}: first run the stage content"
    ]
    with pytest.raises(TrainingError, match="first run the stage tokens"):
        read_readings(tmp_path)
