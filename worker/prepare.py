"""The prepare step of a training: recordings become features, a report and a prompt, by day if need be.

It is laid down between two recordings when somebody goes before it. What was made of those before is kept on
this machine by digest, so that going on costs no more than reading it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from jobs.ledger.values import Claim
from jobs.messages import Knock
from models_store.commission import options_of
from models_store.prompts import LEAST_SECONDS, MOST_SECONDS, PreparedPrompt, prepare_prompt
from speech.errors import VoiceError
from speech.gpt_sovits.weights import has_posterior
from speech.training.corpus import Corpus
from speech.training.examine import Report, report
from speech.training.expect import expect
from speech.units import SAMPLE_RATE
from worker.errors import UnfitRecordingsError
from worker.giving_way import GivingWay
from worker.listening import Heard, Listener, read_list
from worker.schooling import REPORT, find_base, keep, meter_of, note_energy, pace_of, spec_of, told
from worker.workshop import Workshop

log = logging.getLogger(__name__)

_TENSORS = "application/octet-stream"


def prepare(workshop: Workshop, claim: Claim) -> list[Knock]:
    """Does the step; returns the knocks now due.

    Raises:
        LeaseLostError: the lease was lost, or the job cancelled.
        UnfitRecordingsError: nothing is left to learn from or to speak after; it says why of each recording.
        TrainingError: the list cannot be read, or names what was not sent.
        VoiceError: the base is none to learn from.
    """
    spec = spec_of(claim)
    base = find_base(workshop.shelf.of(claim.tenant_id), spec.base)
    decoder, semantic = options_of(spec.options)
    if decoder is not None and not has_posterior(base.weights):
        raise VoiceError(
            f"base: {spec.base!r} lacks the posterior (enc_q.*) that a decoder learns with: "
            "take a base as it was published, or train adapters alone (adapter_rank)"
        )
    meter = meter_of(workshop.settings, base.device)
    giving_way = GivingWay(workshop, claim)
    with workshop.scratch() as folder:
        listener = Listener(workshop, base, claim.tenant_id)
        heard: list[Heard] = []
        with workshop.watch.progress() as got_further:
            for recording in listener.listen(spec, read_list(workshop, spec), folder):
                heard.append(recording)
                got_further()
                if why := giving_way.reason():
                    log.info("the recordings are laid down after %d: %s", len(heard), why)
                    note_energy(workshop, claim, meter)
                    return workshop.insist(lambda: workshop.ledger.trainings.put_back(claim, reason=why))
        entries = [one.entry for one in heard if one.entry is not None]
        if not entries:
            raise UnfitRecordingsError("recordings: none of them can be learnt from", _reasons(heard))
        phonemes = {entry.features.name: entry.features.phonemes.tolist() for entry in entries}
        found = report([one.examined for one in heard], phonemes, listener.symbols)
        prompt = _choose_prompt(heard, folder)
        corpus = Corpus.of(entries, semantic.seed)
        corpus.write(folder / "corpus.safetensors")
        seconds = [len(features.sound) / SAMPLE_RATE for features in corpus.learnt]
        expected = expect(seconds, decoder, semantic, pace_of(workshop, base))
        learnt = keep(workshop, claim, folder / "corpus.safetensors", "features", _TENSORS)
        said = keep(workshop, claim, prompt.path, "recording", "audio/wav", suffix=".wav")
    written = keep(workshop, claim, _as_json(found), "report", "application/json", name=REPORT)
    energy = note_energy(workshop, claim, meter)
    workshop.insist(
        lambda: workshop.ledger.trainings.choose_hours(
            claim, expected.seconds, is_measured=expected.is_measured
        )
    )
    result = {
        "corpus": told(learnt),
        "prompt": {
            **told(said),
            "name": prompt.path.name,
            "transcript": prompt.transcript,
            "language": prompt.language,
        },
        "base": f"{base.manifest.name}@{base.manifest.version}",
        "seconds": found.seconds,
        "expected": asdict(expected),
        "energy": asdict(energy),
    }
    return workshop.insist(
        lambda: workshop.ledger.steps.finish(claim, artefacts=[learnt, said, written], result=result)
    )


def _choose_prompt(heard: Sequence[Heard], folder: Path) -> PreparedPrompt:
    """The recording the voice will speak after: of those that are fit, the one farthest above its noise."""
    fit = [
        (one, one.entry)
        for one in heard
        if one.entry and LEAST_SECONDS <= one.examined.seconds <= MOST_SECONDS
    ]
    reasons = [] if fit else [f"no recording is {LEAST_SECONDS:g} to {MOST_SECONDS:g} s long"]
    for one, entry in sorted(fit, key=lambda pair: -(pair[0].examined.snr_db or 0.0)):
        try:
            return prepare_prompt(
                one.path, transcript=entry.text, language=entry.language, folder=folder / "prompt"
            )
        except VoiceError as error:
            reasons.append(str(error).replace(one.path.name, one.examined.name))
    raise UnfitRecordingsError(
        "recordings: the voice cannot speak after any of them", [*reasons, *_reasons(heard)]
    )


def _reasons(heard: Sequence[Heard]) -> list[str]:
    return [one.examined.reason for one in heard if one.examined.reason]


def _as_json(found: Report) -> bytes:
    return (
        json.dumps({"lines": found.lines, **found.as_json()}, indent=2, ensure_ascii=False) + "\n"
    ).encode()
