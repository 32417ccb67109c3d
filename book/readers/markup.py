"""XML and HTML become element trees, with nothing fetched, nothing expanded and no depth without end."""

from __future__ import annotations

import functools
import html.entities
import re

from lxml import etree

from book.errors import HostileBookError, UnreadableBookError
from book.flow import tidy_line
from book.limits import Limits
from book.readers.decode import declared_encoding, decode

Element = etree._Element  # noqa: SLF001 - lxml's only name for its element type

XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
EPUB_TYPE = "{http://www.idpf.org/2007/ops}type"

_NAMED_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,31});")
_XML_ENTITIES = frozenset(("lt", "gt", "amp", "quot", "apos"))
_SELF_CLOSED = re.compile(
    r"<(title|script|style|textarea|iframe|noscript|p|div|a|span|i|b|em|td|li)((?:\s[^<>]{0,2000})?)/>",
    re.IGNORECASE,
)


def parse_xml(content: bytes, name: str) -> Element:
    """The root element of an XML file.

    Raises `HostileBookError` for entity declarations, `UnreadableBookError` if even a lenient parser finds
    no element.
    """
    text = _prepare_xml(decode(content, declared=declared_encoding(content), what=name), name)
    try:
        return _strict(text)
    except etree.XMLSyntaxError as error:
        root = _lenient(text)
        if root is None:
            raise UnreadableBookError(f"{name} is not well-formed XML: {error.msg}") from error
        return root


def parse_page(content: bytes, name: str, limits: Limits) -> Element:
    """The root element of an XHTML page of a book; pages that are not well-formed are read as HTML."""
    text = _prepare_xml(decode(content, declared=declared_encoding(content), what=name), name)
    try:
        root = _strict(text)
    except etree.XMLSyntaxError:
        return parse_html(_SELF_CLOSED.sub(r"<\1\2></\1>", text), name, limits)
    check_depth(root, name, limits)
    return root


def parse_html(text: str, name: str, limits: Limits) -> Element:
    """The root element of an HTML page, tag soup included."""
    parser = etree.HTMLParser(
        no_network=True, remove_comments=True, remove_pis=True, huge_tree=False, encoding="utf-8"
    )
    try:
        root = etree.fromstring(text.replace("\x00", "").encode("utf-8", "replace"), parser)
    except etree.XMLSyntaxError as error:
        if "depth" in str(error.msg):
            raise HostileBookError(f"{name} nests its elements too deeply") from error
        raise UnreadableBookError(f"{name} is no HTML that can be read: {error.msg}") from error
    if root is None:
        raise UnreadableBookError(f"{name} has nothing to read in it")
    check_depth(root, name, limits)
    return root


def check_depth(root: Element, name: str, limits: Limits) -> None:
    """Raises `HostileBookError` if elements are nested beyond the limit. Does not recurse itself."""
    depth = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > limits.depth:
            raise HostileBookError(f"{name} nests its elements more than {limits.depth} deep")


def local_name(element: Element) -> str:
    """The element's name without its namespace, in lower case; "" for comments and the like."""
    tag = element.tag
    return _without_namespace(tag) if isinstance(tag, str) else ""


@functools.lru_cache(4096)
def _without_namespace(tag: str) -> str:
    return tag.rpartition("}")[2].lower()


def structure_types(element: Element) -> frozenset[str]:
    """The element's epub:type terms and ARIA roles, lower case, roles without their "doc-"."""
    terms = element.get(EPUB_TYPE) or element.get("epub:type") or ""
    role = element.get("role") or ""
    if not terms and not role:
        return frozenset()
    return frozenset(terms.lower().split()) | {term.removeprefix("doc-") for term in role.lower().split()}


def language_tag(element: Element) -> str | None:
    """What the element says of its language, None if it says nothing."""
    return element.get(XML_LANG) or element.get("lang") or element.get("xml:lang")


def inner_text(element: Element) -> str:
    """All text inside an element as one tidy line."""
    return tidy_line("".join(element.itertext(tag=None)))


def _strict(text: str) -> Element:
    return etree.fromstring(text.encode("utf-8", "replace"), _xml_parser(recover=False))


def _lenient(text: str) -> Element | None:
    try:
        return etree.fromstring(text.encode("utf-8", "replace"), _xml_parser(recover=True))
    except etree.XMLSyntaxError:
        return None


def _xml_parser(*, recover: bool) -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False,
        attribute_defaults=False, huge_tree=False, recover=recover, remove_comments=True, remove_pis=True,
        encoding="utf-8",
    )  # fmt: skip


def _prepare_xml(text: str, name: str) -> str:
    """The text without declaration and DOCTYPE, with HTML's named characters in place.

    Pages of EPUB 2 use &nbsp; and its kin through a DTD that we do not load.
    """
    start, end = _find_doctype(text)
    if "<!ENTITY" in text[start:end].upper():
        raise HostileBookError(f"{name} declares entities in its DOCTYPE")
    body_at = end
    declaration = re.match(r"\s*<\?xml\s[^>]*\?>", text)
    head_at = declaration.end() if declaration else 0
    text = text[head_at:start] + text[body_at:] if end > start else text[head_at:]
    return _NAMED_ENTITY.sub(_named_character, text)


def _named_character(match: re.Match[str]) -> str:
    if match[1] in _XML_ENTITIES:
        return match[0]
    character = html.entities.html5.get(match[1] + ";")
    return character if character is not None else "&amp;" + match[1] + ";"


def _find_doctype(text: str) -> tuple[int, int]:
    """Where the DOCTYPE begins and ends; two equal numbers if there is none before the first element."""
    at = 0
    while True:
        at = text.find("<", at)
        if at < 0:
            return 0, 0
        if text.startswith("<?", at):
            at = text.find("?>", at)
        elif text.startswith("<!--", at):
            at = text.find("-->", at)
        elif text[at : at + 9].upper() == "<!DOCTYPE":
            close, subset = text.find(">", at), text.find("[", at)
            if 0 <= subset < close:
                close = text.find("]", subset)
                # Quoted brackets inside the subset only make us cut early; the parser then refuses the rest.
                close = text.find(">", close) if close >= 0 else -1
            return at, close + 1 if close >= 0 else len(text)
        else:
            return 0, 0
        if at < 0:
            return 0, 0
        at += 1
