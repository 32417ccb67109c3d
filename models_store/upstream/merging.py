"""The weights of a voice as one whole, for files that know no adapters: those of upstream."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors.torch import save_file

from speech.errors import VoiceError
from speech.gpt_sovits.adapters import read_adapters
from speech.gpt_sovits.files import CONTAINER, DECODER, SEMANTIC
from speech.gpt_sovits.weights import read_weights, semantic_of
from speech.training.lora import merge, put_on
from speech.training.published import semantic_tensors
from speech.voice import VoiceSource


@contextmanager
def whole_weights(source: VoiceSource) -> Iterator[Path]:
    """The folder of a GPT-SoVITS voice's weights: its own, or for the block a new one, adapters merged.

    The merged semantic model is in half precision, as upstream's files are: what it says is what the adapters
    say on their base, but for the rounding.

    Args:
        source: of a voice that has weights, its own or its base's.

    Raises:
        VoiceError: it has none, files are broken, or a merged weight does not fit half precision.
    """
    if source.weights is None:
        raise VoiceError("the voice has no weights")
    adapters = read_adapters(source.folder)
    if not adapters:
        yield source.weights
        return
    tensors, container = read_weights(source.weights / SEMANTIC)
    model = semantic_of(container, tensors)
    put_on(model, adapters)
    merge(model)
    merged = {name: tensor.contiguous() for name, tensor in semantic_tensors(model).items()}
    with tempfile.TemporaryDirectory(prefix="lectorium-voice-") as scratch:
        folder = Path(scratch)
        save_file(merged, folder / SEMANTIC, {CONTAINER: json.dumps(container)})
        (folder / DECODER).symlink_to(source.weights.absolute() / DECODER)
        yield folder
