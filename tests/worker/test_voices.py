"""Which voice a worker fetches ahead, and that each is loaded once however it came."""

from __future__ import annotations

from jobs.ledger.keys import LOCAL_TENANT
from jobs.states import JobState, StepKind
from models_store.manifest import VoiceManifest
from tests.worker.conftest import Submit
from worker.drain import Drain
from worker.voices import next_voice
from worker.workshop import Workshop

KINDS = (StepKind.PLAN, StepKind.SYNTHESIZE)
CHUNKS = (StepKind.SYNTHESIZE,)


def place_voice(workshop: Workshop, name: str, weights_digest: str) -> VoiceManifest:
    manifest = VoiceManifest(
        name=name, family="stub", weights_digest=weights_digest, languages="any", licence="MIT"
    )
    folder = workshop.shelf.root / name / manifest.version
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(manifest.to_json())
    return manifest


def plan(workshop: Workshop) -> None:
    planned = Drain(workshop, (StepKind.PLAN,))
    planned.run()
    planned.close()


def test_next_voice_is_that_of_the_next_claim(workshop: Workshop, submit: Submit) -> None:
    ada = place_voice(workshop, "ada", "1" * 64)
    bert = place_voice(workshop, "bert", "2" * 64)
    assert next_voice(workshop, CHUNKS, None) is None
    for manifest in (ada, bert):
        submit("One sentence. And another one.", voice=manifest.name)
    plan(workshop)
    found = next_voice(workshop, CHUNKS, None)
    assert found is not None
    assert found[1] == ada
    assert next_voice(workshop, CHUNKS, ada.weights_digest) is not None, "it speaks, but is not in the cache"
    with workshop.voices.use(workshop.shelf, bert):
        assert next_voice(workshop, CHUNKS, None) is None, "bert is at hand, and goes first"
    claims = workshop.ledger.steps.claim(
        CHUNKS, owner="another", lease_seconds=60, weights=ada.weights_digest
    )
    assert [claim.weights_digest for claim in claims] == [ada.weights_digest]
    workshop.ledger.steps.release(claims[0], reason="the test is over")


def test_books_of_two_voices_load_each_once(workshop: Workshop, submit: Submit) -> None:
    for name, digest in (("ada", "1"), ("bert", "2")):
        place_voice(workshop, name, digest * 64)
    jobs = [submit("One sentence. And another one.", voice=name) for name in ("ada", "bert", "ada")]
    drained = Drain(workshop, KINDS)
    drained.run()
    for job_id in jobs:
        job = workshop.ledger.jobs.get(LOCAL_TENANT, job_id)
        assert job.state == JobState.RUNNING
        assert job.n_utterances_done == job.n_utterances > 0
    drained.close()
    assert sorted(workshop.voices.resident()) == ["1" * 64, "2" * 64]
    assert (workshop.voices.figures.n_loads, workshop.voices.figures.n_failures) == (2, 0)
