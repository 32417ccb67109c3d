"""The recordings of a training, one after another: fetched, decoded, examined, and made into features.

One of which nobody says what is said in it is cut at its silences, and a recogniser writes down each part.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from jobs.training import TrainingSpec
from models_store.hearing import Heard as Decoded
from models_store.hearing import HearingError, hear
from models_store.hub.provenance import provenance_of
from models_store.transcripts import SaidError, check_language
from speech.errors import SpeechError, TrainingError, VoiceError
from speech.gpt_sovits.company import Backbones
from speech.gpt_sovits.features import backbone_stamps
from speech.gpt_sovits.files import RECOGNISER, SEMANTIC
from speech.gpt_sovits.front import Front
from speech.gpt_sovits.weights import load_decoder, read_weights, semantic_config, version_of
from speech.recogniser import Recogniser
from speech.text.digest import SPEECH_VERSION
from speech.text.symbols import SymbolsVersion
from speech.training.batches import Features
from speech.training.corpus import Entry
from speech.training.examine import LONGEST_SECONDS, Examined, Fault, examine
from speech.training.features import FeatureMaker
from speech.training.recordings import Line, Recording, parse_list
from speech.training.slicing import SHORTEST_SECONDS, Stretch, cut, level_slice
from speech.training.transcribe import Transcriber
from speech.units import SAMPLE_RATE
from speech.voice import Samples
from speech.wav import wav_bytes
from worker.schooling import Base, features_folder
from worker.workshop import Workshop

KEPT_SECONDS: Final = 30 * 86_400.0
"""Features that were made so long ago are dropped from this machine's disk."""
MOST_UNTOLD_SECONDS: Final = 1_200.0
"""Of a recording without a transcript: it lies in memory whole while it is cut."""

_AT_ONCE: Final = 8
"""Recordings whose features are made together, on a GPU side by side; parts written down in one batch."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A recording, or a part of one, that was examined, and what it becomes if it is kept."""

    examined: Examined
    path: Path
    """Where its sound lies."""
    entry: Entry | None = None


@dataclass(frozen=True, slots=True)
class _Fit:
    """One that is fit to learn from as sound, and what is said in it."""

    examined: Examined
    path: Path
    sound: Samples
    language: str
    text: str
    sha256: str


@dataclass(frozen=True, slots=True)
class _Sent:
    """A recording that was sent, on this machine's disk."""

    number: int
    name: str
    path: Path
    language: str
    text: str
    sha256: str


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
        backbones = Backbones(
            base.source.backbones, base.device, weights=base.weights, with_polyphones=polyphones
        )
        decoder = load_decoder(base.weights, base.device)
        kept = features_folder(workshop, tenant_id)
        _drop_old(kept)
        self._maker = FeatureMaker(
            Front(self.symbols, config.linguistic_width, backbones),
            backbones,
            decoder.quantiser,
            speaker_width=decoder.config.speaker_width,
            digests=[
                base.manifest.weights_digest,
                str(SPEECH_VERSION["gpt-sovits"]),
                str([*backbone_stamps(base.source.backbones), *backbone_stamps(base.weights)]),
                str(polyphones),
            ],
            kept=kept,
            n_lanes=_AT_ONCE if base.device.type == "cuda" else 1,
        )
        self._transcriber = transcriber_of(base, kept)

    def listen(self, spec: TrainingSpec, lines: Mapping[str, Line], folder: Path) -> Iterator[Heard]:
        """Every recording, in order, the long ones in parts; their files stay in `folder`."""
        waiting: list[Heard | _Fit] = []
        for one in self._examined(spec, lines, folder):
            waiting.append(one)
            if sum(isinstance(other, _Fit) for other in waiting) == _AT_ONCE:
                yield from self._finished(waiting)
                waiting = []
        yield from self._finished(waiting)

    def _examined(
        self, spec: TrainingSpec, lines: Mapping[str, Line], folder: Path
    ) -> Iterator[Heard | _Fit]:
        seen: dict[str, str] = {}
        for number, recording in enumerate(spec.recordings):
            name = recording.source.name or f"recording {number + 1}"
            path = folder / f"{number}{Path(name).suffix[:8]}"
            sha256 = recording.source.sha256
            if sha256 in seen:
                twin = Examined(name, 0.0).dropped(Fault.TWICE, f"the same file as {seen[sha256]}")
                yield Heard(twin, path)
                continue
            seen[sha256] = name
            self._workshop.objects.fetch(recording.source.key, path, sha256=sha256)
            line = lines.get(name)
            text = recording.text or (line.text if line else "")
            language = recording.language or (line.language if line else spec.language)
            yield from self._hear(_Sent(number, name, path, language, text, sha256))

    def _hear(self, sent: _Sent) -> Iterator[Heard | _Fit]:
        transcriber = None if sent.text else self._transcriber
        most = LONGEST_SECONDS if transcriber is None else MOST_UNTOLD_SECONDS
        try:
            decoded = hear(sent.path, most_seconds=most + 60)
        except HearingError as error:
            yield Heard(Examined(sent.name, 0.0).dropped(Fault.UNREADABLE, str(error)), sent.path)
            return
        if transcriber is None:
            yield self._hear_whole(sent, decoded)
        else:
            yield from self._hear_parts(sent, decoded, transcriber)

    def _hear_whole(self, sent: _Sent, decoded: Decoded) -> Heard | _Fit:
        """A recording whose transcript is given, or can be had from nobody."""
        sound = np.asarray(decoded.at_rest(), np.float32)
        examined = examine(sent.name, sound, language=sent.language, clipped=decoded.clipped)
        if examined.fault is not None:
            return Heard(examined, sent.path)
        if not sent.text:
            reason = (
                "nobody says what is said in it, and there is no recogniser: "
                "`lectorium voice pull whisper-small` brings one"
            )
            return Heard(examined.dropped(Fault.UNTOLD, reason), sent.path)
        try:
            tag = self._language_of(sent)
        except SaidError as error:
            return Heard(examined.dropped(Fault.LANGUAGE, str(error)), sent.path)
        return _Fit(examined, sent.path, sound, tag, sent.text, sent.sha256)

    def _hear_parts(self, sent: _Sent, decoded: Decoded, transcriber: Transcriber) -> Iterator[Heard | _Fit]:
        """A recording that a recogniser has to write down, in parts if it is long."""
        whole = Examined(sent.name, round(decoded.seconds, 3), sent.language)
        if decoded.seconds > MOST_UNTOLD_SECONDS:
            reason = f"more than {MOST_UNTOLD_SECONDS:g} s without a transcript"
            yield Heard(whole.dropped(Fault.LONG, reason), sent.path)
            return
        try:
            tag = self._language_of(sent, transcriber)
        except SaidError as error:
            yield Heard(whole.dropped(Fault.LANGUAGE, str(error)), sent.path)
            return
        sound = np.asarray(decoded.at_rest(), np.float32)
        stretches = cut(sound)
        for first in range(0, len(stretches), _AT_ONCE):
            parts = [
                self._examine_part(sent, sound, stretch, decoded.clipped, is_whole=len(stretches) == 1)
                for stretch in stretches[first : first + _AT_ONCE]
            ]
            fit = [part for part in parts if isinstance(part, _Fit)]
            texts = iter(transcriber([part.sound for part in fit], tag))
            for part in parts:
                yield _said(replace(part, language=tag), next(texts)) if isinstance(part, _Fit) else part

    def _examine_part(
        self, sent: _Sent, sound: Samples, stretch: Stretch, clipped: float, *, is_whole: bool
    ) -> Heard | _Fit:
        """A part of a recording, on disk as a file of its own; not yet written down."""
        start, end = (place / SAMPLE_RATE for place in (stretch.start, stretch.end))
        name = sent.name if is_whole else f"{sent.name} {start:.2f}-{end:.2f} s"
        part = sound if is_whole else level_slice(sound[stretch.start : stretch.end])
        examined = examine(name, part, language=sent.language, clipped=clipped)
        path = sent.path
        if not is_whole:
            path = path.with_name(f"{sent.number}-{stretch.start}.wav")
            if examined.fault is None and stretch.seconds < SHORTEST_SECONDS:
                reason = f"{stretch.seconds:.2f} s between silences; at least {SHORTEST_SECONDS:g} s"
                examined = examined.dropped(Fault.SHORT, reason)
            if examined.fault is None:
                path.write_bytes(wav_bytes(part))
        if examined.fault is not None:
            return Heard(examined, path)
        return _Fit(examined, path, part, sent.language, "", sent.sha256)

    def _language_of(self, sent: _Sent, transcriber: Transcriber | None = None) -> str:
        """The language's tag. Raises SaidError, without the recording's name, where one does not know it."""
        try:
            tag = check_language(sent.language, place=sent.name)
        except SaidError as error:
            raise SaidError("language", _after(sent.name, error)) from error
        if not self._base.manifest.speaks(tag):
            known = ", ".join(self._base.manifest.languages)
            raise SaidError("language", f"{sent.language!r} is none of {known}, which the base knows")
        if transcriber is not None and not transcriber.knows(tag):
            raise SaidError("language", f"the recogniser has not learnt {sent.language!r}")
        return tag

    def _finished(self, waiting: Sequence[Heard | _Fit]) -> Iterator[Heard]:
        """The same, those that are fit with their features, or with what their text is faulted for."""
        fit = [one for one in waiting if isinstance(one, _Fit)]
        made = iter(
            self._maker.make_all(
                [Recording(one.examined.name, one.sound, one.language, one.text) for one in fit]
            )
        )
        for one in waiting:
            yield one if isinstance(one, Heard) else _entered(one, next(made))


def transcriber_of(base: Base, kept: Path | None) -> Transcriber | None:
    """What writes down recordings for this base; None where no recogniser is on the shelf."""
    backbones = base.source.backbones
    if backbones is None or not (folder := backbones / RECOGNISER).is_dir():
        return None
    try:
        stamps = [
            f"{path.name} {(stat := path.stat()).st_size} {stat.st_mtime_ns}"
            for path in sorted(folder.glob("*.*"))
        ]
    except OSError as error:
        raise VoiceError(f"the recogniser in {folder}: {error.strerror}") from error
    return Transcriber(lambda: Recogniser(folder, base.device), digests=stamps, kept=kept)


def name_recogniser(base: Base) -> str:
    """Which recogniser stands on the base's shelf: repository and commit, as far as they were noted."""
    folder = (base.source.backbones or Path()) / RECOGNISER
    noted = provenance_of(folder)
    return f"{noted.repository}@{noted.revision[:12]}" if noted else "of unknown origin"


def _said(part: _Fit, text: str) -> Heard | _Fit:
    """The same with what was written down; dropped where that is nothing."""
    if not any(letter.isalpha() for letter in text):
        reason = f"the recogniser hears nothing said in it{f': {text[:40]!r}' if text else ''}"
        return Heard(part.examined.dropped(Fault.UNTOLD, reason), part.path)
    return replace(part, text=text, examined=replace(part.examined, recognised=text))


def _entered(fit: _Fit, made: Features | SpeechError) -> Heard:
    if isinstance(made, SpeechError):
        fault = fit.examined.dropped(Fault.TRANSCRIPT, _after(fit.examined.name, made))
        return Heard(fault, fit.path)
    return Heard(fit.examined, fit.path, Entry(made, fit.text, fit.language, fit.sha256))


def _after(name: str, error: Exception) -> str:
    """What an error says after the recording's name."""
    return str(error).removeprefix(f"{name}: ")


def _drop_old(folder: Path) -> None:
    """Frees the disk of what was made long ago; whoever wants it makes it again."""
    oldest = time.time() - KEPT_SECONDS
    for pattern in ("*.safetensors", "*.json"):
        for path in folder.glob(pattern):
            if path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)
