"""Which elements of a book's pages are note marks and notes: they interrupt a listener, so they are not read.

Marked ones are known by epub:type, ARIA role or class. For the others the convention is a link whose text
is a number or sign, raised or in brackets, to a paragraph that links back or begins with the same sign.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from book.readers.markup import Element, local_name, structure_types

NOTE_TYPES = frozenset(("footnote", "endnote", "rearnote", "note", "footnotes", "endnotes", "rearnotes"))
_NOTE_CLASS = re.compile(
    r"(?:foot|end|rear)-?_?notes?(?:[-_]?(?:text|body|item|group|block|section|list|content|entry|para))?"
)
_REFERENCE_CLASS = re.compile(
    r"(?:foot|end)?-?_?note[-_]?(?:ref|anchor|call|link|number|mark|no)s?|fn[-_]?(?:ref|anchor|link|mark)?|.*noteref.*|footnote-?call"
)
_MARK = re.compile(
    r"[\[({（〔【]?\s*(?:(?:注|註|주|訳注|note|fn\.?|n\.?)?\s*\d{1,4}|[*＊†‡§¶‖#]{1,4}|[a-z]|[ivxl]{1,6}|注|註|※\d*)\s*[\])}）〕】]?[.:]?",
    re.IGNORECASE,
)
_BRACKETED = re.compile(r"[\[({（〔【].*[\])}）〕】]|[*＊†‡§¶‖]{1,4}|※.*|(?:注|註).*")
_RAISED = re.compile(r"vertical-align\s*:\s*(?:super|top|text-top)", re.IGNORECASE)
_HOLDERS = frozenset(("p", "li", "div", "aside", "dd", "tr", "section", "blockquote", "table"))
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_LONGEST_MARK = 12


@dataclass(slots=True)
class Notes:
    """Elements not to read.

    Lxml gives an element one identity for as long as it is kept, so they are kept here.
    """

    references: set[Element] = field(default_factory=set)
    bodies: set[Element] = field(default_factory=set)
    documents: set[str] = field(default_factory=set)
    """Pages that hold nothing but notes: they are left out as a whole, and can be chosen as a whole."""


def resolve(base: str, href: str) -> tuple[str, str] | None:
    """The page and fragment that a link points to inside the book, None for a link out of it."""
    path, _, fragment = href.strip().partition("#")
    if re.match(r"[a-z][a-z0-9+.-]*:", path, re.IGNORECASE) or path.startswith("/"):
        return None
    if not path:
        return base, unquote(fragment)
    joined = posixpath.normpath(posixpath.join(posixpath.dirname(base), unquote(path.partition("?")[0])))
    return None if joined.startswith("../") or joined == ".." else (joined, unquote(fragment))


def find_notes(pages: Mapping[str, Element]) -> Notes:
    """The note marks and notes of these pages, given by name."""
    notes = Notes()
    anchors = {name: _anchors(root) for name, root in pages.items()}
    for name, root in pages.items():
        for element in root.iter():
            local = local_name(element)
            if local and _is_marked_note(element, local):
                notes.bodies.add(element)
            elif local == "a" and (target := _target_of_reference(element, name)):
                _judge_reference(notes, element, name, target, anchors)
            elif local == "sup" and _is_loose_mark(element):
                notes.references.add(element)
    for name, root in pages.items():
        _keep_note_page(notes, name, root)
    return notes


def _anchors(root: Element) -> dict[str, Element]:
    found: dict[str, Element] = {}
    for element in root.iter():
        for key in ("id", "name"):
            value = element.get(key) if local_name(element) else None
            if value:
                found.setdefault(value, element)
    return found


def _is_marked_note(element: Element, local: str) -> bool:
    if structure_types(element) & NOTE_TYPES:
        return True
    classes = element.get("class")
    return (
        classes is not None
        and local in _HOLDERS
        and any(_NOTE_CLASS.fullmatch(name) for name in classes.lower().split())
    )


def _target_of_reference(element: Element, name: str) -> tuple[str, str] | None:
    href = element.get("href")
    if not href or "#" not in href:
        return None
    return resolve(name, href)


def _judge_reference(
    notes: Notes,
    link: Element,
    name: str,
    target: tuple[str, str],
    anchors: Mapping[str, Mapping[str, Element]],
) -> None:
    types = structure_types(link)
    classes = (link.get("class") or "").lower().split()
    mark = "".join(link.itertext())
    marked = "noteref" in types
    named = any(_REFERENCE_CLASS.fullmatch(class_name) for class_name in classes)
    looks_like_mark = len(mark) <= _LONGEST_MARK and _MARK.fullmatch(mark.strip()) is not None
    if not marked and not (
        looks_like_mark
        and (named or _is_raised(link) or _BRACKETED.fullmatch(mark.strip()) or _has_company(link))
    ):
        return
    certain = marked or (named and looks_like_mark) or (looks_like_mark and _is_raised(link))
    page, fragment = target
    aimed = anchors.get(page, {}).get(fragment)
    holder = _holder(aimed) if aimed is not None else None
    if (
        holder is not None
        and not _contains(holder, link)
        and (
            local_name(holder) == "aside"
            or _begins_with(holder, mark)
            or (_links_back(holder, page, link, name) and not _is_big(holder))
        )
    ):
        notes.bodies.add(holder)
        notes.references.add(link)
    elif certain and not _starts_its_holder(link):
        notes.references.add(link)


def _is_raised(link: Element) -> bool:
    around: Element | None = link
    for _ in range(3):
        if around is None or local_name(around) in _HOLDERS:
            break
        if local_name(around) == "sup" or _RAISED.search(around.get("style") or ""):
            return True
        if any(name.startswith("sup") for name in (around.get("class") or "").lower().split()):
            return True
        around = around.getparent()
    return any(local_name(child) == "sup" for child in link)


def _has_company(link: Element) -> bool:
    """True if the link stands in a paragraph with other text before it: a contents entry stands alone."""
    holder = _holder(link)
    if holder is None:
        return False
    around = "".join(holder.itertext())
    return len(around.strip()) > 3 * _LONGEST_MARK and not _starts_its_holder(link)


def _starts_its_holder(link: Element) -> bool:
    """True if no text precedes the link in its paragraph: it is the mark of the note itself, linking back."""
    holder = _holder(link)
    if holder is None:
        return False
    for element in holder.iter():
        if element is link:
            return True
        if (element.text or "").strip():
            return False
        if element is not holder and (element.tail or "").strip() and not _contains(element, link):
            return False
    return False


def _holder(element: Element) -> Element | None:
    """The block that an anchor stands for: itself or the nearest around it.

    None for a heading or a whole page.
    """
    around: Element | None = element
    while around is not None:
        local = local_name(around)
        if local in _HEADINGS or local in ("body", "html"):
            return None
        if local in _HOLDERS:
            return around
        if local in ("td", "th"):
            row = around.getparent()
            return row if row is not None and local_name(row) == "tr" else around
        around = around.getparent()
    return None


def _contains(holder: Element, element: Element) -> bool:
    around: Element | None = element
    while around is not None:
        if around is holder:
            return True
        around = around.getparent()
    return False


def _begins_with(holder: Element, mark: str) -> bool:
    sign = _sign(mark)
    beginning = "".join(_first_texts(holder)).strip()[: _LONGEST_MARK + 8]
    match = re.match(r"[\[({（〔【]?\s*([\w*＊†‡§¶‖#※]+)", beginning)
    return bool(sign) and match is not None and _sign(match[1]) == sign and not _is_big(holder)


def _first_texts(holder: Element) -> Iterator[str]:
    length = 0
    for text in holder.itertext():
        yield text
        length += len(text.strip())
        if length > _LONGEST_MARK + 8:
            return


def _sign(mark: str) -> str:
    return mark.strip().strip("[](){}（）〔〕【】.: ").casefold()


def _links_back(holder: Element, page: str, link: Element, name: str) -> bool:
    own = {value for value in _names_around(link) if value}
    for back in holder.iter():
        href = back.get("href") if local_name(back) == "a" else None
        if href and (target := resolve(page, href)) and target[0] == name and target[1] in own:
            return True
    return False


def _names_around(link: Element) -> Iterable[str | None]:
    around: Element | None = link
    for _ in range(4):
        if around is None:
            return
        yield around.get("id")
        yield around.get("name")
        if local_name(around) in _HOLDERS:
            return
        for child in around:
            yield child.get("id") if local_name(child) else None
        around = around.getparent()


def _is_big(holder: Element) -> bool:
    """True if the block holds headings or very much text: no single note, whatever links to it."""
    if any(local_name(element) in _HEADINGS for element in holder.iter()):
        return True
    return sum(len(text) for text in holder.itertext()) > 20_000


def _is_loose_mark(element: Element) -> bool:
    """A raised number without a link, right after a sentence: a note mark that lost its note."""
    text = "".join(element.itertext()).strip()
    if not re.fullmatch(r"\[?\d{1,3}\]?|[*†‡]{1,3}", text) or any(
        local_name(child) == "a" for child in element.iter()
    ):
        return False
    previous = element.getprevious()
    parent = element.getparent()
    before = previous.tail if previous is not None else parent.text if parent is not None else ""
    return (before or "").rstrip()[-1:] in tuple('.,;:!?”’»"。，、！？」』')


def _keep_note_page(notes: Notes, name: str, root: Element) -> None:
    """A page of nothing but notes is left out as a whole instead of note by note."""
    body = next((element for element in root.iter() if local_name(element) == "body"), root)
    total = sum(len(text.strip()) for text in body.itertext())
    inside = [element for element in body.iter() if element in notes.bodies]
    if not inside or not total:
        return
    outermost = [
        element for element in inside if not any(around in notes.bodies for around in element.iterancestors())
    ]
    in_notes = sum(len(text.strip()) for element in outermost for text in element.itertext())
    titles = sum(
        len("".join(element.itertext()).strip())
        for element in body.iter()
        if local_name(element) in _HEADINGS and not any(_contains(holder, element) for holder in outermost)
    )
    if total - in_notes - titles <= 0.1 * total:
        notes.bodies.difference_update(inside)
        notes.documents.add(name)
