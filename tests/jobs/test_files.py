"""Rows of stored files and takes."""

from __future__ import annotations

from dataclasses import replace

from jobs.ledger import Ledger
from jobs.states import StepKind
from tests.jobs import story


def test_takes_are_found_by_their_digests_per_tenant(ledger: Ledger) -> None:
    alice, bob = story.tenant(ledger), story.tenant(ledger, "bob")
    story.submit(ledger, alice)
    story.plan(ledger, [1_200], chunk=1_200)
    chunk = story.claim(ledger, StepKind.SYNTHESIZE)
    story.finish(ledger, chunk)
    digests = [story.digest_of(chunk, index) for index in range(1_200)]
    found = ledger.takes.find(alice, [*digests, "f" * 64])
    assert set(found) == set(digests)
    assert found[digests[7]].first_sample == 7 * 32_000
    assert ledger.takes.find(bob, digests) == {}
    assert ledger.takes.find(alice, []) == {}


def test_take_that_was_forgotten_can_be_made_again(ledger: Ledger) -> None:
    alice, bob = story.tenant(ledger), story.tenant(ledger, "bob")
    story.submit(ledger, alice)
    story.plan(ledger, [2])
    first, second = ledger.steps.claim([StepKind.SYNTHESIZE], owner="worker", lease_seconds=60, most=2)
    story.finish(ledger, first)
    (take,) = story.takes_of(first, "unused")
    ledger.takes.forget(bob, [take.digest])
    assert ledger.takes.find(alice, [take.digest])
    ledger.takes.forget(alice, [take.digest])
    assert ledger.takes.find(alice, [take.digest]) == {}
    anew = story.takes_of(first, "anew")
    ledger.steps.keep(second, artefacts=[story.stored("anew")], takes=anew)
    assert ledger.takes.find(alice, [take.digest])[take.digest].render_key == "anew"


def test_file_that_has_its_row_keeps_it(ledger: Ledger) -> None:
    alice = story.tenant(ledger)
    first = story.submit(ledger, alice, source=story.stored("same", "source", name="first")).job_id
    second = story.submit(ledger, alice, source=story.stored("same", "source", name="second")).job_id
    assert [file.name for file in ledger.jobs.artefacts(alice, first, kinds=["source"])] == ["first"]
    assert ledger.jobs.artefacts(alice, second, kinds=["source"]) == []
    assert ledger.operations.backlog().stored_bytes == 100


def test_take_keeps_what_is_doubtful_about_it(ledger: Ledger) -> None:
    alice = story.tenant(ledger)
    story.submit(ledger, alice)
    story.plan(ledger, [2], chunk=2)
    chunk = story.claim(ledger, StepKind.SYNTHESIZE)
    good, doubtful = story.takes_of(chunk, "render")
    doubtful = replace(doubtful, doubts=("too short\x00 for its text", "falls silent"))
    ledger.steps.keep(chunk, artefacts=[story.stored("render")], takes=[good, doubtful])
    found = ledger.takes.find(alice, [good.digest, doubtful.digest])
    assert found[good.digest].doubts == ()
    assert found[doubtful.digest].doubts == ("too short for its text", "falls silent")
    ledger.steps.keep(chunk, artefacts=[], takes=[replace(doubtful, doubts=())])  # the first one stays
    assert ledger.takes.find(alice, [doubtful.digest])[doubtful.digest].doubts
