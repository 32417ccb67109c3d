"""`python -m starter STAGE`: one stage of the starter voice's training, begun or gone on with."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final

from book.errors import BookError
from speech.errors import SpeechError
from speech.training.loop import Outcome
from starter.corpus import Corpus
from starter.recipe import Recipe
from starter.sentences import own_sentences
from starter.texts import sentences_of

STAGES: Final = (
    *("take-up", "corpus", "content", "tokens", "decoder", "polish", "semantic", "all"),
    *("keep", "publish", "evaluate"),
)
_TELL_SECONDS: Final = 10.0


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 2 for what cannot be done, 3 if it was stopped and can be gone on with."""
    parser = argparse.ArgumentParser(prog="python -m starter", description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--folder", type=Path, default=Path("out/starter"), help="where everything goes")
    parser.add_argument(
        "--book", type=Path, action="append", default=[], help="a book to read; several may be given"
    )
    parser.add_argument(
        "--threads", type=int, choices=range(1, 65), default=1, metavar="N", help="flites at once"
    )
    parser.add_argument(
        "--resume-from",
        type=Path,
        metavar="FOLDER",
        help="begin with the networks there, instead of with ones that have learnt nothing",
    )
    parser.add_argument(
        "--shelf",
        type=Path,
        default=Path("models_store/starter"),
        help="where the narrators stand as voices, for the stages publish and evaluate",
    )
    asked = parser.parse_args(arguments)
    try:
        with _listening() as must_stop:
            if asked.stage == "take-up":
                _take_up(asked.folder)
            elif asked.stage == "keep":
                _keep(asked.folder)
            elif asked.stage == "evaluate":
                _evaluate(asked.folder, asked.book, asked.shelf)
            elif asked.stage == "publish":
                _publish(asked.folder, asked.book, asked.shelf)
            else:
                _run(asked.stage, asked.folder, asked.book, asked.threads, asked.resume_from, must_stop)
            return 3 if must_stop() else 0
    except (BookError, SpeechError) as error:
        _tell(str(error))
        return 2


def _run(
    stage: str,
    folder: Path,
    books: list[Path],
    n_threads: int,
    begun: Path | None,
    must_stop: Callable[[], bool],
) -> None:
    recipe = Recipe()
    corpus = _corpus(recipe, folder, books)
    if stage in {"corpus", "all"}:
        corpus.make(n_threads=n_threads, must_stop=must_stop, report=_reporter("shard"))
    if stage in {"content", "all"} and not must_stop():
        _learn_content(recipe, corpus, folder / "content", must_stop)
    if stage in {"tokens", "all"} and not must_stop():
        _make_tokens(recipe, corpus, folder, must_stop)
    if stage in {"decoder", "all"} and not must_stop():
        _learn_decoder(recipe, corpus, folder, begun, must_stop)
    if stage in {"polish", "all"} and not must_stop():
        _polish_decoder(recipe, corpus, folder, must_stop)
    if stage in {"semantic", "all"} and not must_stop():
        _learn_semantic(recipe, corpus, folder, begun, must_stop)


def _corpus(recipe: Recipe, folder: Path, books: list[Path]) -> Corpus:
    read = list(sentences_of(books))
    return Corpus(folder / "corpus", recipe.corpus, own_sentences(recipe.corpus.n_own), read)


def _take_up(folder: Path) -> None:
    from starter.begun import BEGUN, take_up

    take_up(folder)
    _tell(f"{folder} goes on from {BEGUN}: now the stages corpus, tokens, polish and semantic")


def _keep(folder: Path) -> None:
    from starter.begun import BEGUN, keep

    n_updates = keep(Recipe(), folder)
    _tell(f"{BEGUN} holds " + " and ".join(f"{n} updates of the {name}" for name, n in n_updates.items()))


def _evaluate(folder: Path, books: list[Path], shelf: Path) -> None:
    from models_store.shelf import Shelf
    from starter.evaluate import FILE, evaluate
    from starter.pictures import draw

    recipe = Recipe()
    rows = evaluate(recipe, _corpus(recipe, folder, books), folder, Shelf(shelf), tell=_tell)
    draw(rows, folder)
    _tell(f"all of it is in {folder / FILE}")


def _publish(folder: Path, books: list[Path], shelf: Path) -> None:
    from starter.publish import publish

    recipe = Recipe()
    for manifest in publish(recipe, _corpus(recipe, folder, books).entries(), folder, shelf):
        _tell(f"{manifest.name}@{manifest.version[:12]} is on the shelf {shelf}")


def _learn_content(recipe: Recipe, corpus: Corpus, folder: Path, must_stop: Callable[[], bool]) -> None:
    from starter.content import train
    from starter.measures import measure_backbone

    report = _losses_of(_reporter("update"))
    if train(recipe, corpus.entries(), folder, must_stop=must_stop, report=report) is not Outcome.STOPPED:
        held_out = (entry for entry in corpus.entries() if entry.is_held_out)
        measured = asdict(measure_backbone(folder, recipe.content, held_out))
        (folder / "measures.json").write_text(json.dumps(measured, indent=2), encoding="utf-8")
        _tell(f"frames right {measured['right']:.3f}, silence left out {measured['right_phones']:.3f}")


def _learn_decoder(
    recipe: Recipe, corpus: Corpus, folder: Path, begun: Path | None, must_stop: Callable[[], bool]
) -> None:
    from speech.gpt_sovits.files import DECODER
    from starter.decoder import train

    train(
        recipe,
        corpus.entries(),
        folder / "tokens",
        folder / "decoder",
        begun=None if begun is None else begun / DECODER,
        must_stop=must_stop,
        report=_losses_of(_reporter("update")),
    )


def _polish_decoder(recipe: Recipe, corpus: Corpus, folder: Path, must_stop: Callable[[], bool]) -> None:
    from starter.decoder import polish

    polish(
        recipe,
        corpus.entries(),
        folder / "tokens",
        folder / "decoder",
        must_stop=must_stop,
        report=_losses_of(_reporter("update")),
    )


def _losses_of(tell: Callable[..., None]) -> Callable[[int, int, dict[str, float]], None]:
    """Tells a training's losses too."""

    def report(number: int, n: int, losses: dict[str, float]) -> None:
        tell(number, n, " ".join(f"{name} {loss:.4g}" for name, loss in losses.items()))

    return report


def _learn_semantic(
    recipe: Recipe, corpus: Corpus, folder: Path, begun: Path | None, must_stop: Callable[[], bool]
) -> None:
    from starter.semantic import sentences_of_corpus, train

    sentences = sentences_of_corpus(corpus, folder)
    report = _losses_of(_reporter("update"))
    train(
        recipe.semantic,
        sentences,
        folder / "semantic",
        begun=begun,
        must_stop=must_stop,
        report=report,
    )


def _make_tokens(recipe: Recipe, corpus: Corpus, folder: Path, must_stop: Callable[[], bool]) -> None:
    from starter import tokens

    content = folder / "content" / "content"
    tokens.make(
        recipe.tokens, corpus, content, folder / "tokens", must_stop=must_stop, report=_reporter("sentence")
    )


@contextmanager
def _listening() -> Iterator[Callable[[], bool]]:
    """Inside, Ctrl-C and `kill` end a stage where it can be gone on with; what is given tells if one came."""
    came: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda which, _frame: came.append(which)) for number in numbers]
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _reporter(what: str) -> Callable[..., None]:
    """Tells how far it is, every few seconds and at the end."""
    told_at = 0.0

    def report(number: int, n: int, more: str = "") -> None:
        nonlocal told_at
        if number == n or time.monotonic() - told_at >= _TELL_SECONDS:
            told_at = time.monotonic()
            _tell(f"{what} {number} of {n} {more}".rstrip())

    return report


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
