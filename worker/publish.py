"""The publish step: what was learnt speaks, is judged beside its base, and becomes a version on the shelf."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import torch

from jobs.ledger.training_values import Energy
from jobs.ledger.values import Claim, Stored
from jobs.messages import Knock
from jobs.states import StepKind
from jobs.training import TrainingSpec
from models_store.lineage import LearntRecording, Lineage
from models_store.manifest import ManifestPrompt
from models_store.publishing import Trained
from models_store.publishing import publish as put_on_shelf
from speech.backbones import SpeakerBackbone
from speech.errors import UnreadableTextError
from speech.gpt_sovits.company import Backbones
from speech.gpt_sovits.files import ADAPTERS, DECODER, OWN_CONTENT, SEMANTIC
from speech.gpt_sovits.recording import resample
from speech.gpt_sovits.voice import open_voice
from speech.networks import fbank
from speech.text.utterance import Span, Utterance
from speech.training.corpus import Corpus, Entry
from speech.training.evaluate import Embed, Likeness, compare, misheard_share
from speech.training.plots import plot_likeness, plot_losses
from speech.training.transcribe import HEARD_SECONDS, Transcriber
from speech.units import SAMPLE_RATE
from speech.voice import PromptFile, Request, Samples, VoiceSource
from speech.wav import wav_bytes
from worker.giving_way import WINDOW_CLOSES, GivingWay
from worker.listening import name_recogniser, transcriber_of
from worker.schooling import Base, bring, find_base, keep, meter_of, note_energy, spec_of
from worker.tagging import GENERATOR
from worker.tried import BASE, VOICE, LaidDownError, Tried
from worker.workshop import Workshop

log = logging.getLogger(__name__)

EVALUATION: Final = "evaluation.json"
PREVIEW: Final = "preview.wav"
PROMPT: Final = ""
"""Stands for the prompt where recordings are named."""
NO_RECOGNISER: Final = "not measured: no recogniser"
"""Stands in the evaluation where nothing tells how well the voice can be understood."""
LOSSES_PLOT: Final = "losses.png"
EVALUATION_PLOT: Final = "evaluation.png"


def publish(workshop: Workshop, claim: Claim) -> list[Knock]:
    """Does the step, or lays it down between two utterances, as a training is; returns the knocks now due.

    Raises:
        LeaseLostError: the lease was lost, or the job cancelled.
        SpeechError: what was learnt cannot speak, or the shelf does not take it.
    """
    tried = Tried(workshop, claim.tenant_id, claim.job_id)
    spec = spec_of(claim)
    jobs = workshop.ledger.jobs
    prepared = workshop.insist(lambda: jobs.results(claim.job_id, StepKind.PREPARE))[0]
    trained = workshop.insist(lambda: jobs.results(claim.job_id, StepKind.TRAIN))[0]
    shelf = workshop.shelf.of(claim.tenant_id)
    base = find_base(shelf, prepared["base"])
    meter = meter_of(workshop.settings, base.device)
    with workshop.scratch() as folder:
        corpus = Corpus.read(bring(workshop, prepared["corpus"], folder / "corpus.safetensors"))
        said = prepared["prompt"]
        recording = bring(workshop, said, folder / said["name"])
        prompt = PromptFile(recording, said["transcript"], said["language"])
        learnt = {
            name: bring(workshop, where, folder / "voice" / name) for name, where in trained["voice"].items()
        }
        giving_way = GivingWay(workshop, claim)
        try:
            takes = _speak(base, learnt, prompt, corpus.judged, tried, giving_way)
            of_base = _speak(base, {}, prompt, corpus.judged, tried, giving_way)
        except LaidDownError as laid_down:
            why = str(laid_down)
            log.info("publishing is laid down: %s", why)
            tried.write()
            note_energy(workshop, claim, meter)
            past_opening = why == WINDOW_CLOSES
            return workshop.insist(
                lambda: workshop.ledger.trainings.put_back(claim, reason=why, past_opening=past_opening)
            )
        judged = [entry for entry in corpus.judged if entry.features.name in takes.keys() & of_base.keys()]
        embed, transcriber = _embed(base), transcriber_of(base, folder / "transcripts")
        likeness = [_judge(made, judged, embed, transcriber) for made in (takes, of_base)]
        figures = [{k: v for k, v in asdict(mean).items() if v is not None} for _, mean in likeness]
        manifest = put_on_shelf(
            shelf,
            Trained(
                name=spec.name,
                base=base.manifest,
                weights=learnt,
                prompt=ManifestPrompt(
                    file=said["name"], transcript=said["transcript"], language=said["language"]
                ),
                recording=recording,
                lineage=_lineage(spec, prepared, trained, corpus, figures),
                consent=spec.consent,
                licence=spec.licence,
                description=spec.description,
            ),
            base.weights,
        )
        evaluation = {
            "voice": f"{manifest.name}@{manifest.version}",
            "base": prepared["base"],
            "is_held_out": bool(corpus.held_out),
            "recogniser": name_recogniser(base) if transcriber else NO_RECOGNISER,
            "mean": {"voice": figures[0], "base": figures[1]},
            "recordings": [
                {
                    "name": entry.features.name,
                    "text": entry.text,
                    "voice": asdict(mine),
                    "base": asdict(other),
                }
                for entry, mine, other in zip(judged, likeness[0][0], likeness[1][0], strict=True)
            ],
        }
        artefacts = [
            _keep_json(workshop, claim, evaluation),
            keep(workshop, claim, wav_bytes(takes[PROMPT]), "preview", "audio/wav", name=PREVIEW),
            *_draw(workshop, claim, folder, trained, {"voice": figures[0], "base": figures[1]}),
        ]
    tried.drop()
    note_energy(workshop, claim, meter)
    for key in workshop.insist(lambda: workshop.ledger.trainings.drop_checkpoints(claim)):
        workshop.objects.delete(key)
    result = {"voice": manifest.name, "version": manifest.version, "evaluation": evaluation["mean"]}
    return workshop.insist(lambda: workshop.ledger.steps.finish(claim, artefacts=artefacts, result=result))


def _speak(
    base: Base,
    learnt: dict[str, Path],
    prompt: PromptFile,
    entries: Sequence[Entry],
    tried: Tried,
    giving_way: GivingWay,
) -> dict[str, Samples]:
    """What a voice makes of the prompt's text and of these recordings', by name.

    It is the base itself where nothing was learnt. A text that is too long for one utterance is left out.

    Raises:
        LaidDownError: somebody goes before it, or the window closes.
        LeaseLostError: the lease was lost, or the job cancelled.
    """
    who = VOICE if learnt else BASE
    folder = next(iter(learnt.values())).parent if learnt else None
    weights = base.weights
    if folder is not None and ADAPTERS not in learnt:
        for name in (DECODER, SEMANTIC, OWN_CONTENT):  # what did not learn is the base's
            if name not in learnt and (base.weights / name).exists():
                (folder / name).symlink_to(base.weights / name)
        weights = folder
    source = VoiceSource(
        weights_digest=base.manifest.weights_digest,
        parameters=base.manifest.parameters,
        folder=folder,
        weights=weights,
        prompts=(prompt,),
        backbones=base.source.backbones,
    )
    voice = open_voice(source)
    texts = {entry.features.name: Span(entry.text, entry.language) for entry in entries}
    made: dict[str, Samples] = {}
    longest = 0.0
    try:
        for name, span in {PROMPT: Span(prompt.transcript, prompt.language), **texts}.items():
            if (said := tried.get(who, name)) is not None:
                made[name] = said
                continue
            if why := giving_way.reason(longest):
                raise LaidDownError(why)
            began = time.monotonic()
            try:
                (take,) = voice.speak(iter([Request(name, Utterance((span,)))]))
            except UnreadableTextError as error:
                if name == PROMPT:
                    raise
                log.warning("%s is not judged: %s", name, error)
                continue
            made[name] = take.samples
            tried.add(who, name, take.samples)
            longest = max(longest, time.monotonic() - began)
    finally:
        voice.close()
    return made


def _judge(
    made: Mapping[str, Samples],
    entries: Sequence[Entry],
    embed: Embed | None,
    transcriber: Transcriber | None,
) -> tuple[list[Likeness], Likeness]:
    found = [compare(made[entry.features.name], entry.features.sound.numpy(), embed) for entry in entries]
    if transcriber is not None:
        found = [
            _understand(one, entry, made[entry.features.name], transcriber)
            for one, entry in zip(found, entries, strict=True)
        ]
    return found, Likeness.mean(found)


def _understand(likeness: Likeness, entry: Entry, made: Samples, transcriber: Transcriber) -> Likeness:
    """The same with what a recogniser mishears, unless the sound is too long or its language new to it."""
    real = entry.features.sound.numpy()
    longest = max(len(made), len(real)) / SAMPLE_RATE
    if longest > HEARD_SECONDS or not transcriber.knows(entry.language):
        return likeness
    of_voice, of_recording = (
        misheard_share(entry.text, text, entry.language) for text in transcriber([made, real], entry.language)
    )
    return replace(likeness, misheard=of_voice, misheard_of_speaker=of_recording)


def _embed(base: Base) -> Embed | None:
    """The speaker backbone, where it is on the shelf."""
    folder = base.source.backbones
    if folder is None or not (folder / "speaker").is_dir():
        return None
    backbone: SpeakerBackbone = Backbones(folder, base.device).speaker()

    def embed(sound: torch.Tensor) -> torch.Tensor:
        return backbone(resample(sound, SAMPLE_RATE, fbank.SAMPLE_RATE)).cpu()

    return embed


def _lineage(
    spec: TrainingSpec,
    prepared: dict[str, Any],
    trained: dict[str, Any],
    corpus: Corpus,
    figures: Sequence[dict[str, float]],
) -> Lineage:
    energy = Energy(**trained["energy"])
    return Lineage(
        base=prepared["base"],
        recordings=tuple(
            LearntRecording(
                name=entry.features.name,
                sha256=entry.sha256,
                seconds=len(entry.features.sound) / SAMPLE_RATE,
                is_held_out=entry.is_held_out,
            )
            for entry in corpus.entries
        ),
        options=spec.options.model_dump(exclude_none=True),
        n_updates=trained["n_updates"],
        code=GENERATOR,
        energy_kwh=energy.kwh,
        energy_source=energy.source,
        energy_grams=energy.grams,
        energy_cost=energy.cost,
        evaluation=figures[0],
        evaluation_of_base=figures[1],
    )


def _draw(
    workshop: Workshop,
    claim: Claim,
    folder: Path,
    trained: dict[str, Any],
    figures: dict[str, dict[str, float]],
) -> list[Stored]:
    """The pictures: of the losses always, of the evaluation where anything could be judged."""
    losses = bring(workshop, trained["losses"], folder / "losses.jsonl")
    rows = [json.loads(row) for row in losses.read_text("utf-8").splitlines()]
    plot_losses(rows, folder / LOSSES_PLOT)
    drawn = [LOSSES_PLOT]
    if any(figures.values()):
        plot_likeness(figures, folder / EVALUATION_PLOT)
        drawn.append(EVALUATION_PLOT)
    return [keep(workshop, claim, folder / name, "plot", "image/png", name=name) for name in drawn]


def _keep_json(workshop: Workshop, claim: Claim, content: dict[str, Any]) -> Stored:
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    return keep(workshop, claim, text.encode(), "evaluation", "application/json", name=EVALUATION)
