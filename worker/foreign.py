"""Words of a language that the voice does not speak: refused with their place, or read as the book's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from models_store.manifest import VoiceManifest
from speech.errors import UnreadableTextError
from speech.text.utterance import Span, Utterance

_SHOWN_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Foreign:
    """What is to be done with them."""

    manifest: VoiceManifest
    language: str
    """The book's own, BCP 47."""
    as_book: bool
    """Whether they are read by the rules of the book's own language; if not, they are refused."""

    def settle(
        self, utterances: Sequence[Utterance], chapter: str
    ) -> tuple[tuple[Utterance, ...], Mapping[int, str]]:
        """The utterances in languages the voice speaks, and a remark on each that was changed, by its place.

        Args:
            utterances: of one chapter.
            chapter: its title, for messages.

        Raises:
            UnreadableTextError: a language the voice does not speak, or none is given; with its first place.
        """
        settled: list[Utterance] = []
        remarks: dict[int, str] = {}
        for index, utterance in enumerate(utterances):
            strange = [span for span in utterance.spans if self._is_strange(span)]
            if strange:
                place = f"chapter {chapter!r}, utterance {index + 1} ({_shown(strange[0])})"
                self._check(strange, place)
                remarks[index] = "; ".join(
                    f"{_shown(span)} is {span.language}, read as {self.language}" for span in strange
                )
            spans = [
                Span(text, self.language) if (text, tag) in strange else Span(text, tag)
                for text, tag in utterance.spans
            ]
            settled.append(replace(utterance, spans=tuple(spans)))
        return tuple(settled), remarks

    def _is_strange(self, span: Span) -> bool:
        return bool(span.text.strip()) and not self.manifest.speaks(span.language)

    def _check(self, strange: Sequence[Span], place: str) -> None:
        name = self.manifest.name
        for _, language in strange:
            if language == "und":
                raise UnreadableTextError(
                    f"language: neither the book nor its text tells it at {place}; give one"
                )
            if language == self.language or not self.manifest.speaks(self.language):
                raise UnreadableTextError(f"voice {name!r} does not speak {language!r}: {place}")
            if not self.as_book:
                raise UnreadableTextError(
                    f"voice {name!r} does not speak {language!r}: {place}; with foreign: as-book such words"
                    f" are read as {self.language!r}, and listed"
                )


def _shown(span: Span) -> str:
    return repr(" ".join(span.text.split())[:_SHOWN_CHARACTERS])
