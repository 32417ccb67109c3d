"""What can be pulled: the files of the published repository, their digests, their licences.

Names of the files: upstream RVC-Boss/GPT-SoVITS at 48b1a016, `config.py` and `sv.py`. The revision and the
SHA-256 of each file are those which public projects pin that use the same weights; those of v1's pair were
found in one alone, and how far the others copied each other is not known. They were never compared with the
bytes by us. A file that is not what its digest says is refused, so an error
here can only stop a pull. The folder of the linguistic backbone holds no `vocab.txt`: its words stand in
`tokenizer.json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Source:
    """A file of the repository."""

    path: str
    """Relative to the repository, with slashes."""
    sha256: str = ""
    """At the catalogue's revision; "" where it is not known."""


@dataclass(frozen=True, slots=True)
class Backbone:
    """A frozen network all voices share."""

    kind: str
    """Its folder on the shelf: "content", "linguistic", "speaker" or "recogniser"."""
    title: str
    licence: str
    """SPDX identifier, "" where it is not known."""
    weights: Source
    config: Source | None = None
    """For transformers; None for a network whose shape is in our code."""
    tokenizer: Source | None = None
    """Where its vocabulary is found, if it reads text."""
    beside: tuple[Source, ...] = ()
    """Other JSON files that it reads as they are, under their own names."""

    @property
    def sources(self) -> tuple[Source, ...]:
        """All its files."""
        known = (self.weights, self.config, self.tokenizer)
        return *(source for source in known if source), *self.beside


@dataclass(frozen=True, slots=True)
class Base:
    """A published pair of weights that speaks with anybody's prompt."""

    name: str
    """Its voice's name on the shelf."""
    version: str
    languages: tuple[str, ...]
    licence: str
    semantic: Source
    decoder: Source
    needs: tuple[str, ...]
    """The kinds of backbones it speaks with."""

    @property
    def title(self) -> str:
        """What people call it."""
        return f"GPT-SoVITS {self.version}"

    @property
    def sources(self) -> tuple[Source, ...]:
        """Both its files."""
        return self.semantic, self.decoder


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A repository at a revision, and what of it we know how to use."""

    repository: str
    revision: str
    """The commit the digests are of, 40 hex digits; what is pulled where no other one is asked for."""
    bases: Mapping[str, Base]
    backbones: Mapping[str, Backbone]

    def pins(self, revision: str) -> dict[str, str]:
        """Path -> SHA-256, as far as it is known of this revision."""
        if revision != self.revision:
            return {}
        offers: tuple[Base | Backbone, ...] = (*self.bases.values(), *self.backbones.values())
        sources = [source for offer in offers for source in offer.sources]
        return {source.path: source.sha256 for source in sources if source.sha256}


_S1_V3: Final = Source("s1v3.ckpt", "87133414860ea14ff6620c483a3db5ed07b44be42e2c3fcdad65523a729a745a")
_ASIAN: Final = ("en", "ja", "ko", "yue", "zh")
_PLAIN_NEEDS: Final = ("content", "linguistic")
_PRO_NEEDS: Final = ("content", "linguistic", "speaker")

_BASES: Final = (
    Base(
        name="gpt-sovits-v1",
        version="v1",
        languages=("en", "ja", "zh"),
        licence="MIT",
        semantic=Source(
            "s1bert25hz-2kh-longer-epoch=68e-step=50232.ckpt",
            "b1c1e17e9c99547a89388f72048cd6e1b41b5a18b170e86a46dfde0324d63eb1",
        ),
        decoder=Source("s2G488k.pth", "020a014e1e01e550e510f2f61fae5e5f5b6aab40f15c22f1f12f724df507e835"),
        needs=_PLAIN_NEEDS,
    ),
    Base(
        name="gpt-sovits-v2",
        version="v2",
        languages=_ASIAN,
        licence="MIT",
        semantic=Source(
            "gsv-v2final-pretrained/s1bert25hz-5kh-longer-epoch=12-step=369668.ckpt",
            "732f94e63b148066e24c7f9d2637f3374083e637635f07fbdb695dee20ddbe1f",
        ),
        decoder=Source(
            "gsv-v2final-pretrained/s2G2333k.pth",
            "924fdccaa3c574bf139c25c9759aa1ed3b3f99e19a7c529ee996c2bc17663695",
        ),
        needs=_PLAIN_NEEDS,
    ),
    Base(
        name="gpt-sovits-v2pro",
        version="v2Pro",
        languages=_ASIAN,
        licence="MIT",
        semantic=_S1_V3,
        decoder=Source(
            "v2Pro/s2Gv2Pro.pth", "0f8ead815234365edf045c6d86370ed6e4f440e8195be77ff0ea72684ad406a5"
        ),
        needs=_PRO_NEEDS,
    ),
    Base(
        name="gpt-sovits-v2proplus",
        version="v2ProPlus",
        languages=_ASIAN,
        licence="MIT",
        semantic=_S1_V3,
        decoder=Source(
            "v2Pro/s2Gv2ProPlus.pth", "d42a22bbbf65fb2bbdd45ad6a66841156977db45c7aabe0a6992ff378d9c7d3b"
        ),
        needs=_PRO_NEEDS,
    ),
)

_BACKBONES: Final = (
    Backbone(
        kind="content",
        title="content backbone (chinese-hubert-base)",
        licence="MIT",
        weights=Source(
            "chinese-hubert-base/pytorch_model.bin",
            "24164f129c66499d1346e2aa55f183250c223161ec2770c0da3d3b08cf432d3c",
        ),
        config=Source(
            "chinese-hubert-base/config.json",
            "c3e5060a1277e0f078cc6be9da4528a605dba6ece93018981fe2c820e5c7b103",
        ),
    ),
    Backbone(
        kind="linguistic",
        title="linguistic backbone (chinese-roberta-wwm-ext-large)",
        licence="Apache-2.0",
        weights=Source(
            "chinese-roberta-wwm-ext-large/pytorch_model.bin",
            "e53a693acc59ace251d143d068096ae0d7b79e4b1b503fa84c9dcf576448c1d8",
        ),
        config=Source(
            "chinese-roberta-wwm-ext-large/config.json",
            "3d57de2fd7e80d0e5c8ff194f0bbb6baa10df7e43fc262a0cc71298a78b0a3e5",
        ),
        tokenizer=Source(
            "chinese-roberta-wwm-ext-large/tokenizer.json",
            "173796956820ea27bd14f76bf28162607ff4254807e2948253eb5b46f5bb643b",
        ),
    ),
    Backbone(
        kind="speaker",
        title="speaker backbone (ERes2NetV2)",
        licence="Apache-2.0",
        weights=Source(
            "sv/pretrained_eres2netv2w24s4ep4.ckpt",
            "4f5a0bf73c61eb41b174e1bb54e7ee3c83233892be8e0af1f187024e8e581a35",
        ),
    ),
)

OFFICIAL: Final = Catalogue(
    repository="lj1995/GPT-SoVITS",
    revision="336b2ec4e8d4ac74740798dd40af44e74659ecaf",
    bases={base.name: base for base in _BASES},
    backbones={backbone.kind: backbone for backbone in _BACKBONES},
)
"""The repository of upstream's author, at its state of 4 June 2025."""
