"""Chinese characters in pinyin: by words, polyphones by their part of speech, tones changed in company."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, cast

from speech.text.chinese import sandhi
from speech.text.chinese.neutral import FULL
from speech.text.chinese.syllables import split
from speech.text.reading import Reading

if TYPE_CHECKING:
    import jieba.posseg

Polyphones = Callable[[str], Sequence[str | None]]
"""Syllables of a normalised sentence's characters by their sentence; None for those it leaves to their word."""

_POLYPHONES: Final[dict[str, dict[str, str]]] = {
    "地": {"uv": "de5", "": "di4"},
    "得": {"v": "dei3", "ud": "de5", "": "de5"},
    "还": {"v": "huan2", "": "hai2"},
    "长": {"v": "zhang3", "": "chang2"},
    "只": {"q": "zhi1", "m": "zhi1", "n": "zhi1", "": "zhi3"},
    "种": {"v": "zhong4", "": "zhong3"},
    "为": {"v": "wei2", "": "wei4"},
    "着": {"uz": "zhe5", "": "zhe5"},
    "行": {"q": "hang2", "n": "hang2", "": "xing2"},
    "重": {"d": "chong2", "": "zhong4"},
    "倒": {"d": "dao4", "": "dao3"},
    "教": {"v": "jiao1", "": "jiao4"},
    "数": {"v": "shu3", "": "shu4"},
    "背": {"v": "bei1", "": "bei4"},
    "没": {"": "mei2"},
    "都": {"": "dou1"},
    "弹": {"v": "tan2", "": "dan4"},
    "钉": {"v": "ding4", "": "ding1"},
    "把": {"": "ba3"},
    "给": {"": "gei3"},
    "谁": {"": "shei2"},
    "这": {"": "zhe4"},
    "那": {"": "na4"},
    "哪": {"": "na3"},
    "吧": {"": "ba5"},
    "吗": {"": "ma5"},
    "呢": {"": "ne5"},
    "啊": {"": "a5"},
    "呀": {"": "ya5"},
    "哇": {"": "wa5"},
    "了": {"v": "liao3", "": "le5"},
}
"""Characters that stand alone as a word: their syllable by part of speech, else that of ""."""

_GREW: Final = re.compile(r"长(?=得(?!多|不得了|没|惊人|吓人|很(?:[,.!?…]|$)))")
"""长得 with how somebody looks after it, zhang3; 长得多 and 长得很 say that something is long."""

_ERHUA: Final = frozenset("小院儿 胡同儿 范儿 老汉儿 撒欢儿 寻老礼儿 妥妥儿 媳妇儿".split())
_NOT_ERHUA: Final = frozenset(
    "虐儿 为儿 护儿 瞒儿 救儿 替儿 有儿 一儿 我儿 俺儿 妻儿 拐儿 聋儿 乞儿 患儿 幼儿 孤儿 婴儿 婴幼儿 连体儿 脑瘫儿 流浪儿"
    " 体弱儿 混血儿 女儿 男儿 侄儿 孙儿 侄孙儿 花儿 虫儿 马儿 鸟儿 猪儿 猫儿 狗儿 少儿 早产儿 新生儿 健儿 宠儿 胎儿 育儿".split()
)
"""Words in which 儿 is a syllable with its own tone."""
_SENTENCE: Final = re.compile(r"([^!,\-.?…]*)([!,\-.?…]?)")


@functools.cache
def _tagger() -> jieba.posseg.POSTokenizer:
    cutter = sandhi.tokenizer()
    import jieba.posseg

    return jieba.posseg.POSTokenizer(cutter)


def _one_by_one(characters: str) -> list[str]:
    """What pypinyin writes for characters it does not know: themselves, so that there is one for each."""
    return list(characters)


_ONE_BY_ONE: Final = cast("Callable[[str], str]", _one_by_one)  # a list will do, though the stub wants a text


@functools.lru_cache(16384)
def _pinyin(word: str) -> tuple[str, ...]:
    """The syllables of a word as in the dictionary, v for ü, 5 for the neutral tone."""
    from pypinyin import Style, lazy_pinyin

    return tuple(lazy_pinyin(word, style=Style.TONE3, neutral_tone_with_five=True, errors=_ONE_BY_ONE))


def _syllables(word: str, part: str) -> list[str]:
    """The same, a character that stands alone by its part of speech."""
    if word in _POLYPHONES:
        choices = _POLYPHONES[word]
        return [choices.get(part) or choices.get(part[:1]) or choices[""]]
    syllables = list(_pinyin(word))
    if word in FULL and word[-1] == "子":
        syllables[-1] = "zi3"  # the dictionary has 男子 in the neutral tone
    return syllables


@functools.lru_cache(4096)
def _cut(word: str) -> tuple[str, str]:
    """A word in two, by the shortest word jieba finds in it."""
    words = sorted(sandhi.tokenizer().cut_for_search(word), key=len)
    if word.startswith(words[0]):
        return words[0], word[len(words[0]) :]
    return word[: -len(words[0])], words[0]


def _join_erhua(word: str, part: str, tones: list[str]) -> list[str]:
    """儿 after another syllable takes its tone, where it only colours it."""
    if word[-1] != "儿" or len(word) < 2:
        return tones
    if word not in _ERHUA and (word in _NOT_ERHUA or word[-2:] in _NOT_ERHUA or part in {"a", "j", "nr"}):
        return tones
    return [*tones[:-1], "er" + tones[-2][-1]]


def _pronounce_sentence(sentence: str, known: Sequence[str | None]) -> list[str]:
    """A syllable for each character; those `known` by their sentence go before those by their word."""
    words = [(pair.word, pair.flag) for pair in _tagger().lcut(sentence)]
    grew = {match.start() for match in _GREW.finditer(sentence)}
    syllables: list[str] = []
    for word, part in sandhi.join_words(words, lambda word: list(_pinyin(word))):
        at = len(syllables)
        said = ["zhang3"] if word == "长" and at in grew else _syllables(word, part)
        said = [by_sentence or by_word for by_sentence, by_word in zip(known[at:], said, strict=False)]
        tones = sandhi.change_tones(word, part, said, _cut)
        syllables += _join_erhua(word, part, tones)
    return syllables


def pronounce(text: str, polyphones: Polyphones | None = None) -> list[Reading]:
    """The readings of a normalised text, one for each character: two symbols, or one for a mark.

    A character that no dictionary knows has no symbols.

    Args:
        text: Han characters and marks.
        polyphones: a model that tells readings apart by the sentence; without one, words tell.
    """
    readings: list[Reading] = []
    for match in _SENTENCE.finditer(text):
        sentence, mark = match.groups()
        known = polyphones(match.group()) if polyphones and sentence else [None] * len(sentence)
        if sentence:
            known = [syllable if syllable and split(syllable) else None for syllable in known]
            syllables = _pronounce_sentence(sentence, known[: len(sentence)])
            for at, syllable in enumerate(syllables, start=match.start()):
                readings.append(Reading(split(syllable) or (), at, at + 1))
        if mark:
            readings.append(Reading((mark,), match.end() - 1, match.end()))
    return readings
