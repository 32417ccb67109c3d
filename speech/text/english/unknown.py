"""How an unknown English word sounds: the small recurrent network whose weights the g2p_en package carries.

One GRU reads the letters, another writes ARPAbet, the likeliest symbol each time (Park and Kim, g2pE, 2019).
The package itself is never imported: it fetches a corpus from the network when it is.
"""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

_LETTERS: Final = {letter: index for index, letter in enumerate("abcdefghijklmnopqrstuvwxyz", start=3)}
_OTHER: Final = 1
_END: Final = 2  # of the letters; among the symbols 2 begins and 3 ends
_SYMBOLS: Final = (
    "<pad> <unk> <s> </s> AA0 AA1 AA2 AE0 AE1 AE2 AH0 AH1 AH2 AO0 AO1 AO2 AW0 AW1 AW2 AY0 AY1 AY2 B CH D DH "
    "EH0 EH1 EH2 ER0 ER1 ER2 EY0 EY1 EY2 F G HH IH0 IH1 IH2 IY0 IY1 IY2 JH K L M N NG OW0 OW1 OW2 OY0 OY1 OY2 "
    "P R S SH T TH UH0 UH1 UH2 UW UW0 UW1 UW2 V W Y Z ZH"
)
_LONGEST: Final = 20
"""Symbols written at most, as in upstream."""

Array = NDArray[np.float32]


def package_file(package: str, *path: str) -> Path:
    """A file that an installed package carries, found without importing the package.

    Raises:
        ModuleNotFoundError: the package is not installed; the message says how to install it.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{package} is needed to read English: pip install 'lectorium[neural]'")
    return Path(spec.submodule_search_locations[0], *path)


@functools.cache
def _weights() -> dict[str, Array]:
    with np.load(package_file("g2p_en", "checkpoint20.npz"), allow_pickle=False) as arrays:
        return {name: np.asarray(arrays[name], np.float32) for name in arrays.files}


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)), np.float32)


def _step(x: Array, state: Array, side: str) -> Array:
    """One step of the GRU (Cho et al. 2014, in PyTorch's form); x, state: [256]."""
    weights = _weights()
    from_x = weights[f"{side}_w_ih"] @ x + weights[f"{side}_b_ih"]
    from_state = weights[f"{side}_w_hh"] @ state + weights[f"{side}_b_hh"]
    reset_x, update_x, new_x = np.split(from_x, 3)
    reset_state, update_state, new_state = np.split(from_state, 3)
    update = _sigmoid(update_x + update_state)
    new = np.tanh(new_x + _sigmoid(reset_x + reset_state) * new_state)
    return np.asarray((1 - update) * new + update * state, np.float32)


@functools.lru_cache(4096)
def guess(word: str) -> tuple[str, ...]:
    """The ARPAbet of a word in lower-case letters; never empty."""
    weights, symbols = _weights(), _SYMBOLS.split()
    state = np.zeros(256, np.float32)
    for index in [*(_LETTERS.get(letter, _OTHER) for letter in word), _END]:
        state = _step(weights["enc_emb"][index], state, "enc")
    written: list[str] = []
    last = symbols.index("<s>")
    for _ in range(_LONGEST):
        state = _step(weights["dec_emb"][last], state, "dec")
        last = int(np.argmax(weights["fc_w"] @ state + weights["fc_b"]))
        if symbols[last] == "</s>":
            break
        written.append(symbols[last])
    said = tuple(symbol for symbol in written if symbol not in {"<pad>", "<unk>", "<s>", "UW"})
    if not said:
        raise ValueError(f"{word!r}: the network for unknown words is silent")
    return said
