"""`make demo`: the sample book, from its source to an audiobook, with figures."""

from __future__ import annotations

import shutil
import sys
import time
import zipfile
from pathlib import Path
from typing import Final

from cli.console import clock, count, say, tell

ROOT: Final = Path(__file__).resolve().parents[1]
SOURCE: Final = ROOT / "demo" / "book"
OUT: Final = ROOT / "out"
ZIP_DATE: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest a zip can hold: the same source gives the same book."""


def build(source: Path, book: Path) -> Path:
    """The EPUB file made of the source folder; `mimetype` is first and not compressed (EPUB 3.3, 4.2.6)."""
    book.parent.mkdir(parents=True, exist_ok=True)
    names = sorted(path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file())
    names.sort(key=lambda name: name != "mimetype")
    with zipfile.ZipFile(book, "w") as archive:
        for name in names:
            member = zipfile.ZipInfo(name, ZIP_DATE)
            member.compress_type = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            archive.writestr(member, (source / name).read_bytes())
    return book


def main() -> int:
    """Builds, reads and reports; the exit status."""
    from cli.crew import n_cores
    from cli.narrate import narrate
    from cli.order import Destination, Order, check_narration
    from jobs.settings import Settings

    began = time.monotonic()
    home = OUT / "demo-home"
    shutil.rmtree(home, ignore_errors=True)  # a demonstration starts from nothing, each time
    book = build(SOURCE, OUT / "the-readers-chair.epub")
    narration = check_narration({"voice": "draft", "formats": ("m4b",)})
    outcome = narrate(Order(book, narration, Destination(OUT, "demo.m4b"), n_cores()), Settings(home=home))
    for line in outcome.errors:
        tell(line)
    if outcome.exit_code or outcome.pace is None or outcome.fetched.loudness is None:
        return outcome.exit_code or 1
    measured = outcome.fetched.loudness
    say()
    say(f"audiobook  {outcome.fetched.paths[0].relative_to(ROOT)}")
    for chapter in outcome.chapters:
        say(f"chapter {chapter.index}  {chapter.title} ({clock(chapter.audio_seconds)})")
    say(f"length     {clock(outcome.audio_seconds)} in {count(len(outcome.chapters), 'chapter')}")
    say(
        f"speed      {outcome.pace:.0f}× real time: {outcome.wall_seconds:.1f} s of work, "
        f"{time.monotonic() - began:.1f} s in all"
    )
    say(
        f"loudness   {measured['lowest_lufs']:.1f} to {measured['highest_lufs']:.1f} LUFS by chapter, "
        f"true peak {measured['highest_true_peak_dbtp']:.1f} dBTP, measured on the encoded files"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
