from __future__ import annotations

import pytest

from book.matter import is_contents_title, is_notes_title, judge_matter
from book.structure import Matter


@pytest.mark.parametrize(
    ("types", "title", "matter", "reason"),
    [
        ("", "Chapter 1", Matter.BODY, ""),
        ("bodymatter chapter", "Contents of the Box", Matter.BODY, ""),
        ("frontmatter preface", "Preface", Matter.BODY, ""),
        ("frontmatter", "Introduction", Matter.BODY, ""),
        ("frontmatter", "A Map", Matter.FRONT, "epub:type=frontmatter"),
        ("backmatter colophon", "Anything", Matter.BACK, "epub:type=colophon"),
        ("chapter", "About the Author", Matter.BACK, "title: About the Author"),
        ("backmatter epilogue", "Index", Matter.BODY, ""),
        ("", "COPYRIGHT © 2020 BY ANN", Matter.FRONT, "title: COPYRIGHT © 2020 BY ANN"),
        ("", "Also by Ann Author", Matter.FRONT, "title: Also by Ann Author"),
        ("", "Appendix B: More", Matter.BACK, "title: Appendix B: More"),
        ("", "  Index. ", Matter.BACK, "title:   Index. "),
        ("", "Transcriber’s Note", Matter.BACK, "title: Transcriber’s Note"),
    ],
)
def test_matter_is_judged_by_types_then_title(types: str, title: str, matter: Matter, reason: str) -> None:
    assert judge_matter(frozenset(types.split()), title) == (matter, reason)


def test_titles_of_notes_and_contents_are_known() -> None:
    assert all(map(is_notes_title, ("Notes", "FOOTNOTES:", "Anmerkungen", "注释", "각주")))
    assert not any(map(is_notes_title, ("Notes from Underground", "Footing")))
    assert all(map(is_contents_title, ("CONTENTS.", "Table of Contents", "目次", "Inhalt")))
    assert not is_contents_title("Contents of the Box")
