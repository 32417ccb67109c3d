"""How tones change in company: 不, 一, the neutral tone, and two third tones in a row.

The order is upstream's, for the voices were trained on its results: words are first joined where a change
crosses their border, then 不, 一, neutral and third tones are treated within each word.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from speech.text.chinese.neutral import FULL, NEUTRAL

if TYPE_CHECKING:
    import jieba

Word = tuple[str, str]
"""A word and its part of speech, in jieba's letters."""
Tones = list[str]
"""Pinyin syllables of a word, each with its tone at the end, or marks."""

_PARTICLES: Final = frozenset("吧呢哈啊呐噻嘛吖嗨哦哒额滴哩哟喽啰耶喔诶吗呀啦哇嘞")
_COUNTERS_BEFORE_GE: Final = frozenset("几有两半多各整每做是")
_TOWARDS: Final = frozenset("上下进出回过起开")


def _third(syllables: list[str]) -> bool:
    return all(syllable[-1] == "3" for syllable in syllables)


def _set(syllable: str, tone: str) -> str:
    return syllable[:-1] + tone if syllable[-1].isdigit() else syllable


def join_words(words: list[Word], pinyin: Callable[[str], list[str]]) -> list[Word]:
    """The words of a sentence, joined where a change of tone crosses their border."""
    words = _join_bu(words)
    words = _join_yi(words)
    words = _join_if(words, lambda before, word: before == word)
    words = _join_thirds(words, lambda first, second: _third(first) and _third(second), pinyin)
    words = _join_thirds(words, lambda first, second: _third(first[-1:]) and _third(second[:1]), pinyin)
    return _join_if(words, lambda _before, word: word == "儿")


def _join_bu(words: list[Word]) -> list[Word]:
    """不 with the word after it."""
    joined: list[Word] = []
    for word, part in words:
        if joined and joined[-1] == ("不", "*"):
            joined[-1] = ("不" + word, part)
        else:
            joined.append(("不", "*") if word == "不" else (word, part))
    return [(word, "d" if part == "*" else part) for word, part in joined]


def _join_yi(words: list[Word]) -> list[Word]:
    """看一看 in one, and 一 with the word after it."""
    joined: list[Word] = []
    skip = False
    for at, (word, part) in enumerate(words):
        if skip:
            skip = False
            continue
        if word == "一" and joined and at + 1 < len(words):
            before, after = joined[-1], words[at + 1]
            if before[0] == after[0] and before[1] == after[1] == "v":
                joined[-1] = (before[0] + "一" + after[0], "v")
                skip = True
                continue
        if joined and joined[-1][0] == "一":
            joined[-1] = ("一" + word, joined[-1][1])
        else:
            joined.append((word, part))
    return joined


def _join_if(words: list[Word], joins: Callable[[str, str], bool]) -> list[Word]:
    joined: list[Word] = []
    for word, part in words:
        if joined and joins(joined[-1][0], word):
            joined[-1] = (joined[-1][0] + word, joined[-1][1])
        else:
            joined.append((word, part))
    return joined


def _join_thirds(
    words: list[Word], meet: Callable[[list[str], list[str]], bool], pinyin: Callable[[str], list[str]]
) -> list[Word]:
    """Two words of three syllables at most where third tones meet; doubled words stay alone."""
    tones = [pinyin(word) for word, _ in words]
    joined: list[Word] = []
    last_joined = False
    for at, (word, part) in enumerate(words):
        before = words[at - 1][0] if at else ""
        doubled = len(before) == 2 and before[0] == before[1]
        if (
            at
            and not last_joined
            and meet(tones[at - 1], tones[at])
            and not doubled
            and len(before + word) <= 3
        ):
            joined[-1] = (joined[-1][0] + word, joined[-1][1])
            last_joined = True
        else:
            joined.append((word, part))
            last_joined = False
    return joined


def change_tones(word: str, part: str, tones: Tones, cut: Callable[[str], tuple[str, str]]) -> Tones:
    """The syllables of a word as they are spoken.

    Args:
        word: the word; one syllable for each character.
        part: its part of speech.
        tones: its syllables as in a dictionary.
        cut: parts a word in two, its shorter word apart.
    """
    tones = _change_yi(word, _change_bu(word, list(tones)))
    tones = _make_neutral(word, part, tones, cut)
    return _change_third(word, tones, cut)


def _change_bu(word: str, tones: Tones) -> Tones:
    if len(word) == 3 and word[1] == "不":
        tones[1] = _set(tones[1], "5")  # 看不懂
        return tones
    for at in range(len(word) - 1):
        if word[at] == "不" and tones[at + 1][-1] == "4":
            tones[at] = _set(tones[at], "2")
    return tones


def _change_yi(word: str, tones: Tones) -> Tones:
    if "一" not in word or all(character.isnumeric() for character in word):
        return tones
    if len(word) == 3 and word[1] == "一" and word[0] == word[2]:
        tones[1] = _set(tones[1], "5")
    elif word.startswith("第一"):
        tones[1] = _set(tones[1], "1")
    else:
        for at in range(len(word) - 1):
            if word[at] == "一" and tones[at + 1][-1].isdigit():
                tones[at] = _set(tones[at], "2" if tones[at + 1][-1] == "4" else "4")
    return tones


def _is_neutral_at_end(word: str, part: str) -> bool:
    last, before = word[-1], word[-2:-1]
    if last in _PARTICLES or (last in "的地得" and word not in FULL):
        return True
    if len(word) == 1:
        return word in "了着过" and part in {"ul", "uz", "ug"}
    if last in "们子" and part in {"r", "n"}:
        return word not in FULL
    if last in "上下里" and part in {"s", "l", "f"}:
        return word not in FULL
    return (last in "来去" and before in _TOWARDS) or _listed(word)


def _listed(word: str) -> bool:
    return word in NEUTRAL or word[-2:] in NEUTRAL


def _make_neutral(word: str, part: str, tones: Tones, cut: Callable[[str], tuple[str, str]]) -> Tones:
    if part[:1] in {"n", "v", "a"} and word not in FULL:
        for at in range(1, len(word)):
            if word[at] == word[at - 1] and not (len(word) == 4 and at == 2):  # but not 银行行长
                tones[at] = _set(tones[at], "5")  # 奶奶, 试试
    ge = word.find("个")
    if word and _is_neutral_at_end(word, part):
        tones[-1] = _set(tones[-1], "5")
    elif word == "个" or (ge >= 1 and (word[ge - 1].isnumeric() or word[ge - 1] in _COUNTERS_BEFORE_GE)):
        tones[ge] = _set(tones[ge], "5")
    first, second = cut(word)
    for part_word, end in ((first, len(first)), (second, len(word))):
        if part_word and _listed(part_word):
            tones[end - 1] = _set(tones[end - 1], "5")
    return tones


def _third_meets(tones: Tones, start: int, stop: int) -> bool:
    """Whether a third tone ends what is before `start` and begins what follows, which has others too."""
    third = 0 < start < stop and tones[start - 1][-1] == tones[start][-1] == "3"
    return third and not _third(tones[start:stop])


def _change_third(word: str, tones: Tones, cut: Callable[[str], tuple[str, str]]) -> Tones:
    if len(word) == 2 and _third(tones):
        tones[0] = _set(tones[0], "2")
    elif len(word) == 3:
        n_first = len(cut(word)[0])
        if _third(tones):
            tones[1] = _set(tones[1], "2")
            if n_first == 2:
                tones[0] = _set(tones[0], "2")  # 蒙古/包; but 纸/老虎
        else:
            for start, stop in ((0, n_first), (n_first, 3)):
                if stop - start == 2 and _third(tones[start:stop]):
                    tones[start] = _set(tones[start], "2")  # 所有/人
                elif _third_meets(tones, start, stop):
                    tones[start - 1] = _set(tones[start - 1], "2")  # 好/喜欢
    elif len(word) == 4:
        for start in (0, 2):
            if _third(tones[start : start + 2]):
                tones[start] = _set(tones[start], "2")
    return tones


@functools.cache
def tokenizer() -> jieba.Tokenizer:
    """The word cutter of jieba, with its dictionary read from the package.

    jieba by itself keeps a cache in the folder for temporary files, where anyone may write, and unmarshals it.
    """
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes, in a library that rests
        import jieba
        import jieba.posseg
    cutter = jieba.Tokenizer()
    cutter.FREQ, cutter.total = cutter.gen_pfdict(cutter.get_dict_file())
    cutter.initialized = True
    return cutter
