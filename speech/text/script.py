"""A chapter's blocks become its script: utterances, each short enough to be spoken in one pass."""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise, zip_longest
from typing import Final, NamedTuple

from speech.text.sentence import clause_ends, sentence_ends
from speech.text.utterance import Boundary, Span, Utterance

LETTERS_PER_SECOND: Final = 12.5
"""Letters a narrator reads in a second, as `count_letters` counts them: about 155 English words a minute."""
LONGEST: Final = 150
"""Letters of the longest utterance: about 12 seconds."""
SHORT: Final = 12
"""Letters below which a sentence joins its neighbour: about a second."""

_SPOKEN: Final = re.compile(r"[^\W_]")
_DOUBLE: Final = re.compile(r"[\u3041-\u30ff\uac00-\ud7af\u1100-\u11ff]")  # kana, hangul
_TREBLE: Final = re.compile(r"[0-9\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")  # digits, Han


def count_letters(text: str) -> int:
    """How much there is to say, in Latin letters: kana and hangul are 2, Han and digits 3, marks none.

    Additive: the count of two texts joined is the sum of their counts. 0 means: nothing to say.
    """
    n_letters = len(_SPOKEN.findall(text)) + 2 * len(_TREBLE.findall(text))
    return n_letters if text.isascii() else n_letters + len(_DOUBLE.findall(text))


def expect_seconds(text: str) -> float:
    """A guess at how long the text takes to read aloud, pauses left out."""
    return count_letters(text) / LETTERS_PER_SECOND


def read(
    blocks: Iterable[tuple[str, Sequence[tuple[str, str]]]], *, longest: int = LONGEST
) -> tuple[Utterance, ...]:
    """The script of a chapter: its utterances, in order.

    A block's text is cut where sentences end. A sentence of more than `longest` letters is cut further:
    where clauses end, else at commas and brackets, else at blanks, else anywhere between two characters,
    into parts of about equal length. A sentence of fewer than `SHORT` letters ("No.", "Hi!") is
    spoken in one pass with the shorter of its neighbours in the same block, if both together are within
    `longest` or the neighbour is to be cut anyway: a voice needs about a second to find its tone, and the
    pause between the two is then its own.

    Nothing is lost. Each block's utterances are slices of its text, in order and verbatim; between them,
    before the first and after the last there is white space (`str.isspace`) and nothing else. Marks that
    stand alone ("* * *", "…") stay with the sentence before them, or else after them. A block with
    nothing to say at all (no letter and no digit) is a section break if it shows anything: the utterance
    before it then ends in `Boundary.BREAK`. Breaks before the first utterance say nothing and are dropped.

    The boundary after a block's last utterance is HEADING or PARAGRAPH; a paragraph with a break or a
    heading after it ends in BREAK; a heading stays HEADING whatever follows.

    Args:
        blocks: kind ("heading", "paragraph" or "break") and spans (text, language) of each block.
        longest: in letters as `count_letters` counts them; at least 20.

    Raises:
        ValueError: `longest` is too small, or a block is of an unknown kind.
    """
    if longest < 20:
        raise ValueError(f"longest: {longest} letters are too few to speak; the least is 20")
    script: list[Utterance] = []
    for kind, spans in blocks:
        if kind not in _KINDS:
            raise ValueError(f"kind: {kind!r} is no kind of block; known are {', '.join(_KINDS)}")
        texts = [text for text, _ in spans]
        text = "".join(texts)
        if not count_letters(text):
            if kind == "break" or text.strip():
                _end_in_break(script)
            continue
        if kind == "heading":
            _end_in_break(script)
        starts = [0, *accumulate(map(len, texts))]
        languages = [language for _, language in spans]
        for start, stop, boundary in _cut_block(text, starts, languages, longest, _KINDS[kind]):
            script.append(Utterance(_slice_spans(text, starts, languages, start, stop), boundary))
    return tuple(script)


_KINDS: Final = {
    "heading": Boundary.HEADING,
    "paragraph": Boundary.PARAGRAPH,
    "break": Boundary.BREAK,  # a break that says something after all is read, and is a break after that
}


def _end_in_break(script: list[Utterance]) -> None:
    """Makes the last utterance end in a section break, unless it is a heading."""
    if script and script[-1].boundary is not Boundary.HEADING:
        script[-1] = replace(script[-1], boundary=Boundary.BREAK)


def _cut_block(
    text: str, starts: list[int], languages: list[str], longest: int, last: Boundary
) -> Iterator[tuple[int, int, Boundary]]:
    """Start, stop and boundary of each utterance of a block that has something to say."""

    def language_at(offset: int) -> str:
        return languages[min(bisect_right(starts, offset), len(languages)) - 1]

    ends = sentence_ends(text, language_at, lines=last is Boundary.HEADING)
    stretches = _join_short(_join_silent(_measure(text, ends)), text, longest)
    for index, stretch in enumerate(stretches):
        after = last if index == len(stretches) - 1 else Boundary.SENTENCE
        if stretch.n_letters <= longest:
            yield stretch.start, stretch.stop, after
            continue
        cuts = [stretch.start, *_cut_long(text, stretch, longest), stretch.stop]
        for start, stop in pairwise(cuts):
            yield *_strip(text, start, stop), (after if stop == stretch.stop else Boundary.CLAUSE)


class _Stretch(NamedTuple):
    """A stretch of a block's text, with no white space at its ends."""

    start: int
    stop: int
    n_letters: int


def _measure(text: str, ends: list[int]) -> Iterator[_Stretch]:
    """The stretches between the ends that are not all white space."""
    for begin, end in pairwise([0, *ends]):
        start, stop = _strip(text, begin, end)
        if start < stop:
            yield _Stretch(start, stop, count_letters(text[start:stop]))


def _join(first: _Stretch, second: _Stretch) -> _Stretch:
    return _Stretch(first.start, second.stop, first.n_letters + second.n_letters)


def _join_silent(stretches: Iterable[_Stretch]) -> list[_Stretch]:
    """Stretches that all have something to say: marks alone stay with what stands before, or else after."""
    joined: list[_Stretch] = []
    for stretch in stretches:
        if joined and not (stretch.n_letters and joined[-1].n_letters):
            joined[-1] = _join(joined[-1], stretch)
        else:
            joined.append(stretch)
    return joined


def _join_short(stretches: list[_Stretch], text: str, longest: int) -> list[_Stretch]:
    """Each short stretch joined with the shorter of its neighbours, where that makes none too long."""
    joined: list[_Stretch] = []
    for stretch, following in zip_longest(stretches, stretches[1:]):
        if joined and min(joined[-1].n_letters, stretch.n_letters) < SHORT:
            both = _join(joined[-1], stretch)
            # The second of two is spoken with the third if that is shorter than the first; but
            # “…？”她问。, with no blank between, goes with what was said.
            waits = (
                joined[-1].n_letters >= SHORT
                and following is not None
                and following.n_letters < joined[-1].n_letters
                and following.n_letters + stretch.n_letters <= longest
                and not (stretch.start == joined[-1].stop and text[stretch.start - 1] in "”’」』")
            )
            # A neighbour too long for one pass is cut in any case, then with the short one in it.
            fits = both.n_letters <= longest or max(joined[-1].n_letters, stretch.n_letters) > longest
            if fits and not waits:
                joined[-1] = both
                continue
        joined.append(stretch)
    return joined


def _cut_long(text: str, stretch: _Stretch, longest: int) -> Iterator[int]:
    """Offsets that cut a stretch into parts of at most `longest` letters and something to say in each."""
    letters = [0, *accumulate(map(count_letters, text[stretch.start : stretch.stop]))]
    at = 0
    while (remaining := letters[-1] - letters[at]) > longest:
        target = letters[at] + remaining / math.ceil(remaining / longest)
        # Not before 0.3 of the longest: a strong cut is not worth a stump.
        least = bisect_left(letters, letters[at] + max(1.0, 0.3 * longest))
        most = bisect_right(letters, letters[at] + longest) - 1
        for ends in clause_ends(
            text, stretch.start + least, stretch.start + most, from_word=stretch.start + at
        ):
            if ends:
                at = min(ends, key=lambda end: abs(letters[end - stretch.start] - target)) - stretch.start
                break
        else:
            raise AssertionError("there is a cut before every letter")
        yield stretch.start + at


def _strip(text: str, start: int, stop: int) -> tuple[int, int]:
    """The same stretch without the white space at its ends."""
    stripped = text[start:stop].lstrip()
    start = stop - len(stripped)
    return start, start + len(stripped.rstrip())


def _slice_spans(
    text: str, starts: list[int], languages: list[str], start: int, stop: int
) -> tuple[Span, ...]:
    """The spans of `start`...`stop`; neighbours in one language are one span."""
    spans: list[Span] = []
    for index in range(bisect_right(starts, start) - 1, len(languages)):
        if starts[index] >= stop:
            break
        part = text[max(start, starts[index]) : min(stop, starts[index + 1])]
        if not part:
            continue
        if spans and spans[-1].language == languages[index]:
            spans[-1] = Span(spans[-1].text + part, languages[index])
        else:
            spans.append(Span(part, languages[index]))
    return tuple(spans)
