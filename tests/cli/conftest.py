"""A home of its own for each test, with stub voices on its shelf, and books read in seconds."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from models_store.manifest import VoiceManifest

ROOT = Path(__file__).resolve().parents[2]
SENTENCES = (
    "The chair stood on a platform in the middle of the room.",
    "For eleven days nobody had sat in it.",
    "She leaned her broom against the wall and climbed the three steps.",
    "Nobody laughed, and that was the worst of it.",
)


def text_of(n_chapters: int, n_sentences: int) -> str:
    """A book in plain text; no two sentences of it are the same, so no take serves twice."""
    chapters = []
    for chapter in range(1, n_chapters + 1):
        sentences = [
            f"{SENTENCES[n % len(SENTENCES)][:-1]}, said number {n} of chapter {chapter}."
            for n in range(n_sentences)
        ]
        chapters.append(f"Chapter {chapter}\n\n" + "\n\n".join(sentences))
    return "\n\n\n".join(chapters) + "\n"


VOICES: dict[str, dict[str, float]] = {
    "quick": {"seconds_per_utterance": 0.0},
    "slow": {"seconds_per_utterance": 0.25},
    "stuck": {"seconds_per_utterance": 30.0},
    "picky": {"seconds_per_utterance": 0.0, "poison": True},
}
"""Stub voices: name -> parameters."""


def put_on_shelf(shelf: Path) -> None:
    """The stub voices, as versions on disk."""
    for name, parameters in VOICES.items():
        manifest = VoiceManifest(
            name=name,
            family="stub",
            weights_digest=hashlib.sha256(name.encode()).hexdigest(),
            languages="any",
            licence="MIT",
            parameters=parameters,
        )
        folder = shelf / name / manifest.version
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")


@dataclass(frozen=True)
class Shell:
    """Calls of `lectorium` in a home of their own."""

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @contextmanager
    def start(self, *arguments: str, **settings: str) -> Iterator[subprocess.Popen[str]]:
        """The call, begun; killed at the end of the block if it still runs."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LECTORIUM_")},  # noqa: TID251 - the child's
            "LECTORIUM_HOME": str(self.home),
            **settings,
        }
        with subprocess.Popen(
            [sys.executable, "-m", "cli", *arguments],
            cwd=self.folder,
            env={**environment, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def run(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """The call, ended."""
        with self.start(*arguments, **settings) as process:
            out, error = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, error)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A terminal in an empty folder."""
    put_on_shelf(tmp_path / "home" / "shelf")
    return Shell(tmp_path)


@pytest.fixture
def write_book(tmp_path: Path) -> Callable[..., Path]:
    """Writes a small book and gives its path."""

    def write(n_chapters: int = 2, n_sentences: int = 6, *, instead: str | None = None) -> Path:
        path = tmp_path / "book.txt"
        path.write_text(instead or text_of(n_chapters, n_sentences), encoding="utf-8")
        return path

    return write
