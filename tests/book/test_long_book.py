"""A long book on the bench: memory must not grow with it.

`python -m tests.book.test_long_book 60 180` prints memory and speeds for 60 chapters of 180 seconds.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from book.bind import Bound, Member, bind_m4b, bind_zip, file_name
from book.encode import Format
from book.master import master
from book.profiles import ACX
from book.tags import Tags
from book.track import join
from tests.book.speaking import RATE, takes

MIB = 2**20


def resident() -> float:
    """Resident memory of this process in MiB."""
    return float(psutil.Process().memory_info().rss) / MIB


def bind_long_book(folder: Path, n_chapters: int, chapter_seconds: float) -> dict[str, float]:
    """Join, master (m4b and MP3) and bind so many chapters; speeds (sound seconds a second), memory (MiB)."""
    spent = dict.fromkeys(("join", "m4b", "mp3", "bind_m4b", "bind_zip"), 0.0)
    made: dict[Format, list[Path]] = {Format.M4B: [], Format.MP3: []}
    memory = []

    def timed(name: str, since: float) -> None:
        spent[name] += time.perf_counter() - since

    total = 0.0
    for number in range(n_chapters):
        begun = time.perf_counter()
        cues = join(takes(round(chapter_seconds / 3.3)), sample_rate=RATE, path=folder / "track.flac")
        timed("join", begun)
        for format, paths in made.items():
            paths.append(folder / f"{number}.{format}")
            begun = time.perf_counter()
            master(folder / "track.flac", profile=ACX, format=format, path=paths[-1])
            timed(format.value, begun)
        total += cues[-1].end_seconds
        memory.append(resident())
    begun = time.perf_counter()
    bind_m4b(
        [Bound(path.stem, path) for path in made[Format.M4B]],
        tags=Tags(title="Long"),
        path=folder / "book.m4b",
    )
    timed("bind_m4b", begun)
    begun = time.perf_counter()
    files = [
        Member(file_name(number, n_chapters, "x", ".mp3"), path)
        for number, path in enumerate(made[Format.MP3], 1)
    ]
    bind_zip(files, path=folder / "book.zip")
    timed("bind_zip", begun)
    third = max(1, n_chapters // 3)
    hours = total / 3600
    slope = (np.mean(memory[-third:]) - np.mean(memory[third : 2 * third])) / (hours * third / n_chapters)
    speeds = {f"{name}_speed": total / seconds for name, seconds in spent.items()}
    return {
        "hours": hours,
        "memory_after_first": memory[0],
        "memory_after_last": memory[-1],
        "memory_after_bind": resident(),
        "memory_slope_per_hour": float(slope),
        **speeds,
    }


@pytest.mark.slow
def test_memory_stays_flat_over_a_long_book(tmp_path: Path) -> None:
    figures = bind_long_book(tmp_path, 18, 40.0)
    assert figures["memory_after_last"] - figures["memory_after_first"] < 10
    assert figures["memory_after_bind"] - figures["memory_after_last"] < 10


@pytest.mark.slow
def test_memory_does_not_depend_on_the_length_of_a_chapter(tmp_path: Path) -> None:
    """One chapter of two minutes, then one of twenty: 420 MB as floats at the file's rate."""
    grown = []
    for seconds in (120.0, 1200.0):
        join(takes(round(seconds / 3.3)), sample_rate=RATE, path=tmp_path / "track.flac")
        master(tmp_path / "track.flac", profile=ACX, format=Format.M4B, path=tmp_path / "x.m4a")
        grown.append(resident())
    assert grown[1] - grown[0] < 25


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        print(json.dumps(bind_long_book(Path(temporary), int(sys.argv[1]), float(sys.argv[2])), indent=2))
