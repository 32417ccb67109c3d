"""What the starter has come to: words understood, speed, whose voice it is, sentences lost or doubled.

Every row stands for itself. What cannot be measured yet is named, and the rest is measured all the same.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch

from models_store.shelf import Shelf
from speech.errors import SpeechError
from speech.gpt_sovits.recording import resample
from speech.sampling import TokenSampling
from speech.text.utterance import Span, Utterance
from speech.units import SAMPLE_RATE
from speech.voice import Request, Samples, Take
from starter import flite
from starter.corpus import Corpus, Entry
from starter.diction import foresee, measure, phones_of_codes
from starter.narrators import VOICES, Narrator
from starter.recipe import Recipe
from starter.recogniser import Count, Hearing, Recogniser
from starter.semantic import Sentence, learnt, sentences_of_corpus
from starter.timbre import Narrators

FILE: Final = "evaluation.json"
SAMPLING: Final = TokenSampling(top_k=5, temperature=0.8, repetition_penalty=1.0)
"""How tokens are drawn where the semantic model alone is judged. Nothing is held back for having occurred:
512 codes that stand for 41 phones come again all the time."""

_FULL_SCALE: Final = 32768
_N_TIMBRE: Final = 12  # recordings that a narrator is known by
_PROMPT_SECONDS: Final = (3.0, 5.0)

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Heard:
    """What a voice made of texts, and what was heard of it."""

    hearings: tuple[Hearing, ...]
    sounds: tuple[Samples, ...]
    """Each `[N]` at 32 kHz."""
    doubtful: int
    """Takes the voice itself has doubts about."""
    processor_seconds: float
    """That the speaking took, with all threads."""

    @property
    def audio_seconds(self) -> float:
        """How long it all is."""
        return sum(len(sound) for sound in self.sounds) / SAMPLE_RATE


def evaluate(recipe: Recipe, corpus: Corpus, folder: Path, shelf: Shelf, *, tell: Tell) -> dict[str, Any]:
    """All rows that can be measured, with what is missing under `missing`; also written to `folder`.

    Args:
        recipe: of all stages.
        corpus: made.
        folder: of the stages.
        shelf: where the narrators stand as voices, under `voice_name`.
        tell: is told how far it is.

    Raises:
        TrainingError: there is no corpus.
    """
    held_out = [entry for entry in corpus.entries() if entry.is_held_out]
    recogniser = Recogniser()
    missing: list[str] = []
    rows: dict[str, Any] = {"sentences": len(held_out)}
    of_flite = _flite_words(held_out, folder, recogniser, tell)
    spoken: dict[str, Heard] = {}
    for narrator in VOICES:
        try:
            spoken[narrator] = hear_voice(
                shelf, voice_name(narrator), [entry.text for entry in held_out], recogniser
            )
        except SpeechError as error:
            missing.append(f"{narrator}: {error}")
        else:
            tell(f"{narrator}: {Count.of(spoken[narrator].hearings).word_error_rate:.3f} of the words wrong")
    rows["words"] = words_row(of_flite, spoken)
    if spoken:
        rows["speed"] = speed_row(spoken.values())
        narrators = Narrators.of(_recordings(corpus.entries()))
        rows["likeness"] = likeness_row(narrators, {name: heard.sounds for name, heard in spoken.items()})
        tell(f"voices told rightly: {rows['likeness']['right']} of {rows['likeness']['of']}")
    try:
        rows["tokens"] = tokens_row(recipe, corpus, folder)
    except SpeechError as error:
        missing.append(f"tokens: {error}")
    rows["missing"] = missing
    for line in missing:
        tell(f"missing: {line}")
    (folder / FILE).write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return rows


def voice_name(narrator: str) -> str:
    """The name under which a narrator stands on the shelf."""
    return f"starter-{narrator}"


def hear_voice(shelf: Shelf, name: str, texts: Sequence[str], recogniser: Recogniser) -> Heard:
    """What a voice makes of texts, all in one batch, and what is heard of each.

    Raises:
        VoiceError: there is no such voice, or it cannot be opened.
        SpeechError: a text cannot be spoken.
    """
    voice = shelf.open(shelf.resolve(name))
    try:
        began = time.process_time()
        takes = speak_all(voice.speak, texts)
        seconds = time.process_time() - began
    finally:
        voice.close()
    return Heard(
        hearings=tuple(
            recogniser.compare(text, torch.from_numpy(take.samples), SAMPLE_RATE)
            for text, take in zip(texts, takes, strict=True)
        ),
        sounds=tuple(take.samples for take in takes),
        doubtful=sum(bool(take.doubts) for take in takes),
        processor_seconds=seconds,
    )


def speak_all(speak: Callable[[Any], Iterable[Take]], texts: Sequence[str]) -> list[Take]:
    """The takes of texts, in their order.

    Raises:
        SpeechError: a text has no take, or two: a batch must neither lose nor double one.
    """
    keys = [hashlib.sha256(f"{number}:{text}".encode()).hexdigest() for number, text in enumerate(texts)]
    requests = [Request(key, Utterance((Span(text, "en"),))) for key, text in zip(keys, texts, strict=True)]
    takes: dict[str, Take] = {}
    for take in speak(iter(requests)):
        if take.key in takes or take.key not in keys:
            raise SpeechError(f"take {take.key[:12]} came twice, or was never asked for")
        takes[take.key] = take
    if lost := [text for key, text in zip(keys, texts, strict=True) if key not in takes]:
        raise SpeechError(
            f"{len(lost)} of {len(texts)} sentences have no take, the first is {lost[0][:40]!r}"
        )
    return [takes[key] for key in keys]


def words_row(of_flite: Mapping[str, Count], spoken: Mapping[str, Heard]) -> dict[str, Any]:
    """Words wrong by narrator, beside those of the flite voice it imitates."""
    row: dict[str, Any] = {}
    for narrator, count in of_flite.items():
        row[narrator] = {"flite": count.report()}
        if narrator in spoken:
            heard = spoken[narrator]
            own = Count.of(heard.hearings)
            row[narrator] |= {
                "starter": own.report(),
                "ratio": round(own.word_error_rate / max(count.word_error_rate, 1e-9), 3),
                "doubtful": heard.doubtful,
                "sentences": [
                    {
                        "said": " ".join(one.said),
                        "heard": " ".join(one.heard),
                        "lost": one.lost,
                        "doubled": one.doubled,
                        "invented": one.invented,
                        "mistaken": len(one.mistaken),
                    }
                    for one in heard.hearings
                ],
            }
    return row


def speed_row(spoken: Iterable[Heard]) -> dict[str, float]:
    """Audio seconds for each processor second, over all narrators; the recogniser's time left out."""
    heard = list(spoken)
    audio = sum(one.audio_seconds for one in heard)
    processor = sum(one.processor_seconds for one in heard)
    return {
        "audio_seconds": round(audio, 1),
        "processor_seconds": round(processor, 1),
        "audio_seconds_per_processor_second": round(audio / processor, 2),
    }


def likeness_row(narrators: Narrators, sounds: Mapping[str, Sequence[Samples]]) -> dict[str, Any]:
    """How many recordings are nearest to the narrator they are of, and what the others were taken for."""
    taken_for = {name: [narrators.nearest(sound) for sound in of_name] for name, of_name in sounds.items()}
    return {
        "right": sum(found.count(name) for name, found in taken_for.items()),
        "of": sum(len(found) for found in taken_for.values()),
        "taken_for": {
            name: {other: found.count(other) for other in sorted(set(found))}
            for name, found in taken_for.items()
        },
    }


def tokens_row(recipe: Recipe, corpus: Corpus, folder: Path) -> dict[str, Any]:
    """What the semantic model has learnt, heard in phones; unchanged narrators speak after a prompt.

    Raises:
        SpeechError: an earlier stage is missing.
    """
    model, n_updates = learnt(recipe.semantic, folder / "semantic")
    sentences = sentences_of_corpus(corpus, folder)
    tokens = {one.name: one.tokens for one in sentences}
    phones = phones_of_codes(
        (entry for entry in corpus.entries() if not entry.is_held_out), tokens, recipe.tokens.n_codes
    )
    held_out = [one for one in sentences if one.is_held_out]
    spoken = {entry.name: entry.spoken.phones for entry in corpus.entries() if entry.is_held_out}
    foreseen = {name: round(value, 4) for name, value in asdict(foresee(model, held_out)).items()}
    diction = measure(model, held_out, spoken, prompts_of(sentences), phones, SAMPLING)
    return {"updates": n_updates, "foreseen": foreseen, "diction": diction.report()}


def prompts_of(sentences: Iterable[Sentence]) -> dict[str, Sentence]:
    """A sentence of three to five seconds by each unchanged narrator, the first that is learnt from."""
    found: dict[str, Sentence] = {}
    low, high = (25 * seconds for seconds in _PROMPT_SECONDS)
    for one in sentences:
        if one.narrator in VOICES and not one.is_held_out and low <= len(one.tokens) <= high:
            found.setdefault(one.narrator, one)
    return found


def _flite_words(
    entries: Sequence[Entry], folder: Path, recogniser: Recogniser, tell: Tell
) -> dict[str, Count]:
    """What is heard of flite's own narrators; kept in `folder`, since it is always the same."""
    path = folder / "flite-words.json"
    texts = [entry.text for entry in entries]
    if path.is_file():
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["texts"] == texts:
            return {
                name: Count.of(Hearing.of(said, heard) for said, heard in pairs)
                for name, pairs in kept["narrators"].items()
            }
    hearings = {
        voice: [
            recogniser.compare(text, flite.speak(Narrator(voice), text).sound.float() / _FULL_SCALE)
            for text in texts
        ]
        for voice in VOICES
    }
    narrators = {name: [(one.said, one.heard) for one in of_name] for name, of_name in hearings.items()}
    path.write_text(json.dumps({"texts": texts, "narrators": narrators}), encoding="utf-8")
    counts = {name: Count.of(of_name) for name, of_name in hearings.items()}
    for name, count in counts.items():
        tell(f"flite's {name}: {count.word_error_rate:.3f} of the words wrong")
    return counts


def _recordings(entries: Iterable[Entry]) -> dict[str, list[Samples]]:
    """Recordings of each unchanged narrator at 32 kHz: what it is known by."""
    found: dict[str, list[Samples]] = {name: [] for name in VOICES}
    for entry in entries:
        of_narrator = found.get(entry.narrator)
        if of_narrator is not None and not entry.is_held_out and len(of_narrator) < _N_TIMBRE:
            sound = entry.spoken.sound.float() / _FULL_SCALE
            of_narrator.append(resample(sound, flite.SAMPLE_RATE, SAMPLE_RATE).numpy())
    return found
