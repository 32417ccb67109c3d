"""Markdown by CommonMark's rules, read as the HTML it stands for."""

from __future__ import annotations

import re
from html import escape
from typing import IO

from markdown_it import MarkdownIt

from book.errors import HostileBookError
from book.flow import tidy_line
from book.limits import MIB, Limits
from book.readers import html
from book.readers.decode import decode
from book.readers.html import read_markup
from book.structure import Book

# A front matter block as site builders write it: only the plain `key: value` lines are looked at, no YAML
# is run.
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.{0,20000}?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_KEY_VALUE = re.compile(
    r"^(title|author|authors|lang|language|date|description):[ \t]*(.{1,500})$", re.MULTILINE
)
_FOOTNOTE = re.compile(
    r"^\[\^[^\]\n]{1,60}\]:[^\n]*(?:\n(?:[ \t]{2,}[^\n]*|[ \t]*(?=\n[ \t]{2,})))*", re.MULTILINE
)
_FOOTNOTE_MARK = re.compile(r"\[\^[^\]\n]{1,60}\](?!:)")


def prepare() -> None:
    """Reads a little of everything, so that nothing is imported later."""
    html.prepare()
    _render("# a\n\nb *c* [d](e)\n\n- f\n\n| g |\n|---|\n| h |\n")


def read(file: IO[bytes], limits: Limits) -> Book:
    """The book in a Markdown file; `#` headings decide the chapters."""
    text = decode(file.read(limits.markup_bytes + 1))
    if len(text) > limits.markup_bytes:
        raise HostileBookError(f"has more than {limits.markup_bytes // MIB} MiB of text")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    values: dict[str, str] = {}
    front = _FRONT_MATTER.match(text)
    if front:
        values = {key: tidy_line(value.strip(" \"'[]")) for key, value in _KEY_VALUE.findall(front[1])}
        text = text[front.end() :]
    text, n_notes = _FOOTNOTE.subn("", text)
    text = _FOOTNOTE_MARK.sub("", text)
    return read_markup(_page(_render(text), values, n_notes), limits, title=values.get("title", ""))


def _render(text: str) -> str:
    # Raw HTML passes, for writers use it (<br>, <ruby>); it meets the same parser as any HTML book.
    return str(MarkdownIt("commonmark", {"html": True, "typographer": False}).enable("table").render(text))


def _page(body: str, values: dict[str, str], n_notes: int) -> str:
    language = values.get("lang") or values.get("language") or ""
    metas = "".join(
        f'<meta name="{name}" content="{escape(content)}">'
        for name, content in (
            ("author", values.get("author") or values.get("authors", "")),
            ("description", values.get("description", "")),
            ("date", values.get("date", "")),
        )
        if content
    )
    notes = '<aside class="footnotes">' + "<p>note</p>" * n_notes + "</aside>" if n_notes else ""
    return f'<html lang="{escape(language)}"><head>{metas}</head><body>{body}{notes}</body></html>'
