"""What a recogniser hears: words lost, doubled, invented and mistaken, sentence by sentence.

The recogniser is PocketSphinx with the English model that its wheel brings. It mistakes one word in seven
even of flite's own speech, so a figure says something only beside that of the speech which was imitated.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Final

import jiwer
import pocketsphinx
from torch import Tensor

from speech.gpt_sovits.recording import resample
from speech.text.english.normalise import normalise
from speech.text.traced import TracedText

SAMPLE_RATE: Final = 16_000
_FULL_SCALE: Final = 32767
_NO_LETTER: Final = re.compile(r"[^a-z' ]+")


@dataclass(frozen=True, slots=True)
class Hearing:
    """What was heard of one sentence beside what it says; counts are of words."""

    said: tuple[str, ...]
    heard: tuple[str, ...]
    lost: int
    """Said, not heard."""
    doubled: int
    """Heard twice running, said once."""
    invented: int
    """Heard, not said, and no doubling."""
    mistaken: tuple[tuple[str, str], ...]
    """The word that was said and the one that was heard in its place."""

    @classmethod
    def of(cls, said: Sequence[str], heard: Sequence[str]) -> Hearing:
        """The alignment of two runs of words with the fewest changes; `said` is not empty."""
        lost, doubled, invented, mistaken = 0, 0, 0, list[tuple[str, str]]()
        [chunks] = jiwer.process_words([" ".join(said)], [" ".join(heard)]).alignments
        for chunk in chunks:
            of_said = said[chunk.ref_start_idx : chunk.ref_end_idx]
            first, last = chunk.hyp_start_idx, chunk.hyp_end_idx
            match chunk.type:
                case "delete":
                    lost += len(of_said)
                case "insert" if _is_doubled(heard, first, last):
                    doubled += last - first
                case "insert":
                    invented += last - first
                case "substitute":
                    mistaken += zip(of_said, heard[first:last], strict=True)
        return cls(tuple(said), tuple(heard), lost, doubled, invented, tuple(mistaken))

    @property
    def n_wrong(self) -> int:
        """All that is wrong."""
        return self.lost + self.doubled + self.invented + len(self.mistaken)


@dataclass(frozen=True, slots=True)
class Count:
    """What was heard of several sentences; counts are of words."""

    n_sentences: int
    n_words: int
    """That were said."""
    lost: int
    doubled: int
    invented: int
    mistaken: int
    sentences_lost: int
    """Sentences of which no word was heard."""
    sentences_right: int
    """Sentences heard word for word."""
    confusions: tuple[tuple[str, str, int], ...]
    """The most frequent mistakes: what was said, what was heard, how often."""

    @classmethod
    def of(cls, hearings: Iterable[Hearing], *, n_confusions: int = 20) -> Count:
        """Their sums."""
        hearings = tuple(hearings)
        taken_for = Counter(pair for hearing in hearings for pair in hearing.mistaken)
        return cls(
            n_sentences=len(hearings),
            n_words=sum(len(hearing.said) for hearing in hearings),
            lost=sum(hearing.lost for hearing in hearings),
            doubled=sum(hearing.doubled for hearing in hearings),
            invented=sum(hearing.invented for hearing in hearings),
            mistaken=taken_for.total(),
            sentences_lost=sum(not set(hearing.said) & set(hearing.heard) for hearing in hearings),
            sentences_right=sum(not hearing.n_wrong for hearing in hearings),
            confusions=tuple((said, heard, n) for (said, heard), n in taken_for.most_common(n_confusions)),
        )

    @property
    def word_error_rate(self) -> float:
        """Words wrong for each that was said; above 1 where more is wrong than was said."""
        return (self.lost + self.doubled + self.invented + self.mistaken) / max(self.n_words, 1)

    def report(self) -> dict[str, object]:
        """As JSON has it."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        return {"word_error_rate": round(self.word_error_rate, 4), **told}


class Recogniser:
    """PocketSphinx's recogniser of US English; it hears every sentence as if it were the first."""

    def __init__(self) -> None:
        self._decoder = pocketsphinx.Decoder(
            loglevel="FATAL"
        )  # cmn=batch: each sentence is levelled by itself

    def hear(self, sound: Tensor, rate: int = SAMPLE_RATE) -> list[str]:
        """The words in sound `float[N]` within -1 ... 1, at `rate` samples a second."""
        heard = sound if rate == SAMPLE_RATE else resample(sound, rate, SAMPLE_RATE)
        samples = (heard.float().clamp(-1, 1) * _FULL_SCALE).round().short().numpy().tobytes()
        self._decoder.start_utt()
        self._decoder.process_raw(samples, False, True)
        self._decoder.end_utt()
        found = self._decoder.hyp()
        return found.hypstr.split() if found else []

    def compare(self, text: str, sound: Tensor, rate: int = SAMPLE_RATE) -> Hearing:
        """What was heard of sound `float[N]` beside the text it should say."""
        return Hearing.of(words_of(text), self.hear(sound, rate))


def words_of(text: str) -> list[str]:
    """The words of an English text as they are spoken, in small letters: numbers are words too.

    Raises:
        UnreadableTextError: a character has no way to be said in English.
    """
    spoken = normalise(TracedText.read(text)).text.lower()
    return [word for word in (w.strip("'") for w in _NO_LETTER.sub(" ", spoken).split()) if word]


def _is_doubled(heard: Sequence[str], first: int, last: int) -> bool:
    """Whether `heard[first:last]` says again what stands right before or right after it."""
    run, n = list(heard[first:last]), last - first
    return run in (list(heard[max(first - n, 0) : first]), list(heard[last : last + n]))
