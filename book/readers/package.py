"""An EPUB's package.

Where it is, what it says of the book, which pages it has in which order, and its cover.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

from book.errors import UnreadableBookError
from book.flow import tidy_line
from book.language import normalise_tag
from book.limits import Limits
from book.readers.archive import Archive, inside
from book.readers.assemble import Metadata
from book.readers.markup import Element, local_name, parse_html, parse_xml
from book.structure import Cover, LeftOut

_CONTAINER = "META-INF/container.xml"
# OCF 3.3, section 4.2.6.3.1 and Adobe's older scheme: both only scramble fonts.
_FONT_SCRAMBLERS = frozenset(("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"))
_DRM_FILES = {
    "META-INF/sinf.xml": "Apple FairPlay",
    "META-INF/license.lcpl": "Readium LCP",
    "META-INF/rights.xml": "Adobe ADEPT",
}
_PAGE_MEDIA_TYPES = frozenset(
    ("application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document")
)
_PICTURES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}
_DATA_URI = re.compile(r"data:image/(?:jpe?g|png);base64,", re.IGNORECASE)
_LAST_FIRST = re.compile(r"([^,]+),\s*([^,]+)")
_COMPANY = re.compile(r"(?:inc|ltd|llc|gmbh|jr|sr|co|corp|m\.?d|ph\.?d)\.?$", re.IGNORECASE)
_NO_DATE = re.compile(r"0101-|0000|1-01-01")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that the package lists."""

    identity: str
    name: str
    """Member of the archive."""
    media_type: str
    properties: frozenset[str]


@dataclass(slots=True)
class Package:
    """What the OPF file says."""

    name: str
    metadata: Metadata
    entries: dict[str, Entry]
    """By id."""
    spine: list[Entry] = field(default_factory=list)
    """Pages in reading order, each once, without those marked as not linear."""
    asides: list[Entry] = field(default_factory=list)
    """Pages marked as not linear."""
    nav: str = ""
    ncx: str = ""
    guide: list[tuple[str, str]] = field(default_factory=list)
    """EPUB 2 guide: (member, term)."""


def read_package(archive: Archive, limits: Limits) -> Package:
    """The package of an EPUB. Raises `UnreadableBookError` if it is protected, or has no package or pages."""
    _refuse_drm(archive)
    name = _find_package(archive)
    root = parse_xml(archive.read(name), name)
    package = Package(name, Metadata(), _read_manifest(root, name))
    _read_spine(root, package)
    if not package.spine:
        raise UnreadableBookError(f"{name} lists no pages to read")
    package.nav = next((entry.name for entry in package.entries.values() if "nav" in entry.properties), "")
    package.ncx = _find_ncx(root, package)
    for reference in _all(root, "reference"):
        target = _member(name, reference.get("href") or "")
        if target:
            package.guide.append((target, (reference.get("type") or "").lower()))
    package.metadata = _read_metadata(root, limits)
    package.metadata.cover = _find_cover(archive, root, package, limits)
    return package


def _refuse_drm(archive: Archive) -> None:
    found = archive.find("META-INF/encryption.xml")
    if found is None:
        return
    root = parse_xml(archive.read(found), found)
    for encrypted in _all(root, "encrypteddata"):
        method = next(_all(encrypted, "encryptionmethod"), None)
        algorithm = method.get("Algorithm", "") if method is not None else ""
        if algorithm not in _FONT_SCRAMBLERS:
            scheme = next((scheme for name, scheme in _DRM_FILES.items() if archive.find(name)), "")
            by = f" ({scheme})" if scheme else ""
            raise UnreadableBookError(f"is protected by DRM{by}, so it cannot be read")


def _find_package(archive: Archive) -> str:
    container = archive.find(_CONTAINER)
    if container is None:
        found = [name for name in archive.names if name.lower().endswith(".opf")]
        if len(found) != 1:
            raise UnreadableBookError(f"is no EPUB: it has no {_CONTAINER}")
        return found[0]
    root = parse_xml(archive.read(container), container)
    for rootfile in _all(root, "rootfile"):
        path = unquote(rootfile.get("full-path") or "")
        name = archive.find(inside("", path)) if path else None
        if name is not None:
            return name
    raise UnreadableBookError(f"is a damaged EPUB: {_CONTAINER} names no package that exists")


def _read_manifest(root: Element, base: str) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for listed in _all(root, "item"):
        identity, href = listed.get("id"), listed.get("href")
        if identity and href and not re.match(r"[a-z][a-z0-9+.-]*:", href, re.IGNORECASE):
            name = inside(base, unquote(href.partition("#")[0]))
            properties = frozenset((listed.get("properties") or "").split())
            entries.setdefault(
                identity, Entry(identity, name, (listed.get("media-type") or "").lower(), properties)
            )
    return entries


def _read_spine(root: Element, package: Package) -> None:
    seen: set[str] = set()
    for reference in _all(root, "itemref"):
        entry = package.entries.get(reference.get("idref") or "")
        if entry is None or entry.name in seen:
            continue
        seen.add(entry.name)
        looks_like_page = entry.name.lower().endswith((".xhtml", ".html", ".htm", ".xml"))
        if entry.media_type not in _PAGE_MEDIA_TYPES and not looks_like_page:
            continue
        (package.asides if reference.get("linear") == "no" else package.spine).append(entry)
    if not package.spine:
        package.spine, package.asides = package.asides, []


def _find_ncx(root: Element, package: Package) -> str:
    spine = next(_all(root, "spine"), None)
    named = package.entries.get(spine.get("toc") or "") if spine is not None else None
    if named is not None:
        return named.name
    return next((e.name for e in package.entries.values() if e.media_type == "application/x-dtbncx+xml"), "")


def _read_metadata(root: Element, limits: Limits) -> Metadata:
    holder = next(_all(root, "metadata"), root)
    refines = _refinements(holder)
    languages = [normalise_tag(element.text) for element in _all(holder, "language")]
    return Metadata(
        title=_main_title(holder, refines),
        authors=_authors(holder, refines),
        language=next((language for language in languages if language), ""),
        publisher=_first_text(holder, "publisher"),
        published=_published(holder),
        description=_plain(_first_text(holder, "description"), limits),
    )


def _refinements(holder: Element) -> dict[tuple[str, str], str]:
    """EPUB 3's statements about statements: (id, property) to value."""
    found: dict[tuple[str, str], str] = {}
    for meta in _all(holder, "meta"):
        refined, name = meta.get("refines") or "", meta.get("property") or ""
        if refined and name:
            found.setdefault((refined.lstrip("#"), name), (meta.text or "").strip())
    return found


def _main_title(holder: Element, refines: dict[tuple[str, str], str]) -> str:
    titles = [
        (element.get("id") or "", tidy_line("".join(element.itertext()))) for element in _all(holder, "title")
    ]
    main = [title for identity, title in titles if refines.get((identity, "title-type")) == "main"]
    return next((title for title in [*main, *(title for _, title in titles)] if title), "")


def _authors(holder: Element, refines: dict[tuple[str, str], str]) -> tuple[str, ...]:
    """The creators who are authors, in the order the book gives, their names as they are spoken."""
    found: list[tuple[int, bool, str]] = []
    for index, creator in enumerate(_all(holder, "creator")):
        identity = creator.get("id") or ""
        role = refines.get((identity, "role")) or _attribute(creator, "role") or "aut"
        order = refines.get((identity, "display-seq"), "")
        rank = int(order) if order.isdecimal() and len(order) < 6 else index
        for name in re.split(r"\s*;\s*|\s+&\s+", tidy_line("".join(creator.itertext()))):
            if name and name.lower() not in ("unknown", "various", "anonymous", "unbekannt", "n/a"):
                found.append((rank, role.lower() in ("aut", "author"), _spoken_name(name)))
            elif name:
                found.append((rank, role.lower() in ("aut", "author"), name))
    ordered = sorted(found, key=lambda one: one[0])
    authors = [name for _, is_author, name in ordered if is_author] or [name for _, _, name in ordered]
    return tuple(dict.fromkeys(authors))


def _spoken_name(name: str) -> str:
    """ "Doyle, Arthur Conan" is how a catalogue files a name, not how it is said."""
    match = _LAST_FIRST.fullmatch(name)
    return (
        f"{match[2].strip()} {match[1].strip()}" if match and not _COMPANY.search(match[2].strip()) else name
    )


def _published(holder: Element) -> str:
    dates = [(_attribute(element, "event"), (element.text or "").strip()) for element in _all(holder, "date")]
    usable = [
        (event, date)
        for event, date in dates
        if date and not _NO_DATE.match(date) and event != "modification"
    ]
    chosen = next((date for event, date in usable if event in ("publication", "original-publication")), "")
    chosen = chosen or next((date for _, date in usable), "")
    return chosen.partition("T")[0]


def _plain(description: str, limits: Limits) -> str:
    if "<" not in description:
        return description
    return tidy_line(" ".join(parse_html(f"<div>{description}</div>", "the description", limits).itertext()))


def _find_cover(archive: Archive, root: Element, package: Package, limits: Limits) -> Cover | None:
    tried = False
    for name in dict.fromkeys(_cover_candidates(archive, root, package)):
        member = archive.find(name)
        if member is None:
            continue
        tried = True
        cover = _picture(archive.read(member), limits)
        if cover is not None:
            return cover
    if tried:
        package.metadata.left_out.append(LeftOut("cover", "it is neither JPEG nor PNG, or too large"))
    return None


def _cover_candidates(archive: Archive, root: Element, package: Package) -> Iterator[str]:
    """Members that may be the cover, the surest first."""
    pictures = [entry for entry in package.entries.values() if entry.media_type.startswith("image/")]
    yield from (entry.name for entry in pictures if "cover-image" in entry.properties)
    for meta in _all(root, "meta"):
        named = package.entries.get(meta.get("content") or "") if meta.get("name") == "cover" else None
        if named in pictures and named is not None:
            yield named.name
    for name, term in package.guide:
        if term == "cover":
            yield from _pictures_on_page(archive, name)
    yield from (
        e.name
        for e in pictures
        if "cover" in e.identity.lower() or "cover" in e.name.rpartition("/")[2].lower()
    )


def _pictures_on_page(archive: Archive, name: str) -> Iterator[str]:
    member = archive.find(name)
    if member is None or not member.lower().endswith((".xhtml", ".html", ".htm", ".xml")):
        if member is not None:
            yield member
        return
    for element in parse_xml(archive.read(member), member).iter():
        local = local_name(element)
        source = (
            element.get("src")
            if local == "img"
            else _attribute(element, "href")
            if local == "image"
            else None
        )
        if source and (target := _member(member, source)):
            yield target


def _picture(content: bytes, limits: Limits) -> Cover | None:
    """The picture, if it is a JPEG or PNG, or an SVG drawn around one."""
    for signature, media_type in _PICTURES.items():
        if content.startswith(signature):
            return Cover(media_type, content) if len(content) <= limits.cover_bytes else None
    if b"<svg" not in content[:4096]:
        return None
    text = content.decode("utf-8", "replace")
    found = _DATA_URI.search(text)
    if found is None:
        return None
    end = min((at for at in (text.find(quote, found.end()) for quote in "\"'") if at >= 0), default=len(text))
    try:
        embedded = base64.b64decode(text[found.end() : end])
    except binascii.Error:
        return None
    return None if b"<svg" in embedded[:4096] else _picture(embedded, limits)


def _member(base: str, href: str) -> str:
    """The member that a link names; "" for one that leaves the book, which is ignored."""
    path = unquote(href.partition("#")[0])
    if not path or re.match(r"[a-z][a-z0-9+.-]*:", path, re.IGNORECASE):
        return ""
    try:
        return inside(base, path)
    except ValueError:
        return ""


def _attribute(element: Element, local: str) -> str:
    """The attribute of this name in whatever namespace."""
    for key, value in element.attrib.items():
        if str(key).rpartition("}")[2].rpartition(":")[2] == local:
            return str(value)
    return ""


def _first_text(holder: Element, local: str) -> str:
    return next(
        (text for element in _all(holder, local) if (text := "".join(element.itertext()).strip())), ""
    )


def _all(root: Element, local: str) -> Iterator[Element]:
    return (element for element in root.iter() if local_name(element) == local)
