"""The specs of what is done with whole voices: written out as upstream's files, and pulled onto the shelf."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from jobs.specs import Line, Spec, VoiceName, Webhook

VersionName = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{6,64}$")]
OfferName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
RevisionName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class ExportRequest(Spec):
    """What of a voice is to be written out."""

    version: VersionName | None = None
    """Of the voice; the one that it stands for now if absent."""
    webhook: Webhook | None = None


class ExportSpec(Spec):
    """An export as it is stored and carried out."""

    voice: VoiceName
    """`name@version`: what the voice stands for later changes nothing."""
    webhook: Webhook | None = None


class PullRequest(Spec):
    """Published weights that are wanted. Where they come from is the operator's setting, never a client's."""

    names: Annotated[tuple[OfferName, ...], Field(min_length=1, max_length=10)]
    """gpt-sovits-v1, -v2, -v2pro or -v2proplus, each with the backbones it needs; backbones: all of those.
    Alone: whisper-small or whisper-large-v3-turbo, a recogniser."""
    only: tuple[Literal["base", "content", "linguistic", "speaker"], ...] = Field(default=(), max_length=4)
    """Of these, only such parts."""
    revision: RevisionName | None = None
    """A branch, tag or commit of the repository. Absent: the commit whose digests this version knows."""
    webhook: Webhook | None = None


class Offer(Spec):
    """Something published, and under which licence."""

    name: str
    title: Line
    licence: str
    """SPDX identifier, "" where it is not known."""


class PullSpec(PullRequest):
    """A pull as it is stored and carried out."""

    repository: str
    offers: tuple[Offer, ...]
    """All that is wanted."""
