"""The phones of the corpus: those of flite's American English (its `radio` set), as its voices use them."""

from __future__ import annotations

from typing import Final

from speech.errors import TrainingError

_NAMES: Final = """
    pau aa ae ah ao aw ax ay b ch d dh eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th uh uw v w y z
    zh
"""
PHONES: Final = tuple(_NAMES.split())
"""In the order of their ids; `pau` is silence."""

SILENCE: Final = 0

_IDS: Final = {phone: index for index, phone in enumerate(PHONES)}


def id_of(phone: str) -> int:
    """The id of a phone.

    Raises:
        TrainingError: flite knows it and we do not.
    """
    if phone not in _IDS:
        raise TrainingError(f"phone {phone!r} is not one of the {len(PHONES)} of the corpus")
    return _IDS[phone]
