"""A prompt's features at rest, so that a voice is heard once and not at every start.

The file is named after everything the features follow from; one under another name is never read. Whatever
is wrong with it, the prompt is made anew: it is a copy of what can be computed again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from speech.errors import VoiceError
from speech.gpt_sovits.files import RECOGNISER
from speech.gpt_sovits.prompt import Prompt
from speech.text.chinese.g2pw import MODEL
from speech.text.digest import SPEECH_VERSION
from speech.text.lexicon import Lexicon, describe_entry
from speech.voice import VoiceSource

log = logging.getLogger(__name__)

VERSION: Final = 1
"""Of the code that makes features. Raise it in the commit that makes others of the same recording."""
FOLDER: Final = ".features"
"""Beside the versions of a voice; a name with a dot before it is no version."""

_KEY: Final = "lectorium.key"
_NAMES: Final = ("phonemes", "linguistic", "tokens", "style")
"""The tensors of a prompt, in its order."""


def key_of(source: VoiceSource, lexicon: Lexicon) -> str:
    """The SHA-256, in hex, of all that the features of this source follow from.

    Backbones take part by the size and time of their files: their digest would take longer than the features.

    Raises:
        VoiceError: a recording cannot be read.
    """
    try:
        recordings = [hashlib.sha256(file.path.read_bytes()).hexdigest() for file in source.prompts]
    except OSError as error:
        raise VoiceError(f"prompt {error.filename}: {error.strerror}") from error
    canonical = json.dumps(
        {
            "versions": [VERSION, SPEECH_VERSION["gpt-sovits"]],
            "weights": source.weights_digest,
            "prompts": [
                [recording, file.transcript, file.language]
                for recording, file in zip(recordings, source.prompts, strict=True)
            ],
            "lexicon": [describe_entry(entry) for entry in lexicon.entries],
            "backbones": [*backbone_stamps(source.backbones), *backbone_stamps(source.weights)],
        },
        sort_keys=True,
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def backbone_stamps(backbones: Path | None) -> list[tuple[str, int, int]]:
    """Name, size and time of each backbone's weights in this folder, of backbones or of a voice's weights."""
    kinds = ("*/model.safetensors", f"*/{MODEL}")
    files = sorted(file for kind in kinds for file in backbones.glob(kind)) if backbones else []
    files = [file for file in files if file.parent.name != RECOGNISER]  # no feature follows from it
    return [(file.parent.name, (stat := file.stat()).st_size, stat.st_mtime_ns) for file in files]


def place_of(source: VoiceSource) -> Path | None:
    """Where the features of this source lie; None for a source without a folder."""
    return source.folder.parent / FOLDER / f"{source.folder.name}.safetensors" if source.folder else None


def recall(path: Path, key: str, lexicon: Lexicon) -> Prompt | None:
    """The prompt kept at `path` under this key; None where there is none, or it is broken or stale."""
    try:
        with safe_open(path, framework="pt") as file:
            if (file.metadata() or {}).get(_KEY) != key:
                return None
            tensors: Mapping[str, Tensor] = {name: file.get_tensor(name) for name in file.offset_keys()}
        return Prompt(**{name: tensors[name] for name in _NAMES}, lexicon=lexicon)
    except FileNotFoundError:
        return None
    except (OSError, SafetensorError, KeyError) as error:
        log.warning("the features in %s are broken and made anew: %s", path, error)
        return None


def keep(path: Path, key: str, prompt: Prompt) -> None:
    """Leaves the prompt at `path`, whole or not at all; where nothing may be written, it stays in memory."""
    tensors = {name: getattr(prompt, name).contiguous() for name in _NAMES}
    incoming = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(exist_ok=True)
        try:
            save_file(tensors, incoming, metadata={_KEY: key})
            incoming.chmod(0o644)  # safetensors leaves it to its owner; a shelf may be shared
            incoming.replace(path)
        finally:
            incoming.unlink(missing_ok=True)
    except (OSError, SafetensorError) as error:
        log.info("the features of this voice cannot be kept in %s: %s", path.parent, error)
