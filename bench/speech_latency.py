"""How soon a short text is heard, on an idle house and in the middle of a book, and what the book pays.

    python -m bench.speech_latency                                  # stub voice, SQLite in a fresh folder
    python -m bench.speech_latency --voice draft --other-voice
    python -m bench.speech_latency --ledger postgresql:///empty     # an empty database

A real server and real workers, each a process of its own, and a client that measures from the request to
the first byte of sound. The book is long enough to last; its rate is read from the ledger: utterances spoken
while the clock ran. Speeches come one after another, `--every` seconds apart; with 0 there is always one, and
what `worker.urgent` saves up for them is used up first where `--settle` is long enough.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy import func, select

from jobs.ledger import Ledger
from jobs.migrate import upgrade
from jobs.settings import Settings
from jobs.tables import Step
from models_store.manifest import VoiceManifest
from speech.stub import WEIGHTS_DIGEST

ROOT: Final = Path(__file__).resolve().parents[1]
WORDS: Final = ("lamp", "dog", "chair", "broom", "door", "bell", "clock", "stove", "table", "window")


def main() -> None:
    """Measures what the arguments ask for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ledger", help="address of an empty database; default: SQLite in a fresh folder")
    parser.add_argument("--voice", choices=("stub", "draft"), default="stub")
    parser.add_argument("--other-voice", action="store_true", help="speeches in another voice than the book")
    parser.add_argument("--utterance-seconds", type=float, default=0.1, help="what the stub takes for each")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each of the three phases")
    parser.add_argument("--every", type=float, default=2.0, help="seconds from speech to speech; 0: no pause")
    parser.add_argument("--settle", type=float, default=0.0, help="seconds of speeches before they count")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, _house(given, Path(folder)) as (address, ledger):
        figures = {"ledger": "postgresql" if given.ledger else "sqlite", **_measure(given, address, ledger)}
    if given.json:
        sys.stdout.write(json.dumps(figures) + "\n")
        return
    for name, figure in figures.items():
        shown = f"{figure:.3f}" if isinstance(figure, float) else str(figure)
        sys.stdout.write(f"{name:34} {shown}\n")


@contextmanager
def _house(given: argparse.Namespace, home: Path) -> Iterator[tuple[str, Ledger]]:
    """A server's address, and the ledger behind it."""
    settings = Settings(home=home, ledger=given.ledger or "")
    upgrade(settings.ledger_url)
    for name in ("reader", "speaker"):
        _place_stub(settings.shelf_path, name, given.utterance_seconds)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("LECTORIUM_")},  # noqa: TID251 - the children's
        "LECTORIUM_HOME": str(home),
        "LECTORIUM_LEDGER": settings.ledger_url,
        "LECTORIUM_PORT": "0",
        "PYTHONPATH": str(ROOT),
    }

    with ExitStack() as stack:
        ledger = stack.enter_context(Ledger(settings))

        def start(*arguments: str) -> subprocess.Popen[str]:
            log = stack.enter_context((home / f"{arguments[0]}.log").open("ab"))
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", *arguments],
                    cwd=home,
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                )
            )
            stack.callback(process.terminate)
            return process

        server = start("api")
        for _ in range(given.workers):
            start("worker", "--kinds", "plan,synthesize")
        assert server.stdout is not None
        yield server.stdout.readline().strip(), ledger


def _place_stub(shelf: Path, name: str, seconds: float) -> None:
    manifest = VoiceManifest(
        name=name,
        family="stub",
        weights_digest=WEIGHTS_DIGEST,
        languages="any",
        licence="MIT",
        parameters={"seconds_per_utterance": seconds},
    )
    folder = shelf / name / manifest.version
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")


def _measure(given: argparse.Namespace, address: str, ledger: Ledger) -> dict[str, Any]:
    book_voice, speech_voice = ("reader", "reader") if given.voice == "stub" else ("draft", "draft")
    if given.other_voice:
        speech_voice = "speaker" if given.voice == "stub" else "draft-f1"
    _speak(address, speech_voice, 0)  # the worker is up, and has opened the voice
    idle, _ = _speak_on(given, address, speech_voice, first=1)
    book = {"text": _book(6_000), "voice": book_voice, "language": "en"}
    _ask(address, "/v1/narrations", book).read()
    deadline = time.monotonic() + 60
    while not _n_spoken(ledger):
        assert time.monotonic() < deadline, "the book does not begin"
        time.sleep(0.1)
    before = _n_spoken(ledger)
    began = time.monotonic()
    time.sleep(given.seconds)
    alone = (_n_spoken(ledger) - before) / (time.monotonic() - began)
    settled = len(_speak_on(given, address, speech_voice, first=50_000, seconds=given.settle)[0])
    before, began = _n_spoken(ledger), time.monotonic()
    loaded, n_utterances = _speak_on(given, address, speech_voice, first=100_000)
    together = (_n_spoken(ledger) - before) / (time.monotonic() - began)
    return {
        "voice": given.voice,
        "speeches_voice": "another" if given.other_voice else "the book's",
        "workers": given.workers,
        "seconds_between_speeches": given.every,
        "speeches_idle": len(idle),
        "first_sound_idle_p50_s": statistics.median(idle),
        "first_sound_idle_p95_s": _p95(idle),
        "speeches_to_settle": settled,
        "speeches_under_load": len(loaded),
        "first_sound_under_load_p50_s": statistics.median(loaded),
        "first_sound_under_load_p95_s": _p95(loaded),
        "book_utterances_a_second_alone": alone,
        "book_utterances_a_second_with_speeches": together,
        "book_loses": 1 - together / alone,
        "speech_utterances": n_utterances,
    }


def _p95(seconds: list[float]) -> float:
    return sorted(seconds)[min(len(seconds) - 1, int(0.95 * len(seconds)))]


def _book(n_sentences: int) -> str:
    return "\n\n".join(
        f"The {WORDS[n % 10]} of house number {n} is older than the {WORDS[n // 10 % 10]}."
        for n in range(n_sentences)
    )


def _speak_on(
    given: argparse.Namespace, address: str, voice: str, *, first: int, seconds: float | None = None
) -> tuple[list[float], int]:
    """Seconds to the first sound of each speech of a phase; and how many utterances they had together."""
    heard: list[float] = []
    end = time.monotonic() + (given.seconds if seconds is None else seconds)
    while (began := time.monotonic()) < end:
        heard.append(_speak(address, voice, first + len(heard)))
        time.sleep(max(0.0, began + given.every - time.monotonic()))
    return heard, 2 * len(heard)


def _speak(address: str, voice: str, number: int) -> float:
    """Seconds from the request to the first byte of sound; waits for the last."""
    text = f"Somebody is at door number {number}. It has rung {number} times by now."
    began = time.monotonic()
    answer = _ask(
        address, "/v1/audio/speech", {"model": "lectorium", "voice": voice, "input": text, "language": "en"}
    )
    assert answer.read(1)
    heard = time.monotonic() - began
    answer.read()
    return heard


def _ask(address: str, path: str, body: dict[str, Any]) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=120)
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    if answer.status >= 400:
        sys.exit(f"{path}: {answer.status}: {answer.read().decode()}")
    return answer


def _n_spoken(ledger: Ledger) -> int:
    """Utterances of the book that are done; speeches are chunks of one, and not counted."""
    done = select(func.coalesce(func.sum(Step.n_utterances), 0)).where(
        Step.state == "succeeded", Step.kind == "synthesize", Step.n_utterances > 1
    )
    with ledger.database.read() as tx:
        return int(tx.execute(done).scalar_one())


if __name__ == "__main__":
    main()
