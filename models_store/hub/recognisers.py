"""What writes down recordings without a transcript, and where it is published: OpenAI's Whisper, twice.

Each has a repository of its own. Revisions and digests are those which several public projects pin; they were
never compared with the bytes by us, and of their small files only some are known. The licences are those of
the repositories' cards.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Final

from models_store.hub.catalogue import OFFICIAL, Backbone, Catalogue, Source
from models_store.hub.choice import BACKBONES
from models_store.hub.errors import HubInputError
from speech.gpt_sovits.files import RECOGNISER


def _whisper(name: str, licence: str, revision: str, weights: str, beside: Mapping[str, str]) -> Catalogue:
    """A repository of OpenAI's that holds one Whisper, in safetensors."""
    backbone = Backbone(
        kind=RECOGNISER,
        title=f"recogniser ({name})",
        licence=licence,
        weights=Source("model.safetensors", weights),
        config=Source("config.json", beside.get("config.json", "")),
        beside=tuple(Source(path, beside.get(path, "")) for path in ("generation_config.json", "vocab.json")),
    )
    return Catalogue(f"openai/{name}", revision, bases={}, backbones={RECOGNISER: backbone})


RECOGNISERS: Final[Mapping[str, Catalogue]] = {
    "whisper-small": _whisper(
        "whisper-small",
        "Apache-2.0",
        "973afd24965f72e36ca33b3055d56a652f456b4d",
        "1d7734884874f1a1513ed9aa760a4f8e97aaa02fd6d93a3a85d27b2ae9ca596b",
        {"config.json": "e6a2b489da1b5aed65a8eb8d1e7466fa867ad5643a8bc138ba708bd56b2875c4"},
    ),
    "whisper-large-v3-turbo": _whisper(
        "whisper-large-v3-turbo",
        "MIT",
        "41f01f3fe87f28c78e2fbf8b568835947dd65ed9",
        "542566a422ae4f3fd23f1ba11add198fca01bbf82e66e6a2857b3f608b1eb9d1",
        {"generation_config.json": "cce11bfe3aaa6ae9e072ea2637caaec8795e68d9b67e655a5af16ee509681a4c"},
    ),
}
"""Networks that write down what is said in recordings without a transcript.

The small one is 1 GB and knows no Cantonese; the other is 1.6 GB and several times the work. Of their small
files only some digests are known.
"""


def find_catalogue(names: Sequence[str]) -> tuple[Catalogue, Sequence[str]]:
    """The catalogue in which these names are, and what to choose of it.

    Raises:
        HubInputError: a recogniser is named, and something else too; or a name is nearly a recogniser's.
    """
    for name in names:
        nearly = difflib.get_close_matches(name.lower(), [*RECOGNISERS, *OFFICIAL.bases, BACKBONES], n=1)
        if nearly and nearly[0] in RECOGNISERS and name.lower() != nearly[0]:
            raise HubInputError(f"{name!r} is nothing that can be pulled; did you mean {nearly[0]}?")
    found = [name for name in names if name.lower() in RECOGNISERS]
    if not found:
        return OFFICIAL, names
    if len(names) > 1:
        raise HubInputError(f"{found[0]!r} has a repository of its own: pull it alone")
    return RECOGNISERS[found[0].lower()], [BACKBONES]
