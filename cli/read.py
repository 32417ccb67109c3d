"""`lectorium read`: a book to an audiobook with no server: submit, work, show, fetch, in one process tree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.console import clock, count, say, say_json, size, tell
from cli.speaking import speaking_options, take_speaking

if TYPE_CHECKING:
    from cli.narrate import Outcome

MATTER = {"front_matter": "front", "back_matter": "back"}


@click.command()
@click.argument("book", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o", "--output", "out", type=click.Path(path_type=Path), help="A file, or a folder for all there is."
)
@click.option("--voice", help="Who reads; `lectorium voice list` shows them. Default: draft.")
@click.option("--language", help="Language of the book, if it does not say or says it wrong.")
@click.option(
    "--foreign",
    type=click.Choice(["refuse", "as-book"]),
    help="Words of languages the voice does not speak: refuse (default) or as-book, read like the others.",
)
@click.option("--chapters", help="Which of the chapters that `lectorium inspect` numbers: 1-3,5")
@click.option(
    "--format", "formats", multiple=True, help="m4b (default), mp3, flac, opus or wav; may be given again."
)
@click.option("--profile", help="Loudness: podcast (default), acx, ebu-r128 or none.")
@speaking_options
@click.option("--title", help="Overrides the book's.")
@click.option("--author", "authors", multiple=True, help="Overrides the book's; may be given again.")
@click.option("--narrator", help="The name in the tags; default: the voice's.")
@click.option("--front-matter", is_flag=True, help="Read the front matter too.")
@click.option("--back-matter", is_flag=True, help="Read the back matter too.")
@click.option(
    "--workers", type=click.IntRange(1, 256), help="How many processes; default: one for each core."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.pass_context
def read(
    command: click.Context, /, book: Path, out: Path | None, workers: int | None, as_json: bool, **given: Any
) -> None:
    """Read BOOK aloud: EPUB, DOCX, PDF, HTML, Markdown or plain text.

    The same command again, after Ctrl-C or a crash, goes on where it was.
    """
    from cli.crew import n_cores
    from cli.narrate import narrate
    from cli.order import Order, check_narration, choose_destination, choose_formats
    from cli.processes import require
    from cli.settings import settings_of

    require("worker")
    formats = choose_formats(given.pop("formats"), out)
    matter = [part for option, part in MATTER.items() if given.pop(option)]
    speaking = take_speaking(given)
    authors = given.pop("authors") or None
    narration = check_narration(
        {**given, **speaking, "authors": authors, "formats": formats, "matter": frozenset(matter)}
    )
    order = Order(book, narration, choose_destination(out, narration.formats), workers or n_cores())
    outcome = narrate(order, settings_of(command))
    if as_json:
        say_json(outcome.as_json())
    else:
        for line in summary(outcome):
            say(line)
    for line in outcome.errors:
        tell(line)
    if outcome.exit_code:
        raise click.exceptions.Exit(outcome.exit_code)


def summary(outcome: Outcome) -> list[str]:
    """Files, chapters, length, speed, loudness and doubtful takes, a line each."""
    lines = [f"{path} ({size(path.stat().st_size)})" for path in outcome.fetched.paths]
    if outcome.exit_code:
        return lines
    length = f"{count(len(outcome.chapters), 'chapter')}, {clock(outcome.audio_seconds)} of sound"
    if outcome.pace is not None:
        length += f" in {clock(outcome.wall_seconds)}: {outcome.pace:.0f}× real time"
    lines.append(length)
    if (measured := outcome.fetched.loudness) is not None:
        lines.append(
            f"measured {_span(measured['lowest_lufs'], measured['highest_lufs'])} LUFS, "
            f"true peak {measured['highest_true_peak_dbtp']:.1f} dBTP"
        )
    if doubtful := outcome.fetched.doubtful:
        first = doubtful[0]
        lines.append(
            f"{count(len(doubtful), 'doubtful take')}; the first: chapter {first['chapter']}, "
            f"utterance {first['utterance']}, {first['text'].strip()!r}: {first['reason']}"
        )
    return lines


def _span(lowest: float, highest: float) -> str:
    return f"{lowest:.1f}" if f"{lowest:.1f}" == f"{highest:.1f}" else f"{lowest:.1f} to {highest:.1f}"
