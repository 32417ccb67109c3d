from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.demo import SOURCE, build
from cli.inspect import look
from cli.main import run

TITLES = ["The Empty Chair", "What the Captain Said"]


@pytest.fixture
def demo_book(tmp_path: Path) -> Path:
    return build(SOURCE, tmp_path / "demo.epub")


def test_json_has_the_book_its_chapters_and_what_is_left_out(
    demo_book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["inspect", str(demo_book), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["title"], found["authors"]) == ("The Reader's Chair", ["The Lectorium authors"])
    assert (found["language"], found["cover"]) == ("en", True)
    assert [(chapter["index"], chapter["title"]) for chapter in found["chapters"]] == list(
        enumerate(TITLES, 1)
    )
    for chapter in found["chapters"]:
        assert 1500 < chapter["characters"] < 2500
        assert 20 < chapter["utterances"] < 40
    assert found["estimated_seconds"] == pytest.approx(
        sum(chapter["estimated_seconds"] for chapter in found["chapters"]), abs=0.2
    )
    reasons = {entry["what"]: entry["reason"] for entry in found["left_out"]}
    assert reasons["chapter: Title page"] == "epub:type=titlepage"
    assert reasons["chapter: Colophon"] == "epub:type=colophon"
    assert [what for what in reasons if "note" in what]
    assert len(reasons) == len(found["left_out"]), "nothing is told twice"


def test_matter_that_is_asked_for_is_numbered_and_not_left_out(demo_book: Path) -> None:
    found = look(demo_book, front=True)
    assert [chapter["title"] for chapter in found["chapters"]] == ["Title page", *TITLES]
    assert "chapter: Title page" not in [entry["what"] for entry in found["left_out"]]
    assert [chapter["title"] for chapter in look(demo_book, back=True)["chapters"]] == [*TITLES, "Colophon"]


def test_a_language_that_is_given_changes_the_estimate(tmp_path: Path) -> None:
    book = tmp_path / "book.txt"
    book.write_text("第一章\n\n" + "那一年的冬天，雪下得很大，街上没有一个人。" * 20, encoding="utf-8")
    assert look(book)["language"] == "zh"
    as_english = look(book, language="en")
    assert as_english["language"] == "en"
    assert as_english["estimated_seconds"] < look(book)["estimated_seconds"] / 2


def test_text_shows_a_line_for_each_chapter_and_each_thing_left_out(
    demo_book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["inspect", str(demo_book)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "The Reader's Chair by The Lectorium authors"
    assert lines[1].startswith("language en · 2 chapters · ")
    for title in TITLES:
        assert len([line for line in lines if line.endswith(f"utterances  {title}")]) == 1
    assert "  chapter: Colophon, 145 characters (epub:type=colophon)" in lines


def test_a_file_that_is_no_book_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "book.epub"
    path.write_bytes(b"PK\x03\x04 and no more")
    assert run(["inspect", str(path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert "book.epub" in printed.err


def test_sherlock_holmes_has_twelve_stories(shared_books: Path) -> None:
    found = look(shared_books / "sherlock-holmes.epub")
    titles = [chapter["title"] for chapter in found["chapters"]]
    assert len(titles) == 12
    assert titles[0] == "A Scandal in Bohemia"
    assert titles[-1] == "The Adventure of the Copper Beeches"
    assert {"chapter: Imprint", "chapter: Colophon"} <= {entry["what"] for entry in found["left_out"]}
