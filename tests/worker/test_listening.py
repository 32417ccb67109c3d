"""Recordings of which nobody says what is said in them, and a prepare step that is laid down."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from jobs.ledger.keys import LOCAL_TENANT
from jobs.settings import Settings
from jobs.states import JobState, StepKind
from speech.gpt_sovits.files import RECOGNISER
from speech.training.corpus import Corpus
from speech.training.features import FeatureMaker
from speech.training.slicing import LONGEST_SECONDS, SHORTEST_SECONDS
from speech.units import SAMPLE_RATE
from tests.speech.training.spoken import Sound, speech
from tests.speech.whispering import SENTENCE, write_recogniser
from tests.worker.learning import drain, put_base, recordings, sent, submit
from worker.giving_way import GivingWay
from worker.workshop import Workshop


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"lease_seconds": 60, "renew_seconds": 15, "hang_seconds": 300})


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of the recordings that were heard, and not read from the disk."""
    names: list[str] = []
    hear = FeatureMaker._hear

    def note(maker: FeatureMaker, lanes: list) -> list:  # type: ignore[type-arg]
        names.extend(lane.name for lane in lanes)
        return hear(maker, lanes)

    monkeypatch.setattr(FeatureMaker, "_hear", note)
    return names


def prepared(workshop: Workshop, job_id: str, folder: Path) -> tuple[dict, Corpus]:  # type: ignore[type-arg]
    told = workshop.ledger.jobs.results(job_id, StepKind.PREPARE)[0]
    path = folder / "corpus"
    workshop.objects.fetch(told["corpus"]["key"], path, sha256=told["corpus"]["sha256"])
    (report,) = [
        one for one in workshop.ledger.jobs.artefacts(LOCAL_TENANT, job_id) if one.name == "report.json"
    ]
    return json.loads(workshop.objects.get(report.key, sha256=report.sha256)), Corpus.read(path)


def long_recording() -> Sound:
    """Five stretches of speech, four of them of five seconds and one of one, with silences between."""
    silence = np.zeros(round(0.8 * SAMPLE_RATE), np.float32)
    parts: list[Sound] = []
    for seed, seconds in enumerate((5.0, 5.0, 5.0, 5.0, 1.0)):
        parts += [speech(seconds, seed=seed), silence]
    return np.concatenate(parts)


def test_a_long_recording_is_cut_and_written_down(workshop: Workshop, tmp_path: Path) -> None:
    put_base(workshop)
    write_recogniser(workshop.shelf.backbone(RECOGNISER))
    sounds = {"long.wav": long_recording(), "short.wav": speech(3.3, seed=9)}
    job_id = submit(workshop, sent(workshop, tmp_path, sounds), {})
    drain(workshop, StepKind.PREPARE)
    report, corpus = prepared(workshop, job_id, tmp_path)
    names = [entry.features.name for entry in corpus.entries]
    assert names[-1] == "short.wav"
    assert len(names) == 5
    assert all(name.startswith("long.wav ") for name in names[:-1])
    for entry in corpus.entries:
        seconds = len(entry.features.sound) / SAMPLE_RATE
        assert SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS
        assert (entry.text, entry.language) == (SENTENCE, "en")
    assert [one["recognised"] for one in report["kept"]] == [SENTENCE] * 5
    (dropped,) = report["dropped"]
    assert "too short" in dropped["reason"]
    told = workshop.ledger.jobs.results(job_id, StepKind.PREPARE)[0]
    assert told["prompt"]["transcript"] == SENTENCE


def test_what_is_said_to_be_said_is_not_written_down(workshop: Workshop, tmp_path: Path) -> None:
    put_base(workshop)
    write_recogniser(workshop.shelf.backbone(RECOGNISER))
    sounds, texts = recordings(2)
    said = {"0.wav": texts["0.wav"]}
    job_id = submit(workshop, sent(workshop, tmp_path, sounds), said)
    drain(workshop, StepKind.PREPARE)
    _, corpus = prepared(workshop, job_id, tmp_path)
    assert [entry.text for entry in corpus.entries] == [texts["0.wav"], SENTENCE]


@pytest.mark.parametrize(
    ("says", "language", "line"),
    [
        (None, "en", "x.wav: no transcript: nobody says what is said in it, and there is no recogniser: "),
        (" … 12 …", "en", "x.wav: no transcript: the recogniser hears nothing said in it: '… 12 …'"),
        ("Yes.", "en", "x.wav: transcript: "),
        (SENTENCE, "ja", "x.wav: language: 'ja' is none of en, zh, which the base knows"),
        (SENTENCE, "yue", "x.wav: language: the recogniser has not learnt 'yue'"),
    ],
)
def test_what_cannot_be_written_down_is_dropped_in_one_line(
    workshop: Workshop, tmp_path: Path, says: str | None, language: str, line: str
) -> None:
    put_base(workshop, languages=("en", "yue", "zh") if language == "yue" else ("en", "zh"))
    if says is not None:
        write_recogniser(workshop.shelf.backbone(RECOGNISER), says)
    sources = sent(workshop, tmp_path, {"x.wav": speech(3.4)})
    job_id = submit(workshop, sources, {}, languages={"x.wav": language})
    drain(workshop, StepKind.PREPARE)
    job = workshop.ledger.jobs.get(LOCAL_TENANT, job_id)
    assert job.state == JobState.FAILED
    assert job.error is not None
    (other,) = job.error["others"]
    assert other["message"].startswith(line)
    assert "\n" not in other["message"]


def test_laid_down_it_goes_on_where_it_was(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: list[str]
) -> None:
    put_base(workshop)
    sounds, texts = recordings(3)
    sources = sent(workshop, tmp_path, sounds)
    undisturbed = submit(workshop, sources, texts, when="off-peak", windows=["00:00-00:01 UTC"])
    drain(workshop, StepKind.PREPARE)
    _, expected = prepared(workshop, undisturbed, tmp_path)
    assert made == ["0.wav", "1.wav", "2.wav"]
    made.clear()

    asked = iter(["a synthesize step goes before it", None, "the worker stops"])
    monkeypatch.setattr(GivingWay, "reason", lambda _self, _longest=0.0: next(asked, None))
    texts["2.wav"] = "One of them has another text, so that its features are made."
    job_id = submit(workshop, sources, texts, when="off-peak", windows=["00:00-00:01 UTC"])
    drain(workshop, StepKind.PREPARE)
    events = workshop.ledger.jobs.events(LOCAL_TENANT, job_id)
    reasons = [event.detail.get("reason") for event in events if event.detail.get("reason")]
    assert reasons == ["a synthesize step goes before it", "the worker stops"]
    leased = [event.detail["attempt"] for event in events if event.kind == "step.leased"]
    assert leased == [1, 1, 1], "at once, also outside the window, and no attempt is counted"
    assert made == ["2.wav"], "what was made before is not made again"
    _, corpus = prepared(workshop, job_id, tmp_path)
    for one, other in zip(corpus.entries, expected.entries, strict=True):
        assert one.sha256 == other.sha256
        assert (one.features.sound == other.features.sound).all()
        assert (one.features.tokens == other.features.tokens).all()


def test_how_well_a_voice_is_understood_is_told(workshop: Workshop, tmp_path: Path) -> None:
    put_base(workshop)
    write_recogniser(workshop.shelf.backbone(RECOGNISER))
    texts = {f"{i}.wav": SENTENCE for i in range(2)}
    sounds = {name: speech(3.3, seed=i) for i, name in enumerate(texts)}
    texts["0.wav"] = SENTENCE.replace("nobody", "somebody")  # one word of eleven
    options = {"adapter_rank": 2, "least_per_epoch": 1, "semantic_epochs": 1, "semantic_passes": 1}
    job_id = submit(workshop, sent(workshop, tmp_path, sounds), texts, options=options)
    drain(workshop)
    job = workshop.ledger.jobs.get(LOCAL_TENANT, job_id)
    assert (job.state, job.error) == (JobState.SUCCEEDED, None)
    lineage = workshop.shelf.resolve("anna").training
    assert lineage is not None
    assert (
        lineage.evaluation["misheard"]
        == lineage.evaluation_of_base["misheard"]
        == pytest.approx(1 / 11, 1e-3)
    )
    assert lineage.evaluation["misheard_of_speaker"] == pytest.approx(1 / 11, 1e-3)
    kept = {one.name: one for one in workshop.ledger.jobs.artefacts(LOCAL_TENANT, job_id)}
    told = json.loads(workshop.objects.get(kept["evaluation.json"].key))
    assert told["recogniser"] == "of unknown origin"
    assert told["recordings"][0]["voice"]["misheard"] == pytest.approx(1 / 11)
