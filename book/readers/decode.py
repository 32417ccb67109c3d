"""Bytes of text become text, whatever their encoding."""

from __future__ import annotations

import codecs
import re

from charset_normalizer import from_bytes

from book.errors import UnreadableBookError
from book.language import count_scripts

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# What the WHATWG Encoding Standard reads these labels as: each is a superset of what its name promises.
_LABELS = {
    "gb18030": {"gb18030", "gbk", "gb2312", "gb231280", "cp936", "xgbk"},
    "big5hkscs": {"big5", "big5hkscs", "xxbig5", "cnbig5", "cp950"},
    "cp932": {"shiftjis", "sjis", "xsjis", "mskanji", "cp31j", "cp932"},
    "euc_jp": {"eucjp", "xeucjp"},
    "cp949": {"euckr", "ksc56011987", "ksc5601", "cp949", "uhc"},
    "cp1252": {"iso88591", "latin1", "l1", "usascii", "ascii", "cp1252"},
    "cp1254": {"iso88599", "latin5"},
}
_SAMPLE_BYTES = 200_000
# Legacy encodings of books, each a superset of its smaller kin. gb18030 decodes almost anything, so it
# must earn it.
CJK_ENCODINGS = ("gb18030", "big5hkscs", "cp932", "euc_jp", "cp949", "iso2022_jp")
OTHER_ENCODINGS = (
    "cp1252", "cp1250", "cp1251", "koi8_r", "koi8_u", "cp866", "iso8859_5", "iso8859_2", "cp1253",
    "iso8859_7", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp874", "iso8859_15", "mac_roman",
    "mac_cyrillic", "cp437", "cp850",
)  # fmt: skip

# The commonest characters of running text in each script, to tell a right decoding from a lucky one.
_FREQUENT = {
    "gb18030": "的一是了我不人在他有这上们来到时大地为子中你说生国年着就那和要她出也得里后自以会",
    "big5hkscs": "的一是了我不人在他有這上們來到時大地為子中你說生國年著就那和要她出也得裡後自以會",
    "cp932": "のにはをたがでてとしれさいなかるもらこりっあすまきくんよだそうおけどめちやつ",
    "euc_jp": "のにはをたがでてとしれさいなかるもらこりっあすまきくんよだそうおけどめちやつ",
    "iso2022_jp": "のにはをたがでてとしれさいなかるもらこりっあすまきくんよだそうおけどめちやつ",
    "cp949": "이다는의에을가고지하은도로한를기사그나어아리서시자게보인대만해",
}


def decode(content: bytes, *, declared: str = "", what: str = "the text") -> str:
    """The text of these bytes: by byte order mark, as UTF-8, as declared, else by what reads best.

    Raises `UnreadableBookError` for bytes that are no text.
    """
    for bom, encoding in _BOMS:
        if content.startswith(bom):
            return content[len(bom) :].decode(encoding, "replace")
    # Seven-bit Japanese is valid UTF-8 and means something else.
    text = _try(content, "iso2022_jp" if b"\x1b$" in content[:_SAMPLE_BYTES] else "utf-8")
    if text is None and (encoding := _known_encoding(declared)):
        text = _try(content, encoding)
    if text is not None:
        return _without_nul(text, what)
    if b"\x00" in content[:_SAMPLE_BYTES]:
        text = _decode_wide(content)
        if text is not None:
            return text
        raise UnreadableBookError(f"{what} is not text: it has NUL bytes")
    return _decode_legacy(content, what)


def _known_encoding(label: str) -> str:
    """The decoder for a declared encoding, widened as browsers do; "" for one that no book should use.

    A declaration that could be read as ASCII cannot be true of UTF-16, so that is not known here.
    """
    plain = re.sub(r"[^a-z0-9]", "", label.lower()).replace("windows", "cp")
    for encoding, labels in _LABELS.items():
        if plain in labels:
            return encoding
    by_name = {encoding.replace("_", ""): encoding for encoding in (*CJK_ENCODINGS, *OTHER_ENCODINGS)}
    return by_name.get(plain, "")


def _try(content: bytes, encoding: str) -> str | None:
    try:
        return content.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return None


def _without_nul(text: str, what: str) -> str:
    if text.count("\x00") > len(text) // 1000 + 1:
        wide = _decode_wide(text.encode("utf-8"))
        if wide is None:
            raise UnreadableBookError(f"{what} is not text: it has NUL bytes")
        return wide
    return text.replace("\x00", "")


def _decode_wide(content: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of its Latin letters and spaces is zero."""
    sample = content[:_SAMPLE_BYTES]
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if max(even, odd) < len(sample) // 50 or min(even, odd) > max(even, odd) // 10:
        return None
    encoding = "utf-16-be" if even > odd else "utf-16-le"
    text = content[: len(content) // 2 * 2].decode(encoding, "replace")
    return text if text.count("\ufffd") <= len(text) // 100 else None


def _decode_legacy(content: bytes, what: str) -> str:
    sample = content[:_SAMPLE_BYTES]
    fitting = [(_fitness(sample, encoding), encoding) for encoding in CJK_ENCODINGS]
    best, encoding = max(fitting)
    if best >= 0.12:
        return content.decode(encoding, "replace")
    western = _try(content, "cp1252")
    lossy = content.decode("utf-8", "replace")
    mostly_ascii = sum(byte < 0x80 for byte in sample) > 0.7 * len(sample)
    if mostly_ascii and western is not None and _is_prose(western):
        return western
    match = from_bytes(sample, cp_isolation=list(OTHER_ENCODINGS)).best()
    text = _try(content, match.encoding) if match is not None else None
    if text is not None:
        return text
    if mostly_ascii and _is_prose(lossy):
        return lossy
    raise UnreadableBookError(f"{what} is in no encoding that could be told, or is no text")


def _fitness(sample: bytes, encoding: str) -> float:
    """Share of its letters beyond ASCII that are the language's commonest; 0 if it does not decode."""
    text = sample.decode(encoding, "ignore")
    # A sample may end inside a character; more loss than that means another encoding.
    if len(text.encode(encoding, "ignore")) < len(sample) * 0.99 - 4:
        return 0.0
    letters = [character for character in text if ord(character) > 0x7F]
    if not letters:
        return 0.0
    frequent = _FREQUENT[encoding]
    return sum(character in frequent for character in letters) / len(letters)


def _is_prose(text: str) -> bool:
    controls = sum(
        ord(character) < 0x20 and character not in "\t\n\r\f" for character in text[:_SAMPLE_BYTES]
    )
    letters = sum(count_scripts(text[:_SAMPLE_BYTES]).values())
    return controls <= len(text) // 2000 and letters > 0.4 * min(len(text), _SAMPLE_BYTES)


_DECLARED = re.compile(
    rb"""<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w.:-]{1,40})["']|<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]{1,40})""",
    re.IGNORECASE,
)


def declared_encoding(content: bytes) -> str:
    """The encoding that an XML declaration or an HTML meta element names in the first kilobyte.

    "" if none does.
    """
    match = _DECLARED.search(content[:1024])
    return (match[1] or match[2]).decode("ascii", "ignore") if match else ""
