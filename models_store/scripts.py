"""The script: a chapter's utterances and the voice that reads them, frozen at plan time as one object.

The digests of the takes are frozen with it. So workers of two versions may serve one job: they agree on
which take is which, even if a newer version would name it anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Self

from models_store.manifest import VoiceManifest
from speech.text.digest import take_digest
from speech.text.lexicon import Entry, Lexicon
from speech.text.utterance import Boundary, Span, Utterance
from speech.voice import Request, Sampling

MEDIA_TYPE: Final = "application/vnd.lectorium.script+json"
FORMAT: Final = 2
READABLE: Final = frozenset({1, FORMAT})
"""Format 1 knew no lexicon; chapters that were planned then are still spoken."""


NO_LEXICON: Final = Lexicon()


@dataclass(frozen=True, slots=True)
class Script:
    """What is spoken in a chapter, by whom, and how."""

    voice: str
    """`name@version`: what the shelf resolves to the same voice version for ever."""
    sampling: Sampling
    utterances: tuple[Utterance, ...]
    keys: tuple[str, ...]
    """The digest of each utterance's take."""
    lexicons: tuple[tuple[Entry, ...], ...]
    """What the job's lexicon says of each utterance's words: so another entry changes only their takes."""
    remarks: Mapping[int, str]
    """What was decided of some utterances that somebody should know, by their index."""

    @classmethod
    def write(
        cls,
        utterances: Iterable[Utterance],
        *,
        voice: VoiceManifest,
        sampling: Sampling,
        lexicon: Lexicon = NO_LEXICON,
        remarks: Mapping[int, str] = MappingProxyType({}),
    ) -> Self:
        """The script of these utterances for this voice version."""
        spoken = tuple(utterances)
        lexicons = tuple(lexicon.within(utterance.text) for utterance in spoken)
        return cls(
            voice=f"{voice.name}@{voice.version}",
            sampling=sampling,
            utterances=spoken,
            keys=tuple(
                take_digest(
                    utterance,
                    voice_version=voice.version,
                    family=voice.family,
                    sampling=sampling,
                    take=0,
                    lexicon=entries,
                )
                for utterance, entries in zip(spoken, lexicons, strict=True)
            ),
            lexicons=lexicons,
            remarks=remarks,
        )

    def request(self, utterance_index: int) -> Request:
        """What is asked of the voice for this utterance."""
        return Request(
            self.keys[utterance_index],
            self.utterances[utterance_index],
            self.sampling,
            lexicon=self.lexicons[utterance_index],
        )


def freeze(script: Script) -> bytes:
    """The script as canonical JSON: equal scripts, equal bytes.

    Each entry of the lexicon stands there once; an utterance refers to its own by their numbers.
    """
    entries = list(dict.fromkeys(entry for lexicon in script.lexicons for entry in lexicon))
    numbers = {entry: number for number, entry in enumerate(entries)}
    content = {
        "format": FORMAT,
        "voice": script.voice,
        "speed": script.sampling.speed,
        "settings": dict(script.sampling.settings),
        "lexicon": [
            [entry.word, entry.language, list(entry.phonemes), entry.respelling] for entry in entries
        ],
        "utterances": [
            {
                "key": key,
                "boundary": utterance.boundary.value,
                "spans": [list(span) for span in utterance.spans],
                "lexicon": [numbers[entry] for entry in lexicon],
            }
            for utterance, key, lexicon in zip(script.utterances, script.keys, script.lexicons, strict=True)
        ],
    }
    if script.remarks:
        content["remarks"] = [[index, remark] for index, remark in sorted(script.remarks.items())]
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def thaw(content: bytes) -> Script:
    """The script that was frozen.

    Raises:
        ValueError: a format this version of the program does not know.
    """
    frozen = json.loads(content)
    if frozen["format"] not in READABLE:
        raise ValueError(f"script format {frozen['format']}: this program reads formats up to {FORMAT}")
    entries = [
        Entry(word, language, tuple(phonemes), respelling)
        for word, language, phonemes, respelling in frozen.get("lexicon", ())
    ]
    return Script(
        voice=frozen["voice"],
        sampling=Sampling(frozen["speed"], tuple(sorted(frozen["settings"].items()))),
        utterances=tuple(
            Utterance(
                tuple(Span(text, language) for text, language in utterance["spans"]),
                Boundary(utterance["boundary"]),
            )
            for utterance in frozen["utterances"]
        ),
        keys=tuple(utterance["key"] for utterance in frozen["utterances"]),
        lexicons=tuple(
            tuple(entries[number] for number in utterance.get("lexicon", ()))
            for utterance in frozen["utterances"]
        ),
        remarks=dict(frozen.get("remarks", ())),
    )
