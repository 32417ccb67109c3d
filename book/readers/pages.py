"""The visible text of an (X)HTML page as passages: headings, paragraphs, section breaks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from book.flow import LINE, Passage, heading, paragraph, tidy_line
from book.language import normalise_tag
from book.matter import is_contents_title, is_notes_title
from book.readers.markup import Element, language_tag, local_name, structure_types
from book.readers.notes import Notes
from book.readers.styles import HIDDEN, NO_MARKER, Styles
from book.structure import Block, BlockKind

_UNREAD = frozenset(
    [
        "head",
        "script",
        "style",
        "template",
        "noscript",
        "svg",
        "audio",
        "video",
        "iframe",
        "object",
        "embed",
        "canvas",
        "form",
        "button",
        "input",
        "select",
        "textarea",
        "map",
        "rt",
        "rp",
        "rtc",
    ]
)
_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "caption",
        "center",
        "dd",
        "details",
        "dialog",
        "dir",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "header",
        "hgroup",
        "html",
        "legend",
        "li",
        "main",
        "menu",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "ul",
    ]
)
_HEADING_LEVELS = {f"h{level}": level for level in range(1, 7)}
_PAGE_TYPES = frozenset(("pagebreak", "page-list"))
_CONTENTS_TYPES = frozenset(("toc", "landmarks", "page-list", "loi", "lot"))
_PAGE_CLASS = re.compile(r"page-?_?(?:num(?:ber)?|no|break)s?|pagenum\w*|pageno\w*|folio|pb")
_PAGE_MARK = re.compile(
    r"[\[({]?\s*(?:(?:page|pag|pg|p|s|seite)\.?\s*)?(?:\d{1,5}|[ivxlc]{1,8})?\s*[\])}]?", re.IGNORECASE
)
_STANZA_CLASS = re.compile(r"stanza|line-?group|verse-?group|lg")
_BLOCK_STYLE = re.compile(r"display\s*:\s*block", re.IGNORECASE)
_EXTERNAL = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Around:
    """What an element inherits from those around it."""

    language: str = ""
    types: frozenset[str] = frozenset()
    level: int = 0
    """Level of the heading we are in, 0 outside of one."""
    joined: bool = False
    """Blocks inside become lines of one paragraph: in headings and stanzas."""
    preformatted: bool = False
    linked: bool = False
    headings_only: bool = False
    """In an hgroup: paragraphs are subtitles."""


@dataclass(slots=True)
class PageReader:
    """Walks pages and collects their passages.

    One for a whole book, so that it can count what it leaves out.
    """

    notes: Notes = field(default_factory=Notes)
    styles: Styles = field(default_factory=Styles)
    left_out: Counter[str] = field(default_factory=Counter)
    _passages: list[Passage] = field(default_factory=list)
    _runs: list[tuple[str, str]] = field(default_factory=list)
    _linked_characters: int = 0
    _characters: int = 0
    _anchors: list[str] = field(default_factory=list)
    _later_anchors: list[str] = field(default_factory=list)
    _n_blank: int = 0
    _dropped_note: bool = False

    def read(
        self, root: Element, *, language: str = "", types: frozenset[str] = frozenset()
    ) -> list[Passage]:
        """The passages of one page. Languages are tags, "" where neither page nor `language` says one.

        Anchors that follow the last passage stand on a last, blank paragraph.
        """
        self._passages, self._runs, self._anchors, self._later_anchors = [], [], [], []
        self._n_blank = 0
        body = next((element for element in root.iter() if local_name(element) == "body"), root)
        inherited = normalise_tag(language_tag(root)) or language
        self._walk(body, _Around(language=inherited, types=types | structure_types(root)))
        self._flush(_Around())
        if self._anchors:
            self._passages.append(Passage(Block(BlockKind.PARAGRAPH), anchors=tuple(self._anchors)))
        return self._without_contents_lists(self._settle_blanks(self._passages))

    def _walk(self, element: Element, around: _Around) -> None:
        local = local_name(element)
        if not local:
            return
        self._note_anchors(element)
        types = structure_types(element)
        if local in _UNREAD or self._is_left_out(element, local, types):
            if local == "rt":
                self.left_out["ruby readings"] += 1
            return
        if local in ("br", "hr", "img"):
            self._empty_element(element, local, around)
            return
        inside = _inside(element, local, types, around)
        if local in _HEADING_LEVELS or "heading" in types:
            self._heading(element, _HEADING_LEVELS.get(local) or _aria_level(element), inside)
        elif local == "tr" and not around.joined and not _holds_blocks(element):
            self._row(element, inside)
        elif local in _BLOCKS or _BLOCK_STYLE.search(element.get("style") or ""):
            self._block(element, local, inside)
        else:
            self._children(element, inside)

    def _children(self, element: Element, around: _Around) -> None:
        self._text(element.text, around)
        for child in element:
            self._walk(child, around)
            self._text(child.tail, around)

    def _block(self, element: Element, local: str, around: _Around) -> None:
        if around.joined:
            self._text(LINE, around)
            self._children(element, around)
            self._text(LINE, around)
            return
        self._flush(around)
        n_before = len(self._passages)
        if around.headings_only and local == "p":
            self._heading(element, 6, around)
            return
        if local in ("ol", "ul"):
            self._list(element, local, around)
        elif _has_class(element, _STANZA_CLASS):
            self._children(element, replace(around, joined=True))
        else:
            self._children(element, around)
        self._flush(around)
        if local == "p" and len(self._passages) == n_before and not _holds_pictures(element):
            # An empty paragraph: perhaps a section break, see _settle_blanks.
            self._n_blank += 1
            self._passages.append(Passage(Block(BlockKind.BREAK), is_blank=True))

    def _heading(self, element: Element, level: int, around: _Around) -> None:
        self._flush(around)
        inside = replace(around, level=level, joined=True)
        self._children(element, inside)
        self._flush(inside)

    def _list(self, element: Element, local: str, around: _Around) -> None:
        numbered = local == "ol" and element.get("type", "1") == "1"
        numbered = numbered and not NO_MARKER.search(element.get("style") or "")
        numbered = numbered and not (_selectors(element) & self.styles.unnumbered)
        number = _integer(element.get("start"), 1)
        for child in element:
            if local_name(child) != "li":
                self._walk(child, around)
                continue
            number = _integer(child.get("value"), number)
            self._flush(around)
            if numbered and child not in self.notes.bodies:
                self._text(f"{number}. ", around)
            self._walk_list_entry(child, around)
            number += 1

    def _walk_list_entry(self, entry: Element, around: _Around) -> None:
        """As _walk, but the first paragraph inside joins the number that stands before it."""
        marker = list(self._runs)
        self._runs.clear()
        n_before = len(self._passages)
        self._walk(entry, around)
        self._flush(around)
        if not marker:
            return
        for index in range(n_before, len(self._passages)):
            passage = self._passages[index]
            if passage.block.spans:
                first, *others = passage.block.spans
                spans = (first._replace(text=marker[0][0] + first.text), *others)
                self._passages[index] = replace(passage, block=replace(passage.block, spans=spans))
                return

    def _row(self, row: Element, around: _Around) -> None:
        """A row of a table is one paragraph, its cells divided by commas."""
        self._flush(around)
        for cell in row:
            if self._runs and local_name(cell) in ("td", "th"):
                before = "".join(text for text, _ in self._runs).rstrip()
                if before and "".join(cell.itertext()).strip():
                    self._runs.append(
                        (" " if before[-1] in ".,;:!?。，、；：！？" else ", ", around.language)
                    )
            self._children(cell, around)
        self._flush(around)

    def _empty_element(self, element: Element, local: str, around: _Around) -> None:
        if local == "br":
            trailing = "".join(text for text, _ in self._runs[-3:]).rstrip(" \t\r\n\u00a0")
            if trailing.endswith(LINE) and not around.joined:
                # Two line breaks in a row are how old pages write a paragraph.
                self._flush(around)
            else:
                self._text(LINE, around)
        elif local == "hr":
            self._flush(around)
            self._passages.append(Passage(Block(BlockKind.BREAK), types=around.types))
        else:
            alternative = (element.get("alt") or "").strip()
            follows = (element.tail or "")[:1]
            if len(alternative) == 1 and alternative.isalpha() and follows.isalpha():
                # The picture of a capital letter that begins the word after it.
                self._text(alternative, around)
            else:
                self.left_out["pictures"] += 1

    def _text(self, text: str | None, around: _Around) -> None:
        if not text:
            return
        if around.preformatted:
            text = text.replace("\r\n", "\n").replace("\n", LINE)
        self._runs.append((text, around.language))
        length = len(text.strip())
        self._characters += length
        if around.linked:
            self._linked_characters += length

    def _flush(self, around: _Around) -> None:
        if not self._runs:
            self._anchors += self._later_anchors
            self._later_anchors = []
            return
        block = heading(self._runs) if around.level else paragraph(self._runs)
        if block is not None:
            share = self._linked_characters / self._characters if self._characters else 0.0
            self._passages.append(
                Passage(block, around.level, tuple(self._anchors), around.types, min(1.0, share))
            )
            self._anchors = []
        self._anchors += self._later_anchors
        self._later_anchors = []
        self._runs, self._characters, self._linked_characters = [], 0, 0

    def _note_anchors(self, element: Element) -> None:
        names = [value for key in ("id", "name") if (value := element.get(key))]
        if not names:
            return
        # An anchor before the paragraph's first letter names the paragraph, a later one what follows it.
        (self._later_anchors if self._characters else self._anchors).extend(names)

    def _is_left_out(self, element: Element, local: str, types: frozenset[str]) -> bool:
        if element in self.notes.references:
            self.left_out["note marks"] += 1
        elif element in self.notes.bodies:
            self.left_out["footnotes"] += _count_notes(element)
            self._drop_notes_heading()
        elif types & _PAGE_TYPES or (_has_class(element, _PAGE_CLASS) and _is_page_mark(element)):
            self.left_out["page numbers"] += 1
        elif local == "nav" or (types & _CONTENTS_TYPES and local not in ("body", "html")):
            self.left_out["contents lists"] += 1
        elif self._is_hidden(element):
            self.left_out["hidden passages"] += 1
        else:
            return False
        # Anchors inside must still be found by links to them.
        for inside in element.iterdescendants():
            if local_name(inside):
                self._note_anchors(inside)
        return True

    def _is_hidden(self, element: Element) -> bool:
        attributes = element.attrib
        if not attributes:
            return False
        if "hidden" in attributes or attributes.get("aria-hidden") == "true":
            return True
        style = attributes.get("style")
        if style and HIDDEN.search(str(style)):
            return True
        return bool(self.styles.hidden and _selectors(element) & self.styles.hidden)

    def _drop_notes_heading(self) -> None:
        """The heading above notes goes with them."""
        if not self._runs and self._passages:
            last = self._passages[-1]
            if last.kind is BlockKind.HEADING and is_notes_title(last.text):
                self._anchors = [*last.anchors, *self._anchors]
                self._passages.pop()

    def _settle_blanks(self, passages: list[Passage]) -> list[Passage]:
        """Blank paragraphs are section breaks where they are rare.

        Where they are the rule they are only spacing.
        """
        n_paragraphs = sum(passage.kind is BlockKind.PARAGRAPH for passage in passages)
        rare = self._n_blank * 4 <= n_paragraphs
        return [passage for passage in passages if rare or not passage.is_blank]

    def _without_contents_lists(self, passages: list[Passage]) -> list[Passage]:
        """The passages without runs of three and more paragraphs that are nothing but links into the book."""
        kept: list[Passage] = []
        run: list[Passage] = []
        for passage in [*passages, None]:
            if passage is not None and passage.kind is BlockKind.PARAGRAPH and passage.link_share >= 0.8:
                run.append(passage)
                continue
            if len(run) >= 3:
                self.left_out["contents lists"] += 1
                anchors = tuple(name for linked in run for name in linked.anchors)
                if kept and kept[-1].kind is BlockKind.HEADING and is_contents_title(kept[-1].text):
                    anchors = kept.pop().anchors + anchors
                # Links to the list itself must still be found.
                if anchors:
                    kept.append(Passage(Block(BlockKind.PARAGRAPH), anchors=anchors))
            else:
                kept += run
            run = []
            if passage is not None:
                kept.append(passage)
        return kept


def page_title(root: Element) -> str:
    """The text of the page's title element, "" if it has none."""
    found = next((element for element in root.iter() if local_name(element) == "title"), None)
    return tidy_line("".join(found.itertext())) if found is not None else ""


def describe_left_out(counts: Counter[str]) -> Iterable[tuple[str, str]]:
    """What `PageReader` left out, as (what, reason), the commonest first."""
    reasons = {
        "note marks": "they interrupt the text",
        "footnotes": "they interrupt the text",
        "page numbers": "they belong to the paper",
        "contents lists": "links, not text",
        "hidden passages": "the book does not show them",
        "pictures": "they cannot be read aloud",
        "ruby readings": "the word under them is read once",
    }
    for what, count in counts.most_common():
        yield f"{what} ({count})", reasons.get(what, "")


def _inside(element: Element, local: str, types: frozenset[str], around: _Around) -> _Around:
    """What the element passes on to those inside it: mostly just what it got."""
    language = normalise_tag(language_tag(element)) or around.language
    linked = around.linked or (local == "a" and _is_internal(element.get("href")))
    if (
        (language, linked) == (around.language, around.linked)
        and not types
        and local not in ("pre", "hgroup")
    ):
        return around
    return replace(
        around,
        language=language,
        types=around.types | types,
        preformatted=around.preformatted or local == "pre",
        linked=linked,
        headings_only=around.headings_only or local == "hgroup",
    )


def _count_notes(element: Element) -> int:
    """How many notes a note or a list of them holds."""
    return max(1, sum(local_name(inside) in ("li", "aside", "dd") for inside in element.iterdescendants()))


def _is_internal(href: str | None) -> bool:
    return href is not None and not _EXTERNAL.match(href)


def _has_class(element: Element, pattern: re.Pattern[str]) -> bool:
    classes = element.get("class")
    return classes is not None and any(pattern.fullmatch(name) for name in classes.lower().split())


def _is_page_mark(element: Element) -> bool:
    text = "".join(element.itertext()).strip()
    return len(text) <= 16 and _PAGE_MARK.fullmatch(text) is not None


def _selectors(element: Element) -> set[str]:
    names = {"." + name for name in (element.get("class") or "").lower().split()}
    identity = element.get("id")
    return names | {"#" + identity.lower()} if identity else names


def _holds_blocks(row: Element) -> bool:
    return any(
        (local in _BLOCKS and local not in ("td", "th")) or local in _HEADING_LEVELS
        for local in (local_name(inside) for inside in row.iterdescendants())
    )


def _holds_pictures(element: Element) -> bool:
    return any(
        local_name(inside) in ("img", "svg", "image", "object") for inside in element.iterdescendants()
    )


def _aria_level(element: Element) -> int:
    return min(6, max(1, _integer(element.get("aria-level"), 2)))


def _integer(written: str | None, default: int) -> int:
    return int(written) if written and re.fullmatch(r"\s*-?\d{1,6}\s*", written) else default
