"""A book's own contents list.

Read from an EPUB 3 nav or an EPUB 2 NCX, and cut into what is narrated as chapters.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from book.errors import HostileBookError
from book.flow import same_words, tidy_line
from book.headings import HeadingKind, is_bare_number, is_part_title, read_heading
from book.limits import Limits
from book.matter import matter_of_title
from book.readers.markup import Element, local_name, structure_types
from book.readers.notes import resolve


@dataclass(slots=True)
class Entry:
    """One line of the contents list."""

    title: str
    page: str = ""
    """Member of the archive it points to; "" for a line that is no link."""
    fragment: str = ""
    children: list[Entry] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Unit:
    """What becomes a chapter, or a part whose heading is spoken before its first chapter."""

    title: str
    page: str
    fragment: str
    is_part: bool = False
    part: str = ""
    """Title of the part it belongs to."""


def read_nav(
    root: Element, base: str, limits: Limits
) -> tuple[list[Entry], list[tuple[str, frozenset[str]]]]:
    """The contents list of an EPUB 3 navigation page, and its landmarks as (page, terms)."""
    navs = [element for element in root.iter() if local_name(element) == "nav"]
    contents = next((nav for nav in navs if "toc" in structure_types(nav)), None)
    if contents is None:
        contents = next((nav for nav in navs if not structure_types(nav)), None)
    entries: list[Entry] = []
    if contents is not None:
        ordered = next((element for element in contents.iter() if local_name(element) in ("ol", "ul")), None)
        if ordered is not None:
            entries = _read_nav_list(ordered, base, limits, 0)
    landmarks = []
    for nav in navs:
        if "landmarks" in structure_types(nav):
            for link in nav.iter():
                target = resolve(base, link.get("href") or "") if local_name(link) == "a" else None
                if target:
                    landmarks.append((target[0], structure_types(link)))
    return entries, landmarks


def read_ncx(root: Element, base: str, limits: Limits) -> list[Entry]:
    """The contents list of an NCX, by the order in which it stands: playOrder is often wrong."""
    nav_map = next((element for element in root.iter() if local_name(element) == "navmap"), None)
    return _read_nav_points(nav_map, base, limits, 0) if nav_map is not None else []


def count_entries(entries: Sequence[Entry]) -> int:
    """How many lines the contents list has, at all depths."""
    return sum(1 for _ in _all(entries))


def choose_units(entries: Sequence[Entry], book_title: str) -> list[Unit]:
    """The lines of the contents list that become chapters, in its order.

    A line with lines below it is a part if it says so, has no page of its own, names the book, or if the
    lines below are chapters or stand on pages of their own; else it is a chapter and the lines below are its
    sections.
    """
    units: list[Unit] = []
    substantial = [entry for entry in entries if matter_of_title(entry.title) is None]
    for entry in entries:
        _add_units(units, entry, book_title, part="", is_only=len(substantial) == 1)
    return units


def _add_units(units: list[Unit], entry: Entry, book_title: str, *, part: str, is_only: bool) -> None:
    names_book = same_words(entry.title, book_title)
    if not entry.children or not (_is_part(entry) or ((names_book or is_only) and len(entry.children) > 1)):
        if entry.page:
            units.append(Unit(entry.title, entry.page, entry.fragment, part=part))
        return
    units.append(Unit(entry.title, entry.page, entry.fragment, is_part=True, part=part))
    inner = part if names_book else f"{part}, {entry.title}" if part else entry.title
    for child in entry.children:
        _add_units(units, child, book_title, part=inner, is_only=False)


def _is_part(entry: Entry) -> bool:
    if matter_of_title(entry.title) is not None:
        return False
    if not entry.page or is_part_title(entry.title):
        return True
    heading = read_heading(entry.title)
    if heading and heading.kind in (HeadingKind.CHAPTER, HeadingKind.NAMED):
        return False
    below = [read_heading(child.title) for child in entry.children]
    n_chapters = sum(line is not None and line.kind is HeadingKind.CHAPTER for line in below)
    if n_chapters * 2 > len(below) and not all(
        is_bare_number(child.title) and child.page == entry.page for child in entry.children
    ):
        return True
    if heading and heading.kind is HeadingKind.NUMBERED:
        return False
    pages = {child.page for child in entry.children}
    return len(pages - {entry.page}) >= 2


def _read_nav_list(ordered: Element, base: str, limits: Limits, depth: int) -> list[Entry]:
    _check_depth(depth, limits)
    entries: list[Entry] = []
    for line in ordered:
        if local_name(line) != "li":
            continue
        entry = Entry("")
        for child in _label_children(line):
            local = local_name(child)
            if local in ("ol", "ul"):
                entry.children += _read_nav_list(child, base, limits, depth + 1)
            elif not entry.title:
                entry.title = _label(child)
                target = resolve(base, child.get("href") or "") if child.get("href") else None
                entry.page, entry.fragment = target or ("", "")
        if entry.title or entry.children:
            entries.append(entry)
    return entries


def _label_children(line: Element) -> Iterator[Element]:
    """The link or span and the lists of a line; wrappers such as p are looked into."""
    for child in line:
        local = local_name(child)
        if local in ("a", "ol", "ul", "span") or not local:
            if local:
                yield child
        else:
            found = [inner for inner in child.iter() if local_name(inner) in ("a", "ol", "ul")]
            yield from found or [child]


def _label(element: Element) -> str:
    """The text of a line, without ruby readings; a picture's alternative where it has no text."""
    parts: list[str] = []
    for inner in element.iter():
        local = local_name(inner)
        if local not in ("rt", "rp") and local and inner.text:
            parts.append(inner.text)
        if inner is not element and inner.tail:
            parts.append(inner.tail)
    label = tidy_line("".join(parts))
    if label:
        return label
    return tidy_line(
        " ".join(inner.get("alt") or "" for inner in element.iter() if local_name(inner) == "img")
    )


def _read_nav_points(holder: Element, base: str, limits: Limits, depth: int) -> list[Entry]:
    _check_depth(depth, limits)
    entries: list[Entry] = []
    for point in holder:
        if local_name(point) != "navpoint":
            continue
        entry = Entry("")
        for child in point:
            local = local_name(child)
            if local == "navlabel":
                entry.title = tidy_line("".join(child.itertext()))
            elif local == "content":
                target = resolve(base, child.get("src") or "")
                entry.page, entry.fragment = target or ("", "")
        entry.children = _read_nav_points(point, base, limits, depth + 1)
        if entry.title or entry.children:
            entries.append(entry)
    return entries


def _check_depth(depth: int, limits: Limits) -> None:
    if depth > limits.depth:
        raise HostileBookError(f"the contents list is nested more than {limits.depth} deep")


def _all(entries: Sequence[Entry]) -> Iterator[Entry]:
    waiting = list(reversed(entries))
    while waiting:
        entry = waiting.pop()
        yield entry
        waiting += reversed(entry.children)


def fallback_title(page: str) -> str:
    """A title for a page that says nothing of itself: its name without folder and ending."""
    return tidy_line(unquote(posixpath.splitext(posixpath.basename(page))[0]).replace("_", " "))
