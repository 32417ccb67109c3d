"""The recordings of a training, one after another: fetched, decoded, examined, and made into features."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from jobs.training import Recording as Sent
from jobs.training import TrainingSpec
from models_store.hearing import HearingError, hear
from models_store.transcripts import SaidError, check_language
from speech.errors import TrainingError
from speech.gpt_sovits.company import Backbones
from speech.gpt_sovits.features import backbone_stamps
from speech.gpt_sovits.files import SEMANTIC
from speech.gpt_sovits.front import Front
from speech.gpt_sovits.weights import load_decoder, read_weights, semantic_config, version_of
from speech.text.digest import SPEECH_VERSION
from speech.text.symbols import SymbolsVersion
from speech.training.corpus import Entry
from speech.training.examine import LONGEST_SECONDS, Examined, Fault, examine
from speech.training.features import FeatureMaker
from speech.training.recordings import Line, Recording, parse_list
from worker.schooling import Base
from worker.workshop import Workshop

KEPT_SECONDS: Final = 30 * 86_400.0
"""Features that were made so long ago are dropped from this machine's disk."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A recording that was examined, and what it becomes if it is kept."""

    examined: Examined
    path: Path
    """Where its file lies."""
    entry: Entry | None = None


def read_list(workshop: Workshop, spec: TrainingSpec) -> Mapping[str, Line]:
    """What the list file says, by recording; nothing without one.

    Raises:
        TrainingError: it cannot be read, or names a recording that was not sent.
    """
    if spec.listed is None:
        return {}
    content = workshop.objects.get(spec.listed.key, sha256=spec.listed.sha256)
    try:
        lines = parse_list(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise TrainingError(f"list: is not UTF-8: {error.reason} at byte {error.start}") from error
    except TrainingError as error:
        raise TrainingError(f"list: {error}") from error
    sent = {recording.source.name for recording in spec.recordings}
    for line in lines:
        if line.name not in sent:
            raise TrainingError(f"list: line {line.number}: {line.name} is not among the recordings")
    return {line.name: line for line in lines}


class Listener:
    """Listens to recordings with the ears of one base voice."""

    def __init__(self, workshop: Workshop, base: Base, tenant_id: str) -> None:
        """A listener; reads the base's quantiser from disk.

        Raises:
            VoiceError: the base's files are broken.
        """
        self._workshop, self._base = workshop, base
        self.symbols: SymbolsVersion = "v1" if version_of(base.weights) == "v1" else "v2"
        config = semantic_config(read_weights(base.weights / SEMANTIC)[1])
        polyphones = bool(base.manifest.parameters.get("polyphones", False))
        backbones = Backbones(base.source.backbones, base.device, with_polyphones=polyphones)
        decoder = load_decoder(base.weights, base.device)
        kept = workshop.settings.home / "features" / tenant_id
        _drop_old(kept)
        self._maker = FeatureMaker(
            Front(self.symbols, config.linguistic_width, backbones),
            backbones,
            decoder.quantiser,
            speaker_width=decoder.config.speaker_width,
            digests=[
                base.manifest.weights_digest,
                str(SPEECH_VERSION["gpt-sovits"]),
                str(backbone_stamps(base.source.backbones)),
                str(polyphones),
            ],
            kept=kept,
        )

    def listen(self, spec: TrainingSpec, lines: Mapping[str, Line], folder: Path) -> Iterator[Heard]:
        """Every recording, in order; its file stays in `folder`."""
        seen: dict[str, str] = {}
        for number, sent in enumerate(spec.recordings):
            name = sent.source.name or f"recording {number + 1}"
            path = folder / f"{number}{Path(name).suffix[:8]}"
            if sent.source.sha256 in seen:
                first = seen[sent.source.sha256]
                yield Heard(Examined(name, 0.0).dropped(Fault.TWICE, f"the same file as {first}"), path)
                continue
            seen[sent.source.sha256] = name
            self._workshop.objects.fetch(sent.source.key, path, sha256=sent.source.sha256)
            line = lines.get(name)
            text = sent.text or (line.text if line else "")
            language = sent.language or (line.language if line else spec.language)
            yield self._hear(name, path, sent, text, language)

    def _hear(self, name: str, path: Path, sent: Sent, text: str, language: str) -> Heard:
        try:
            heard = hear(path, most_seconds=LONGEST_SECONDS + 60)
        except HearingError as error:
            return Heard(Examined(name, 0.0).dropped(Fault.UNREADABLE, str(error)), path)
        sound = heard.at_rest()
        examined = examine(name, sound, language=language, clipped=heard.clipped)
        if examined.fault is not None:
            return Heard(examined, path)
        if not text:
            return Heard(examined.dropped(Fault.UNTOLD, "nobody says what is said in it"), path)
        try:
            tag = check_language(language, place=name)
        except SaidError as error:
            return Heard(examined.dropped(Fault.LANGUAGE, _after(name, error)), path)
        if not self._base.manifest.speaks(tag):
            known = ", ".join(self._base.manifest.languages)
            reason = f"{language!r} is none of {known}, which the base knows"
            return Heard(examined.dropped(Fault.LANGUAGE, reason), path)
        try:
            features = self._maker.make(Recording(name, np.asarray(sound, np.float32), tag, text))
        except TrainingError as error:
            return Heard(examined.dropped(Fault.TRANSCRIPT, _after(name, error)), path)
        return Heard(examined, path, Entry(features, text, tag, sent.source.sha256))


def _after(name: str, error: Exception) -> str:
    """What an error says after the recording's name."""
    return str(error).removeprefix(f"{name}: ")


def _drop_old(folder: Path) -> None:
    """Frees the disk of features that were made long ago; whoever wants them makes them again."""
    oldest = time.time() - KEPT_SECONDS
    for path in folder.glob("*.safetensors"):
        if path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
