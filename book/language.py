"""Which language a text is in: what its tags say, and what its letters say where no tag helps.

A small rule set of our own: scripts first, then a few dozen words for those that share the Latin script. It
answers "und" when in doubt; it is no match for a statistical detector on single sentences and need not be.
"""

from __future__ import annotations

import re
from collections import Counter

UNKNOWN = "und"

_TAG = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{1,8})*")
_WORD = re.compile(r"[^\W\d_]+")
_SAMPLE_CHARACTERS = 20_000
_LEAST_WORDS = 6

_ISO_639_2 = {
    "eng": "en", "deu": "de", "ger": "de", "fra": "fr", "fre": "fr", "spa": "es", "ita": "it", "por": "pt",
    "rus": "ru", "nld": "nl", "dut": "nl", "zho": "zh", "chi": "zh", "cmn": "zh", "jpn": "ja", "kor": "ko",
    "pol": "pl", "swe": "sv", "lat": "la", "ell": "el", "gre": "el", "ara": "ar", "heb": "he", "hin": "hi",
}  # fmt: skip

_STOPWORDS = {
    "en": "the and of to that was his it with had as you he for not but they she from were have this which",
    "de": "der die und das ist nicht ich sie ein zu den mit auf dem war sich von er eine auch als wie es im",
    "fr": "le la les et des est une que qui dans pour pas sur il elle vous était avec je du ce cette mais au",
    "es": "el los las que y en un una por con para su se lo como más pero del era no había al sus le este",
    "it": "il di che è un una per non con del della le gli si più ma era lo nel alla sono anche come ho",
    "pt": "o os as que e em um uma por com para não se mais mas do da no na era como ao dos seu sua",
    "nl": "de het een van en ik dat niet is zijn op te hij met voor was er aan ook maar naar haar om bij",
    "pl": "i w nie na się z że do to jest jak ale po co tak za od był przez jego tylko go już dla",
    "sv": "och det att i en som är av för på med den inte jag till han var om ett men hon sig de så",
    "la": "et in est non ad cum ut quod qui sed ex per hoc quae si aut enim esse eius atque sunt nec ab te",
}
_STOPWORD_SETS = {language: frozenset(words.split()) for language, words in _STOPWORDS.items()}

# Characters written in Cantonese and hardly ever in Standard Chinese.
_CANTONESE = frozenset("嘅哋啲咗喺嗰冇佢咁嚟噉乜嘢咩唔啱攞嗌冚啩喇嗮晒睇")

_OTHER_SCRIPTS = {
    "cyrillic": "ru",
    "greek": "el",
    "hebrew": "he",
    "arabic": "ar",
    "thai": "th",
    "devanagari": "hi",
}

_SCRIPTS = (
    (0x0041, 0x024F, "latin"),
    (0x0370, 0x03FF, "greek"),
    (0x0400, 0x052F, "cyrillic"),
    (0x0590, 0x05FF, "hebrew"),
    (0x0600, 0x06FF, "arabic"),
    (0x0900, 0x097F, "devanagari"),
    (0x0E00, 0x0E7F, "thai"),
    (0x1100, 0x11FF, "hangul"),
    (0x1E00, 0x1EFF, "latin"),
    (0x3040, 0x30FF, "kana"),
    (0x3130, 0x318F, "hangul"),
    (0x31F0, 0x31FF, "kana"),
    (0x3400, 0x9FFF, "han"),
    (0xAC00, 0xD7AF, "hangul"),
    (0xF900, 0xFAFF, "han"),
    (0xFF66, 0xFF9F, "kana"),
    (0x20000, 0x323AF, "han"),
)

_SCRIPTS_OF = {
    "zh": {"han"},
    "yue": {"han"},
    "ja": {"han", "kana"},
    "ko": {"hangul", "han"},
    "ru": {"cyrillic"},
    "uk": {"cyrillic"},
    "bg": {"cyrillic"},
    "el": {"greek"},
    "he": {"hebrew"},
    "ar": {"arabic"},
    "fa": {"arabic"},
    "hi": {"devanagari"},
    "th": {"thai"},
} | {language: {"latin"} for language in _STOPWORDS}


def normalise_tag(tag: str | None) -> str:
    """The tag in lower case, ISO 639-2 codes made 639-1; "" for one that is no BCP 47 tag or says nothing."""
    if not tag:
        return ""
    lowered = tag.strip().lower().replace("_", "-")
    if len(lowered) > 35 or not _TAG.fullmatch(lowered):
        return ""
    head, dash, tail = lowered.partition("-")
    head = _ISO_639_2.get(head, head)
    return "" if head in ("und", "mul", "zxx", "mis") else head + dash + tail


def primary(tag: str) -> str:
    """The language of a tag without its script and region: "zh" of "zh-hant-tw", "yue" of "zh-yue"."""
    return "yue" if tag.startswith("zh-yue") else tag.partition("-")[0]


def count_scripts(text: str) -> Counter[str]:
    """How many letters of each script the text has: "latin", "han", "kana", "hangul", "cyrillic", ..."""
    letters: Counter[str] = Counter()
    for character, count in Counter(text).items():
        code = ord(character)
        if character.isalpha() or 0x3040 <= code <= 0x30FF:
            for first, last, script in _SCRIPTS:
                if first <= code <= last:
                    letters[script] += count
                    break
    return letters


def guess_language(text: str) -> str:
    """The language most of this text is in, judged on its first 20,000 characters; "und" when in doubt."""
    sample = text[:_SAMPLE_CHARACTERS]
    letters = count_scripts(sample)
    total = sum(letters.values())
    if not total:
        return UNKNOWN
    # A Chinese, Japanese or Korean character says about as much as three Latin letters.
    cjk = letters["han"] + letters["kana"] + letters["hangul"]
    if cjk * 3 > total - cjk:
        return _guess_cjk(sample, letters, cjk)
    script, count = letters.most_common(1)[0]
    if count < 0.6 * total:
        return UNKNOWN
    if script != "latin":
        return _OTHER_SCRIPTS.get(script, UNKNOWN)
    return _guess_latin(sample)


def contradicts(tag: str, text: str) -> bool:
    """True if a text cannot be in this language because most of its letters are of another script."""
    expected = _SCRIPTS_OF.get(primary(tag))
    if expected is None:
        return False
    letters = count_scripts(text[:_SAMPLE_CHARACTERS])
    total = sum(letters.values())
    fitting = sum(letters[script] for script in expected)
    if primary(tag) in ("zh", "yue") and letters["kana"] > 0.1 * total:
        return True
    return total >= 2 and fitting < 0.2 * total


def _guess_cjk(sample: str, letters: Counter[str], cjk: int) -> str:
    if letters["hangul"] > 0.3 * cjk:
        return "ko"
    if letters["kana"] > 0.1 * cjk:
        return "ja"
    cantonese = sum(character in _CANTONESE for character in sample)
    return "yue" if cantonese >= 2 and cantonese > 0.02 * cjk else "zh"


def _guess_latin(sample: str) -> str:
    words = _WORD.findall(sample.lower())
    if len(words) < _LEAST_WORDS:
        return UNKNOWN
    counts = Counter(words)
    shares = sorted(
        (sum(counts[word] for word in stopwords) / len(words), language)
        for language, stopwords in _STOPWORD_SETS.items()
    )
    (second, _), (best, language) = shares[-2:]
    return language if best >= 0.12 and best > 1.3 * second else UNKNOWN
