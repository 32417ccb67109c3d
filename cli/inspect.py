"""`lectorium inspect`: what would be read of a book, how long it will be, and what is left out and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from book.structure import Block, Chapter
from cli.console import clock, count, say, say_json


@click.command()
@click.argument("book", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--language", help="Language of the book, if it does not say or says it wrong (en, zh, pt-br, ...)."
)
@click.option("--front-matter", is_flag=True, help="Number and count the front matter too.")
@click.option("--back-matter", is_flag=True, help="Number and count the back matter too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def inspect(book: Path, language: str | None, front_matter: bool, back_matter: bool, as_json: bool) -> None:
    """Show chapters, length and language of BOOK, and what is left out.

    The chapter numbers are those that `lectorium read --chapters` takes.
    """
    found = look(book, language=language, front=front_matter, back=back_matter)
    if as_json:
        say_json(found)
    else:
        _show(found)


def look(
    path: Path, *, language: str | None = None, front: bool = False, back: bool = False
) -> dict[str, Any]:
    """The book as `inspect --json` prints it.

    Raises:
        BookError: the file cannot be read as a book.
    """
    from book.read import read
    from book.structure import Matter

    found = read(path)
    wanted = {Matter.BODY} | ({Matter.FRONT} if front else set()) | ({Matter.BACK} if back else set())
    languages = {"und": language or found.language}
    if language:
        languages[found.language] = language
    listed: list[dict[str, Any]] = []
    left_out: list[dict[str, Any]] = []
    for chapter in found.chapters:
        described = _describe(chapter, languages)
        if chapter.matter in wanted:
            listed.append({"index": len(listed) + 1, **described})
        else:
            left_out.append({"what": f"chapter: {chapter.title}", "reason": chapter.reason, **described})
    left_out += [
        {"what": entry.what, "reason": entry.reason}
        for entry in found.left_out
        if not entry.what.startswith("chapter: ")  # told above, with its length, if it is left out this time
    ]
    return {
        "title": found.title,
        "authors": list(found.authors),
        "language": language or found.language,
        "cover": found.cover is not None,
        "characters": sum(chapter["characters"] for chapter in listed),
        "utterances": sum(chapter["utterances"] for chapter in listed),
        "estimated_seconds": round(sum(chapter["estimated_seconds"] for chapter in listed), 1),
        "chapters": listed,
        "left_out": left_out,
    }


def _describe(chapter: Chapter, languages: dict[str, str]) -> dict[str, Any]:
    from book.estimate import estimate_chapter_seconds
    from speech.text.script import read as read_script

    spoken = replace(chapter, blocks=tuple(_in_languages(block, languages) for block in chapter.blocks))
    utterances = read_script([(block.kind.value, block.spans) for block in spoken.blocks])
    return {
        "title": chapter.title,
        "matter": chapter.matter.value,
        "characters": chapter.n_characters,
        "utterances": len(utterances),
        "estimated_seconds": round(estimate_chapter_seconds(spoken), 1),
    }


def _in_languages(block: Block, languages: dict[str, str]) -> Block:
    return replace(
        block,
        spans=tuple(
            span._replace(language=languages.get(span.language, span.language)) for span in block.spans
        ),
    )


def _show(found: dict[str, Any]) -> None:
    authors = ", ".join(found["authors"])
    say(f"{found['title']}{f' by {authors}' if authors else ''}")
    language = "not known" if found["language"] == "und" else found["language"]
    say(
        f"language {language} · {count(len(found['chapters']), 'chapter')} · "
        f"{count(found['characters'], 'character')} · {count(found['utterances'], 'utterance')} · "
        f"about {clock(found['estimated_seconds'])} of sound"
    )
    say()
    _show_chapters(found["chapters"])
    if found["left_out"]:
        say("\nnot read aloud:")
        for entry in found["left_out"]:
            length = f", {count(entry['characters'], 'character')}" if "characters" in entry else ""
            reason = f" ({entry['reason']})" if entry["reason"] else ""
            say(f"  {entry['what']}{length}{reason}")


def _show_chapters(chapters: Sequence[dict[str, Any]]) -> None:
    width = len(str(len(chapters)))
    for chapter in chapters:
        say(
            f"  {chapter['index']:>{width}}  {clock(chapter['estimated_seconds']):>8}  "
            f"{chapter['characters']:>9,} characters  {chapter['utterances']:>6,} utterances  "
            f"{chapter['title']}"
        )
