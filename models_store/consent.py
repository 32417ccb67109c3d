"""Consent: what stands on record of a speaker's agreement to be cloned, one record for each voice's name.

It stands beside the versions and not in them: an agreement that is worded anew makes no other voice, and an
agreement to one recording is none to another.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models_store.manifest import ManifestError, VoiceManifest
from models_store.stock import replace_file
from speech.errors import VoiceError

CONSENT: Final = "consent.json"
MOST_CHARACTERS: Final = 4000


class ConsentError(VoiceError):
    """A cloned voice may not speak, or a statement is none; the message says what to do."""


class Consent(BaseModel):
    """Who said when that the speaker agrees, and for which recordings."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    statement: Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)]
    recorded_at: str
    """RFC 3339, UTC."""
    prompts: tuple[str, ...]
    """SHA-256 of each prompt it is for, sorted: those of all versions that stood there then."""

    @classmethod
    def now(cls, statement: str, manifests: tuple[VoiceManifest, ...]) -> Self:
        """The record of this moment for these versions.

        Raises:
            ConsentError: the statement is empty or too long.
        """
        words = " ".join(statement.split())
        if not words:
            raise ConsentError("consent: the statement is empty; say who agreed, to what, how it is known")
        if len(words) > MOST_CHARACTERS:
            raise ConsentError(
                f"consent: the statement has {len(words)} characters; at most {MOST_CHARACTERS}"
            )
        digests = {digest for manifest in manifests for digest in _prompts_of(manifest)}
        moment = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return cls(statement=words, recorded_at=moment, prompts=tuple(sorted(digests)))

    def covers(self, manifest: VoiceManifest) -> bool:
        """Whether every recording this version speaks after is one of those agreed to."""
        return _prompts_of(manifest) <= set(self.prompts)


def read_consent(folder: Path) -> Consent | None:
    """The record in a voice's folder; None if there is none.

    Raises:
        ManifestError: it is broken.
    """
    path = folder / CONSENT
    try:
        return Consent.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ManifestError(f"{path}: {where + ': ' if where else ''}{first['msg']}") from error


def write_consent(folder: Path, consent: Consent) -> None:
    """Puts the record into a voice's folder, in place of an older one."""
    replace_file(folder / CONSENT, (consent.model_dump_json(indent=2) + "\n").encode())


def _prompts_of(manifest: VoiceManifest) -> set[str]:
    return {manifest.files[prompt.file].sha256 for prompt in manifest.prompts}
