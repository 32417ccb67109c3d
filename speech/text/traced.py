"""Text whose characters know where they came from.

Normalisation writes "1984" as "nineteen eighty-four"; every letter of that still points at the four digits in
the book. So a phoneme has a place, and an error names the character the reader sees, not one we made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, Self


class Place(NamedTuple):
    """Offsets `start`...`stop` in an utterance's text, `stop` not included."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class TracedText:
    """A text and, for each of its characters, the place in the utterance it stands for."""

    text: str
    places: tuple[Place, ...]

    @classmethod
    def read(cls, text: str, offset: int = 0) -> Self:
        """The text as it stands in the utterance from `offset` on."""
        return cls(text, tuple(Place(at, at + 1) for at in range(offset, offset + len(text))))

    @classmethod
    def join(cls, parts: Iterable[TracedText]) -> Self:
        """The parts one after the other."""
        parts = tuple(parts)
        return cls("".join(part.text for part in parts), tuple(p for part in parts for p in part.places))

    def slice(self, start: int, stop: int) -> TracedText:
        """The characters from `start` to `stop`, `stop` not included."""
        return TracedText(self.text[start:stop], self.places[start:stop])

    def span(self, start: int, stop: int) -> Place:
        """The place that the characters `start`...`stop` cover; for none, the point between two."""
        if start < stop:
            within = self.places[start:stop]
            return Place(min(place.start for place in within), max(place.stop for place in within))
        if start < len(self.places):
            return Place(self.places[start].start, self.places[start].start)
        end = self.places[-1].stop if self.places else 0
        return Place(end, end)

    def sub(self, pattern: re.Pattern[str], by: str | Callable[[re.Match[str]], str]) -> TracedText:
        """The text with each match written anew, as by `re.sub`.

        What a match begins or ends with and its replacement too keeps its own places; every new character
        stands for all the others of the match.
        """
        texts: list[str] = []
        places: list[Place] = []
        done = 0
        for match in pattern.finditer(self.text):
            old, new = match.group(), match.expand(by) if isinstance(by, str) else by(match)
            if old == new:
                continue
            head = _shared_head(old, new)
            tail = _shared_head(old[head:][::-1], new[head:][::-1])
            if len(new) == head + tail and any(map(str.isalnum, old[head : len(old) - tail])):
                head = tail = 0  # letters that only go stay in the place of those that are left
            start, stop = match.start() + head, match.end() - tail
            n_new = len(new) - head - tail
            texts += (self.text[done:start], new[head : head + n_new])
            places += self.places[done:start]
            places += [self.span(start, stop)] * n_new
            done = stop
        if not texts:
            return self
        texts.append(self.text[done:])
        places += self.places[done:]
        return TracedText("".join(texts), tuple(places))


def _shared_head(first: str, second: str) -> int:
    """How many characters two texts begin with alike."""
    n_same = 0
    for a, b in zip(first, second, strict=False):
        if a != b:
            break
        n_same += 1
    return n_same
