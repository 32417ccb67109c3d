"""What somebody wants of a catalogue. It needs no library: here the API, too, refuses what is no choice."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from models_store.hub.catalogue import Backbone, Base, Catalogue
from models_store.hub.errors import HubInputError

BACKBONES: Final = "backbones"
"""What all of them together are asked for by."""
BASE: Final = "base"
"""What a voice's own weights are asked for by, to leave its backbones."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What somebody wants of a catalogue."""

    bases: tuple[Base, ...]
    backbones: tuple[Backbone, ...]
    by_name: bool
    """Whether the backbones were asked for themselves, and not with a voice that needs them."""


def choose(catalogue: Catalogue, names: Sequence[str], only: Sequence[str] = ()) -> Choice:
    """The bases of these names with the backbones they need; "backbones" is all of them.

    Args:
        catalogue: what there is.
        names: of bases, in any case, or "backbones".
        only: if any: `BASE` and kinds of backbones; the rest is left.

    Raises:
        HubInputError: a name is none of the catalogue's, or nothing is left.
    """
    known = [*catalogue.bases, BACKBONES]
    lowered = [name.lower() for name in names]
    for name in lowered:
        if name not in known:
            guesses = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {guesses[0]}?" if guesses else f"there are {', '.join(known)}"
            raise HubInputError(f"{name!r} is nothing that can be pulled; {hint}")
    parts = (BASE, *catalogue.backbones)
    for part in only:
        if part not in parts:
            raise HubInputError(f"--only: {part!r} is none of {', '.join(parts)}", field="only")
    bases = [catalogue.bases[name] for name in dict.fromkeys(lowered) if name != BACKBONES]
    kinds = {kind for base in bases for kind in base.needs}
    if BACKBONES in lowered:
        kinds |= set(catalogue.backbones)
    chosen = Choice(
        bases=tuple(bases) if not only or BASE in only else (),
        backbones=tuple(
            backbone
            for kind, backbone in catalogue.backbones.items()
            if kind in kinds and (not only or kind in only)
        ),
        by_name=BACKBONES in lowered or bool(only),
    )
    if not chosen.bases and not chosen.backbones:
        raise HubInputError(f"--only: nothing of {', '.join(names)} is left", field="only")
    return chosen
