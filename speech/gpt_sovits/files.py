"""The two files a voice's weights stand in, and what their headers tell. No torch is needed for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from speech.errors import VoiceError

FAMILY: Final = "gpt-sovits"
"""What manifests call the family."""
SEMANTIC: Final = "semantic.safetensors"
"""The semantic model's file in a voice's folder: what upstream's `.ckpt` held."""
DECODER: Final = "decoder.safetensors"
"""The decoder's file: what upstream's `.pth` held."""
JUDGES: Final = "judges.safetensors"
"""Discriminators, which some bases bring for whoever trains from them: what upstream's `s2D….pth` held."""
ADAPTERS: Final = "adapters.safetensors"
"""What a voice has learnt on top of its base's semantic model, if it has no weights of its own."""
RECOGNISER: Final = "recogniser"
"""The folder beside the backbones of what writes down recordings without a transcript; no voice needs it."""
OWN_CONTENT: Final = "content"
"""The folder beside weights that were not learnt from HuBERT: the content backbone they were learnt from."""
CONTAINER: Final = "lectorium.container"
"""The one field of both files' metadata."""

VERSIONS: Final = ("v1", "v2", "v2Pro", "v2ProPlus")

_DECODER_PHONEMES: Final = {322: "v1", 732: "v2"}
"""Rows of the decoder's phoneme embedding, and the symbol table they are for."""
_FIRST_KERNELS: Final = {16: "v2Pro", 20: "v2ProPlus"}
"""Width of the generator's first upsampling kernel, all that always tells the two Pro versions apart."""

_MOST_SIZE: Final = 1 << 16
_MOST_LAYERS: Final = 256
_MOST_ENTRIES: Final = 64


def version_of_shapes(shapes: Mapping[str, Sequence[int]]) -> str:
    """Which of `VERSIONS` a decoder with tensors of these shapes is: what it is made of, not what it says.

    Raises:
        VoiceError: it is none of them; the message names the tensor that tells.
    """
    rows = _size(shapes, "enc_p.text_embedding.weight", 0)
    if rows not in _DECODER_PHONEMES:
        raise VoiceError(f"weight enc_p.text_embedding.weight has {rows} rows, not 322 (v1) or 732 (v2)")
    if "sv_emb.weight" not in shapes:
        return _DECODER_PHONEMES[rows]
    folded = "dec.ups.0.weight" in shapes
    kernel = _size(shapes, "dec.ups.0.weight" if folded else "dec.ups.0.weight_v", 2)
    if kernel not in _FIRST_KERNELS or _DECODER_PHONEMES[rows] != "v2":
        raise VoiceError(
            f"the decoder knows a speaker embedding, and is neither v2Pro nor v2ProPlus: {rows} phonemes,"
            f" first upsampling kernel of width {kernel}"
        )
    return _FIRST_KERNELS[kernel]


def _size(shapes: Mapping[str, Sequence[int]], name: str, dimension: int) -> int:
    if name not in shapes:
        raise VoiceError(f"the decoder lacks the weight {name}")
    if len(shapes[name]) <= dimension:
        raise VoiceError(f"weight {name} has shape {list(shapes[name])}")
    return shapes[name][dimension]


def check_sizes(container: Mapping[str, Any]) -> None:
    """Refuses a config that describes a network of absurd size, before anybody builds it."""
    config = container.get("config")
    hparams = config.get("model") if isinstance(config, dict) else None
    if not isinstance(hparams, dict):
        raise VoiceError("its config lacks 'model'")
    for name, value in hparams.items():
        most = _MOST_LAYERS if name.startswith("n_layer") else _MOST_SIZE
        if not _is_moderate(value, most):
            raise VoiceError(f"its config has an impossible {name[:80]}")


def _is_moderate(value: Any, most: int) -> bool:
    if isinstance(value, list):
        return len(value) <= _MOST_ENTRIES and all(_is_moderate(entry, most) for entry in value)
    return not isinstance(value, int | float) or abs(value) <= most
