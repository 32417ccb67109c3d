"""Who is let into lanes at work: newcomers, voices over the same weights, no more than there is room for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jobs.ledger.keys import LOCAL_TENANT
from jobs.settings import Settings
from jobs.states import JobState, StepKind
from models_store.manifest import ManifestFile, ManifestPrompt, VoiceManifest
from models_store.scripts import Script, thaw
from speech.gpt_sovits.engine import Engine
from speech.gpt_sovits.orders import Asked
from speech.voice import Take
from tests.speech.gpt_sovits.toys import write_recording
from tests.worker.conftest import Submit
from tests.worker.learning import put_base
from tests.worker.test_drain import drain, job_of
from tests.worker.test_urgent import speak
from worker import urgent
from worker.renders import RenderReader
from worker.workshop import Workshop

BOOK = "He opened the door and looked out into the rain.\n\nIt was late.\n\nNobody said a word to her."
OTHER = "Three men sat by the fire.\n\nThe letter came on a Tuesday, and nobody read it.\n\nYes."
SPEECH = "Somebody is at the door."


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        home=tmp_path, chunk_utterances=4, lease_seconds=5, renew_seconds=1, hang_seconds=30,
        check_voices=False,  # random weights say nothing that is well
    )  # fmt: skip


def place_narrator(
    workshop: Workshop, name: str, base: VoiceManifest, *, seed: int, **parameters: int
) -> VoiceManifest:
    """A zero-shot voice over the base's weights, with a prompt of its own."""
    prompt = write_recording(workshop.shelf.root.parent / name / "prompt.wav", seed=seed)
    manifest = VoiceManifest(
        name=name,
        family=base.family,
        weights_digest=base.weights_digest,
        languages=base.languages,
        licence="MIT",
        files={"prompt.wav": ManifestFile.of(prompt)},
        base=f"{base.name}@{base.version}",
        prompts=(ManifestPrompt(file="prompt.wav", transcript="The house was quiet again.", language="en"),),
        parameters={"device": "cpu", "n_lanes": 4, "threads": 1, **parameters},
    )
    workshop.shelf.install(manifest, {"prompt.wav": prompt})
    workshop.shelf.record_consent(name, "the test agreed")
    return manifest


class Lanes:
    """What goes into the lanes of GPT-SoVITS voices and what comes out, in order; and what happens then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[tuple[str, str]] = []
        """"in" or "out", and the utterance or its take's key; "begin" and "end" where an engine does."""
        self.on_beat: list[Callable[[], object]] = []
        """One is called at each beat of the lanes."""
        self.prompts: list[set[int]] = []
        """Of each time that an engine spoke: the prompts it spoke after."""
        monkeypatch.setattr(urgent, "LOOK_SECONDS", 0.0)
        original = Engine.speak

        def watched(engine: Engine, asked: Iterator[Asked], beat: Callable[[], None]) -> Iterator[Take]:
            self.prompts.append(set())

            def act() -> None:
                beat()
                if self.on_beat:
                    self.on_beat.pop(0)()

            for take in original(engine, map(self._note, asked), act):
                self.seen.append(("out", take.key))
                yield take

        monkeypatch.setattr(Engine, "speak", watched)

    def _note(self, asked: Asked) -> Asked:
        self.seen.append(("in", asked[0].utterance.text))
        self.prompts[-1].add(id(asked[1]))
        return asked


@pytest.fixture
def lanes(monkeypatch: pytest.MonkeyPatch) -> Lanes:
    return Lanes(monkeypatch)


def script_of(workshop: Workshop, job_id: str) -> Script:
    (chapter,) = workshop.ledger.jobs.chapters(LOCAL_TENANT, job_id)
    return thaw(workshop.objects.get(chapter.script_key))


def test_newcomers_are_let_in_as_long_as_a_lane_runs(
    workshop: Workshop, submit: Submit, lanes: Lanes
) -> None:
    """The line ran empty long ago; a speech and then a book come while the last utterance is decoded."""
    place_narrator(workshop, "anna", put_base(workshop, with_posterior=False), seed=1)
    submit("He opened the door and looked out.", voice="anna")
    drain(workshop, StepKind.PLAN)
    come: list[str] = []
    lanes.on_beat = [
        lambda: None,
        lambda: None,
        lambda: come.append(speak(workshop, SPEECH, "anna")),
    ]
    drain(workshop, StepKind.SYNTHESIZE)
    assert [what for what, _ in lanes.seen] == ["in", "in", "out", "out"]
    assert lanes.seen[1] == ("in", SPEECH)
    assert len(lanes.prompts) == 1, "the lanes never ran empty"
    assert job_of(workshop, come[0]).state == JobState.SUCCEEDED


def test_voices_of_one_base_share_the_lanes_and_sound_as_alone(
    workshop: Workshop, submit: Submit, lanes: Lanes, tmp_path: Path
) -> None:
    base = put_base(workshop, with_posterior=False)
    voices = {
        name: place_narrator(workshop, name, base, seed=seed) for seed, name in enumerate(("anna", "bert"))
    }
    jobs = {name: submit(text, voice=name) for name, text in (("anna", BOOK), ("bert", OTHER))}
    drain(workshop, StepKind.PLAN)
    drain(workshop, StepKind.SYNTHESIZE)
    assert [len(prompts) for prompts in lanes.prompts] == [2], "both were spoken in one go"
    firsts = [what for what, _ in lanes.seen[:4]]
    assert firsts == ["in"] * 4
    assert {text in BOOK for _, text in lanes.seen[:4]} == {True, False}, "and side by side"
    for name, job_id in jobs.items():
        script = script_of(workshop, job_id)
        found = workshop.ledger.takes.find(LOCAL_TENANT, set(script.keys))
        stored = list(RenderReader(workshop.objects, tmp_path).read([found[key] for key in script.keys]))
        voice = workshop.shelf.open(voices[name])
        for index, sound in enumerate(stored):
            (take,) = voice.speak(iter([script.request(index)]))
            np.testing.assert_allclose(sound, take.samples, atol=2**-23)
        voice.close()


def test_a_voice_opened_otherwise_waits_for_lanes_of_its_own(
    workshop: Workshop, submit: Submit, lanes: Lanes
) -> None:
    base = put_base(workshop, with_posterior=False)
    place_narrator(workshop, "anna", base, seed=0)
    place_narrator(workshop, "bert", base, seed=1, n_lanes=2)
    jobs = [submit(text, voice=name) for name, text in (("anna", BOOK), ("bert", OTHER))]
    drain(workshop, StepKind.PLAN)
    drain(workshop, StepKind.SYNTHESIZE)
    assert [len(prompts) for prompts in lanes.prompts] == [1, 1]
    for job_id in jobs:
        job = job_of(workshop, job_id)
        assert job.n_utterances_done == job.n_utterances == 3


def test_a_voice_that_may_not_speak_fails_alone(workshop: Workshop, submit: Submit, lanes: Lanes) -> None:
    base = put_base(workshop, with_posterior=False)
    for seed, name in enumerate(("anna", "bert")):
        place_narrator(workshop, name, base, seed=seed)
    anna, bert = (submit(text, voice=name) for name, text in (("anna", BOOK), ("bert", OTHER)))
    drain(workshop, StepKind.PLAN)
    (workshop.shelf.root / "bert" / "consent.json").unlink()
    drain(workshop, StepKind.SYNTHESIZE)
    assert job_of(workshop, anna).n_utterances_done == 3
    failed = job_of(workshop, bert)
    assert failed.state == JobState.FAILED
    assert failed.error is not None
    assert "consent" in failed.error["message"]


@pytest.mark.parametrize(("lane_slots", "n_together"), [(450, 2), (60, 1)])
def test_lanes_are_filled_up_to_the_budget(
    workshop: Workshop, submit: Submit, lanes: Lanes, lane_slots: int | None, n_together: int
) -> None:
    """They are expected to fill 223, 138 and 170 slots, prompts included; who exceeds all goes alone."""
    place_narrator(workshop, "anna", put_base(workshop, with_posterior=False), seed=1)
    job_id = submit(BOOK, voice="anna")
    narrow = replace(workshop, settings=workshop.settings.model_copy(update={"lane_slots": lane_slots}))
    drain(narrow, StepKind.PLAN)
    drain(narrow, StepKind.SYNTHESIZE)
    n_in_lanes = most = 0
    for what, _ in lanes.seen:
        n_in_lanes += 1 if what == "in" else -1
        most = max(most, n_in_lanes)
    assert most == n_together
    assert job_of(workshop, job_id).n_utterances_done == 3
