"""A training through the ledger: recordings in, a version on the shelf out, whatever stops it on the way."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from sqlalchemy import update

from jobs.ledger.keys import LOCAL_TENANT
from jobs.ledger.values import ArtefactView
from jobs.settings import Settings
from jobs.states import JobState, StepKind
from jobs.tables import Step
from models_store.manifest import VoiceManifest
from models_store.upstream.contents import GPT, SOVITS
from models_store.upstream.export import export
from models_store.upstream.merging import whole_weights
from speech.gpt_sovits.adapters import read_adapters, wear
from speech.gpt_sovits.files import ADAPTERS, DECODER, SEMANTIC
from speech.gpt_sovits.weights import load_semantic, read_weights
from speech.networks.semantic import Prefix
from speech.text.utterance import Span, Utterance
from speech.training.expect import START_SECONDS
from speech.voice import Request
from tests.models_store.upstream.test_round_trip import assert_same_file, packed
from tests.speech.training.spoken import speech
from tests.worker.conftest import hastened
from tests.worker.learning import TEXTS, drain, put_base, recordings, sent, submit
from tests.worker.spoiling import JAPANESE, REFUSED, spoilt
from worker.workshop import Workshop

A_LOOK = 10.0
"""The hasty watch's clock moves on so many seconds whenever somebody looks at it."""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"lease_seconds": 60, "renew_seconds": 15, "hang_seconds": 300})


def artefacts(workshop: Workshop, job_id: str) -> dict[str, ArtefactView]:
    return {one.name: one for one in workshop.ledger.jobs.artefacts(LOCAL_TENANT, job_id)}


def read(workshop: Workshop, artefact: ArtefactView) -> bytes:
    return workshop.objects.get(artefact.key, sha256=artefact.sha256)


def goes_round(workshop: Workshop, manifest: VoiceManifest, folder: Path) -> Path:
    """Where the voice's weights are that went out into upstream's files and came in again, unchanged."""
    back = folder / "back"
    back.mkdir()
    with whole_weights(workshop.shelf.source(manifest)) as weights:
        export(weights, folder / "a.ckpt", folder / "a.pth")
        for name, part, file in ((SEMANTIC, GPT, "a.ckpt"), (DECODER, SOVITS, "a.pth")):
            (back / name).write_bytes(packed(folder / file, part))
            (went, of_went), (came, of_came) = (read_weights(each / name) for each in (weights, back))
            assert came.keys() == went.keys()
            assert all(came[key].dtype == went[key].dtype for key in came)
            assert all(torch.equal(came[key], went[key]) for key in came)
            assert (of_came["config"], of_came["info"]) == (of_went["config"], of_went["info"])
    export(back, folder / "b.ckpt", folder / "b.pth")
    assert_same_file(folder / "a.ckpt", folder / "b.ckpt")
    assert_same_file(folder / "a.pth", folder / "b.pth")
    return back


def test_recordings_become_a_version_that_speaks(workshop: Workshop, tmp_path: Path) -> None:
    base = put_base(workshop)
    sounds, texts = recordings()
    job_id = submit(workshop, sent(workshop, tmp_path, sounds), texts)
    drain(workshop)
    job = workshop.ledger.jobs.get(LOCAL_TENANT, job_id)
    assert (job.state, job.error) == (JobState.SUCCEEDED, None)
    manifest = workshop.shelf.resolve("anna")
    lineage = manifest.training
    assert lineage is not None
    assert lineage.base == f"{base.name}@{base.version}"
    assert len(lineage.recordings) == 5
    assert sum(one.is_held_out for one in lineage.recordings) == 1
    assert lineage.energy_kwh > 0
    assert lineage.options["decoder_epochs"] == 2
    assert set(lineage.evaluation) >= {"rate", "spectral_db", "similarity"}
    assert set(manifest.files) == {DECODER, SEMANTIC, manifest.prompts[0].file}
    assert manifest.weights_digest != base.weights_digest
    kept = artefacts(workshop, job_id)
    names = {"report.json", "evaluation.json", "preview.wav", "losses.jsonl", "losses.png", "evaluation.png"}
    assert set(kept) == names | {DECODER, SEMANTIC}
    assert read(workshop, kept["losses.png"]).startswith(b"\x89PNG")
    told = json.loads(read(workshop, kept["report.json"]))
    assert told["n_kept"] == 5
    assert json.loads(read(workshop, kept["evaluation.json"]))["is_held_out"] is True
    assert job.energy is not None
    assert job.energy.kwh >= lineage.energy_kwh
    voice = workshop.shelf.open(manifest)
    (take,) = voice.speak(iter([Request("k", Utterance((Span("The house was quiet.", "en"),)))]))
    voice.close()
    assert np.isfinite(take.samples).all()
    assert take.samples.size > 3_200
    assert not list(workshop.objects.list(f"t/{LOCAL_TENANT}/jobs/{job_id}/checkpoint"))
    told = workshop.ledger.jobs.results(job_id, StepKind.TRAIN)[0]["pace"]
    assert (told["device"], told["weights_digest"]) == ("cpu", base.weights_digest)
    assert min(told["decoder_seconds"], told["semantic_seconds"], told["watts"]) > 0
    again = submit(workshop, sent(workshop, tmp_path, sounds), texts, when="off-peak")
    drain(workshop, StepKind.PREPARE)
    foretold = workshop.ledger.jobs.results(again, StepKind.PREPARE)[0]["expected"]
    assert foretold["is_measured"]
    updates = foretold["n_decoder_updates"] * 2 * told["decoder_seconds"]
    assert START_SECONDS + updates < foretold["seconds"] < 15.0 * foretold["n_decoder_updates"]
    hours = workshop.ledger.jobs.get(LOCAL_TENANT, again).hours
    assert hours is not None
    assert (hours.needed_seconds, hours.is_measured) == (foretold["seconds"], True)
    back = goes_round(workshop, manifest, tmp_path)
    own = workshop.shelf.source(manifest).folder
    assert own is not None
    assert torch.equal(*(read_weights(each / DECODER)[0]["dec.conv_pre.weight"] for each in (own, back)))


def test_bad_recordings_are_refused_in_one_line_each(workshop: Workshop, tmp_path: Path) -> None:
    put_base(workshop)
    sounds, texts = spoilt(speech(3.2, seed=9))
    sounds["again.wav"] = sounds["hiss.wav"]
    job_id = submit(workshop, sent(workshop, tmp_path, sounds), texts, languages={JAPANESE: "ja"})
    drain(workshop)
    job = workshop.ledger.jobs.get(LOCAL_TENANT, job_id)
    assert job.state == JobState.FAILED
    assert job.error is not None
    assert job.error["code"] == "training"
    assert job.error["message"] == "recordings: none of them can be learnt from"
    lines = {other["message"].partition(":")[0]: other["message"] for other in job.error["others"]}
    refused = {**REFUSED, "again.wav": "twice: the same file as hiss.wav"}
    assert lines.keys() == refused.keys()
    for name, line in lines.items():
        assert line.startswith(f"{name}: {refused[name]}"), line
        assert "\n" not in line
        assert len(line) < 200


def test_a_worker_that_could_not_draw_the_plots_says_so_at_once(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_base(workshop)
    sounds, texts = recordings(1)
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # as if it were not installed
    job_id = submit(workshop, sent(workshop, tmp_path, sounds), texts)
    drain(workshop)
    error = workshop.ledger.jobs.get(LOCAL_TENANT, job_id).error
    assert error is not None
    assert error["message"] == "a training needs matplotlib on its worker: pip install 'lectorium[neural]'"


def test_a_list_says_what_is_said_and_is_checked(workshop: Workshop, tmp_path: Path) -> None:
    put_base(workshop)
    sounds, texts = recordings(4)
    rows = [f"D:\\\\anna\\\\{name}|anna|EN|{text}" for name, text in texts.items()]
    sources = sent(workshop, tmp_path, {**sounds, "bad.list": "\n".join([*rows, "x.wav|a|EN|Yes."]).encode()})
    for listed, fault in (
        (sources[4], "list: line 5: x.wav is not among the recordings"),
        (sources[0], "list: is not UTF-8"),
    ):
        job_id = submit(workshop, sources[:4], {}, listed=listed)
        drain(workshop)
        job = workshop.ledger.jobs.get(LOCAL_TENANT, job_id)
        assert job.error is not None
        assert job.error["message"].startswith(fault)
    (good,) = sent(workshop, tmp_path, {"good.list": "\n".join(rows).encode()})
    job_id = submit(workshop, sources[:4], {}, listed=good)
    drain(workshop, StepKind.PREPARE)
    told = workshop.ledger.jobs.results(job_id, StepKind.PREPARE)[0]
    assert told["prompt"]["transcript"] in texts.values()
    assert told["expected"]["n_decoder_updates"] == told["expected"]["n_semantic_updates"] == 2 * 2


@pytest.fixture
def hasty(workshop: Workshop) -> Iterator[Workshop]:
    with hastened(workshop, A_LOOK) as fast:
        yield fast


def test_a_window_that_closes_changes_no_weight(hasty: Workshop, tmp_path: Path) -> None:
    put_base(hasty)
    sounds, texts = recordings(4)
    sources = sent(hasty, tmp_path, sounds)
    learnt = []
    for looks in (None, 5):  # undisturbed, and closed after so many looks at the clock
        soon = datetime.now(UTC) + timedelta(minutes=29)  # too soon to choose among the hours
        job_id = submit(hasty, sources, texts, when="off-peak", windows=["00:00-24:00 UTC"], deadline=soon)
        drain(hasty, StepKind.PREPARE)
        if looks:
            with hasty.ledger.database.write() as tx:
                closing = hasty.ledger.database.clock.now() + looks * A_LOOK
                tx.execute(update(Step).where(Step.kind == StepKind.TRAIN).values(closes_at=closing))
            drain(hasty, StepKind.TRAIN)
            assert hasty.ledger.jobs.results(job_id, StepKind.TRAIN) == {}  # it waits for the next opening
        with hasty.ledger.database.write() as tx:
            waits = (Step.kind == StepKind.TRAIN) & (Step.job_id == job_id)
            tx.execute(update(Step).where(waits).values(not_before=0.0, closes_at=None))
        drain(hasty, StepKind.TRAIN)
        told = hasty.ledger.jobs.results(job_id, StepKind.TRAIN)[0]
        learnt.append({name: where["sha256"] for name, where in told["voice"].items()})
        events = hasty.ledger.jobs.events(LOCAL_TENANT, job_id)
        closed = [event for event in events if event.detail.get("reason") == "the window closes"]
        assert len(closed) == (1 if looks else 0)
        assert max(event.detail["attempt"] for event in events if event.kind == "step.leased") == 1
    assert learnt[0] == learnt[1]
    assert set(learnt[0]) == {DECODER, SEMANTIC}


def test_publishing_is_laid_down_between_two_utterances_and_goes_on_there(
    hasty: Workshop, tmp_path: Path
) -> None:
    put_base(hasty)
    sounds, texts = recordings(2)
    options = {"adapter_rank": 2, "least_per_epoch": 1, "semantic_epochs": 1, "semantic_passes": 1}
    job_id = submit(hasty, sent(hasty, tmp_path, sounds), texts, options=options)
    drain(hasty, StepKind.PREPARE, StepKind.TRAIN)
    said = []
    for looks in (2.5, 2.5, None):  # the window closes after so many looks at the clock
        with hasty.ledger.database.write() as tx:
            closing = hasty.ledger.database.clock.now() + looks * A_LOOK if looks else None
            publish = Step.kind == StepKind.PUBLISH
            tx.execute(update(Step).where(publish).values(not_before=0.0, closes_at=closing))
        drain(hasty, StepKind.PUBLISH)
        kept = list((hasty.settings.home / "features").rglob(f"{job_id}-*.safetensors"))
        said.append(len(load_file(kept[0])) if kept else 0)
    assert said[0] < said[1]  # it goes on where it was
    assert said[2] == 0
    job = hasty.ledger.jobs.get(LOCAL_TENANT, job_id)
    assert (job.state, job.error) == (JobState.SUCCEEDED, None)
    reasons = [event.detail.get("reason") for event in hasty.ledger.jobs.events(LOCAL_TENANT, job_id)]
    assert reasons.count("the window closes") == 2


def test_adapters_become_a_small_version_on_its_base(workshop: Workshop, tmp_path: Path) -> None:
    base = put_base(workshop)
    sounds, texts = recordings(3)
    sounds["0.wav"] = speech(30.0, seed=20)  # the first, by which it is judged, is more than one utterance
    texts["0.wav"] = " ".join(TEXTS * 4)
    options = {"adapter_rank": 2, "least_per_epoch": 1, "semantic_epochs": 2, "semantic_passes": 1}
    options |= {"semantic_rate": 0.1}  # so that few updates are heard
    job_id = submit(workshop, sent(workshop, tmp_path, sounds), texts, options=options)
    drain(workshop)
    job = workshop.ledger.jobs.get(LOCAL_TENANT, job_id)
    assert (job.state, job.error) == (JobState.SUCCEEDED, None)
    manifest = workshop.shelf.resolve("anna")
    assert manifest.base == f"base@{base.version}"
    assert set(manifest.files) == {ADAPTERS, manifest.prompts[0].file}
    source = workshop.shelf.source(manifest)
    assert source.weights is not None
    merged = load_semantic(goes_round(workshop, manifest, tmp_path), torch.device("cpu"))
    alone = load_semantic(source.weights, torch.device("cpu"))
    worn = wear(alone, read_adapters(source.folder))
    prefix = Prefix.of([torch.arange(9)], [torch.zeros(9, alone.config.linguistic_width)], [torch.arange(5)])
    with torch.inference_mode():
        said, by_adapters, by_base = (model(prefix) for model in (merged, worn, alone))
    torch.testing.assert_close(said, by_adapters, rtol=0, atol=5e-3)  # rounded to half precision
    assert not torch.allclose(by_base, by_adapters, rtol=0, atol=0.1)
    kept = artefacts(workshop, job_id)
    assert json.loads(read(workshop, kept["evaluation.json"]))["recordings"] == []
    assert set(kept) >= {"preview.wav", "losses.png"}
    assert "evaluation.png" not in kept
    (refused,) = sent(workshop, tmp_path, {"x.wav": sounds["0.wav"]})
    job_id = submit(workshop, (refused,), {"x.wav": texts["0.wav"]}, base="anna", name="bert")
    drain(workshop, StepKind.PREPARE)
    error = workshop.ledger.jobs.get(LOCAL_TENANT, job_id).error
    assert error is not None
    assert error["message"] == f"base: 'anna' is adapters on base@{base.version}; train from that"
    put_base(workshop, "bare", with_posterior=False)
    job_id = submit(workshop, (refused,), {"x.wav": texts["0.wav"]}, base="bare")
    drain(workshop, StepKind.PREPARE)
    error = workshop.ledger.jobs.get(LOCAL_TENANT, job_id).error
    assert error is not None
    assert error["message"].startswith(
        "base: 'bare' lacks the posterior (enc_q.*) that a decoder learns with"
    )
