"""The digest of a take: one name for everything its sound depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from speech.text.lexicon import Entry
from speech.text.utterance import Utterance
from speech.voice import Sampling

SPEECH_VERSION: Final[Mapping[str, int]] = MappingProxyType({"draft": 1, "stub": 1, "gpt-sovits": 2})
"""The code's own version for each family of voices.

Raise a family's number in the commit that changes what that family makes of the same request; every take
of the family is then made anew and no stored one is mistaken for it.
"""


def take_digest(
    utterance: Utterance,
    *,
    voice_version: str,
    family: str,
    sampling: Sampling,
    take: int,
    lexicon: Sequence[Entry] = (),
) -> str:
    """The SHA-256, in lower-case hex, of all that decides an utterance's sound.

    That is: its spans (text and language, verbatim), the voice version's digest, the family's
    `SPEECH_VERSION`, the sampling, the number of the take, and what the job's lexicon says of its words.
    What stands after the utterance is *not* in it: a sentence that becomes the last of its paragraph keeps
    its sound. Neither is the tenant: the ledger scopes digests itself.

    The digest is taken over JSON in one canonical form: ASCII escapes, sorted names, no blanks, settings
    sorted by name, numbers as floats.

    Raises:
        ValueError: the family is unknown, the take is negative, or a number of the sampling is not finite.
    """
    if family not in SPEECH_VERSION:
        raise ValueError(f"family: {family!r} has no SPEECH_VERSION; known are {', '.join(SPEECH_VERSION)}")
    if take < 0:
        raise ValueError(f"take: {take} is negative")
    canonical = json.dumps(
        {
            "family": family,
            "lexicon": sorted(
                [entry.word, entry.language, list(entry.phonemes), entry.respelling] for entry in lexicon
            ),
            "sampling": {
                # Adding 0.0 turns -0.0 into 0.0: equal samplings, equal digests.
                "settings": sorted([name, float(value) + 0.0] for name, value in sampling.settings),
                "speed": float(sampling.speed) + 0.0,
            },
            "spans": [[span.text, span.language] for span in utterance.spans],
            "speech_version": SPEECH_VERSION[family],
            "take": take,
            "voice_version": voice_version,
        },
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=True,
        allow_nan=False,
    )
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
