from __future__ import annotations

import json
import threading
import time
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, select

from jobs.ledger.keys import LOCAL_TENANT
from jobs.ledger.values import JobView
from jobs.objects import ObjectsUnavailableError
from jobs.states import JobState, StepKind
from jobs.tables import Step, Take
from models_store.manifest import VoiceManifest
from models_store.scripts import thaw
from speech.stub import WEIGHTS_DIGEST, Poison
from tests.worker.conftest import Submit
from worker.drain import Drain
from worker.renders import RenderReader
from worker.workshop import Workshop

ALL = (StepKind.PLAN, StepKind.SYNTHESIZE, StepKind.MASTER, StepKind.BIND)
STORY = """Chapter 1

The lamp of the first house went out. The dog of the first house barked twice.

Chapter 2

The lamp of the second house went out. Nobody in the second house had a dog.
"""


def job_of(workshop: Workshop, job_id: str) -> JobView:
    return workshop.ledger.jobs.get(LOCAL_TENANT, job_id)


def drain(workshop: Workshop, *kinds: StepKind) -> None:
    drained = Drain(workshop, kinds or ALL)
    drained.run()
    drained.close()


def n_takes(workshop: Workshop) -> int:
    with workshop.ledger.database.read() as tx:
        return int(tx.execute(select(func.count()).select_from(Take)).scalar_one())


def place_voice(workshop: Workshop, name: str, **parameters: str | bool | float) -> None:
    manifest = VoiceManifest(
        name=name,
        family="stub",
        weights_digest=WEIGHTS_DIGEST,
        languages="any",
        licence="MIT",
        parameters=parameters,
    )
    folder = workshop.shelf.root / name / manifest.version
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(manifest.to_json())


def test_a_book_is_read_to_its_end(workshop: Workshop, submit: Submit) -> None:
    job_id = submit(STORY, title="Two Houses", formats=("m4b", "wav"))
    drain(workshop)
    job = job_of(workshop, job_id)
    assert job.state == JobState.SUCCEEDED, job.error
    assert job.title == "Two Houses"
    assert job.n_utterances_done == job.n_utterances == 6
    names = {file.name for file in workshop.ledger.jobs.artefacts(LOCAL_TENANT, job_id, kinds=("book",))}
    assert names == {
        "Two Houses.m4b",
        "Two Houses (wav).zip",
        "Two Houses.srt",
        "Two Houses.vtt",
        "manifest.json",
    }


def test_the_zip_holds_a_file_and_subtitles_for_each_chapter(workshop: Workshop, submit: Submit) -> None:
    job_id = submit(STORY, title="Two Houses")
    drain(workshop)
    (file,) = workshop.ledger.jobs.artefacts(LOCAL_TENANT, job_id, name="Two Houses (wav).zip")
    with zipfile.ZipFile(BytesIO(workshop.objects.get(file.key, sha256=file.sha256))) as archive:
        assert archive.namelist() == [
            "01 - Chapter 1.wav",
            "01 - Chapter 1.srt",
            "01 - Chapter 1.vtt",
            "02 - Chapter 2.wav",
            "02 - Chapter 2.srt",
            "02 - Chapter 2.vtt",
        ]
        assert "The dog of the first house barked twice." in archive.read("01 - Chapter 1.vtt").decode()


def test_the_manifest_says_what_was_read_by_which_voice_version(workshop: Workshop, submit: Submit) -> None:
    job_id = submit(STORY, title="Two Houses", authors=("Ann Example",), narrator="Nobody")
    drain(workshop)
    (file,) = workshop.ledger.jobs.artefacts(LOCAL_TENANT, job_id, name="manifest.json")
    manifest = json.loads(workshop.objects.get(file.key))
    assert manifest["ai_generated"] is True
    assert manifest["book"]["authors"] == ["Ann Example"]
    assert manifest["narrator"] == {
        "voice": "stub",
        "version": workshop.shelf.resolve("stub").version,
        "name": "Nobody",
    }
    assert [chapter["utterances"] for chapter in manifest["chapters"]] == [3, 3]
    by_name = {entry.name: entry for entry in workshop.ledger.jobs.artefacts(LOCAL_TENANT, job_id)}
    for chapter in manifest["chapters"]:
        for told in chapter["files"]:
            assert told["sha256"] == by_name[told["name"]].sha256


def test_a_second_edition_speaks_only_what_changed(workshop: Workshop, submit: Submit) -> None:
    submit(STORY)
    drain(workshop)
    before = n_takes(workshop)
    second = submit(STORY.replace("Nobody in the second house", "Everybody in the second house"))
    drain(workshop)
    assert job_of(workshop, second).state == JobState.SUCCEEDED
    assert n_takes(workshop) == before + 1


def test_a_changed_lexicon_speaks_only_what_changed(workshop: Workshop, submit: Submit) -> None:
    def heard_with(*respellings: tuple[str, str]) -> dict[str, str]:
        """The sound each utterance was given: its text -> what names its take."""
        entries = [{"word": word, "language": "en", "respelling": said} for word, said in respellings]
        job_id = submit(STORY, lexicon=tuple(entries))
        drain(workshop, StepKind.PLAN, StepKind.SYNTHESIZE)
        assert job_of(workshop, job_id).n_utterances_done == 6
        chapters = workshop.ledger.jobs.chapters(LOCAL_TENANT, job_id)
        scripts = [thaw(workshop.objects.get(chapter.script_key)) for chapter in chapters]
        return {
            utterance.text: key
            for script in scripts
            for utterance, key in zip(script.utterances, script.keys, strict=True)
        }

    without = heard_with()
    before = n_takes(workshop)
    changed = heard_with(("barked", "barkt"), ("absent", "absend"))
    assert {text for text in changed if changed[text] != without[text]} == {
        "The dog of the first house barked twice."
    }
    assert n_takes(workshop) == before + 1
    assert heard_with(("barked", "barkt")) == changed
    assert n_takes(workshop) == before + 1


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        ({"sampling": {"top_k": 5}}, "sampling.top_k: the voice 'stub' (stub) has no such setting"),
        (
            {"voice": "draft", "lexicon": ({"word": "dog", "language": "en", "phonemes": "D AO1 G"},)},
            "lexicon.0: 'dog': phonemes: a draft voice takes a respelling only",
        ),
        (
            {"voice": "draft", "lexicon": ({"word": "dog", "language": "tlx", "respelling": "dawg"},)},
            "lexicon.0: 'dog': language: the voice 'draft' does not speak 'tlx'",
        ),
    ],
)
def test_an_option_of_no_use_to_the_voice_fails_the_plan(
    workshop: Workshop, submit: Submit, asked: dict[str, Any], place: str
) -> None:
    job_id = submit(STORY, **asked)
    drain(workshop)
    job = job_of(workshop, job_id)
    assert job.error is not None
    assert (job.state, job.error["code"], job.error["message"]) == (JobState.FAILED, "option", place)
    assert job.n_utterances == 0


def doubts_in(workshop: Workshop, job_id: str) -> list[dict[str, Any]]:
    (file,) = workshop.ledger.jobs.artefacts(LOCAL_TENANT, job_id, name="manifest.json")
    doubtful: list[dict[str, Any]] = json.loads(workshop.objects.get(file.key))["doubtful_takes"]
    return doubtful


@pytest.mark.parametrize("careful", [False, True])
def test_doubtful_takes_are_listed_in_the_manifest(workshop: Workshop, submit: Submit, careful: bool) -> None:
    place_voice(workshop, "unsure", poison=True, seconds_per_utterance=0.0)
    text = STORY.replace("barked twice", f"said {Poison.DOUBT}").replace("had a dog", f"said {Poison.DOUBT}")
    listed = [
        {
            "chapter": 1,
            "utterance": 3,
            "text": "The dog of the first house said poison-doubt.",
            "reason": "says 'poison-doubt'",
        },
        {
            "chapter": 2,
            "utterance": 3,
            "text": "Nobody in the second house said poison-doubt.",
            "reason": "says 'poison-doubt'",
        },
    ]
    job_id = submit(text, voice="unsure")
    drain(workshop, StepKind.PLAN)
    if careful:  # an earlier worker vanished with these chunks in hand
        claims = workshop.ledger.steps.claim([StepKind.SYNTHESIZE], owner="gone", lease_seconds=60, most=9)
        assert len(claims) == 2
        workshop.ledger.steps.lapse(owner="gone")
    drain(workshop)
    assert doubts_in(workshop, job_id) == listed
    before = n_takes(workshop)
    again = submit(text, voice="unsure", title="A Second Edition")  # its takes are found, with their doubts
    drain(workshop)
    assert n_takes(workshop) == before
    assert doubts_in(workshop, again) == listed


def test_equal_sentences_are_spoken_once(workshop: Workshop, submit: Submit) -> None:
    job_id = submit("\n\n".join(["The very same sentence stands here again."] * 11))
    drain(workshop)
    assert job_of(workshop, job_id).n_utterances_done == 11
    assert n_takes(workshop) == 1


def test_an_equal_sentence_in_one_chunk_stores_its_render_once(workshop: Workshop, submit: Submit) -> None:
    job_id = submit("\n\n".join(["The very same sentence stands here again."] * 3))
    drain(workshop)
    renders = workshop.ledger.jobs.artefacts(LOCAL_TENANT, job_id, kinds=("render",))
    assert len(renders) == 1


def test_a_lost_chunk_is_let_go(workshop: Workshop, submit: Submit) -> None:
    place_voice(workshop, "slow", seconds_per_utterance=0.2)
    submit("\n\n".join(f"The lamp of house {number} went out." for number in range(4)), voice="slow")
    drain(workshop, StepKind.PLAN)
    drained = threading.Thread(target=drain, args=(workshop, StepKind.SYNTHESIZE))
    drained.start()
    while not workshop.ledger.steps.owners(""):
        time.sleep(0.01)
    workshop.ledger.steps.lapse(owner=workshop.owner)
    (claim,) = workshop.ledger.steps.claim([StepKind.SYNTHESIZE], owner="another", lease_seconds=60)
    drained.join(timeout=60)
    assert not drained.is_alive()
    assert workshop.watch.in_hand() == []
    assert workshop.ledger.steps.renew([claim], lease_seconds=60) == {claim.step_id}


def test_two_voices_with_the_same_weights_are_never_mixed_up(
    workshop: Workshop, submit: Submit, tmp_path: Path
) -> None:
    pytest.importorskip("espeakng_loader")
    jobs = {name: submit(STORY, voice=name, language="en") for name in ("draft", "draft-f1")}
    assert workshop.shelf.resolve("draft").weights_digest == workshop.shelf.resolve("draft-f1").weights_digest
    drain(workshop)
    heard = {}
    for name, job_id in jobs.items():
        chapter = workshop.ledger.jobs.chapters(LOCAL_TENANT, job_id)[0]
        script = thaw(workshop.objects.get(chapter.script_key))
        found = workshop.ledger.takes.find(LOCAL_TENANT, set(script.keys))
        reader = RenderReader(workshop.objects, tmp_path)
        heard[name] = list(reader.read([found[key] for key in script.keys]))
        voice = workshop.shelf.open(workshop.shelf.resolve(name))
        said = list(voice.speak(script.request(index) for index in range(len(script.keys))))
        voice.close()
        for stored, direct in zip(heard[name], said, strict=True):
            np.testing.assert_allclose(stored, direct.samples, atol=2**-23)
    assert any(ours.size != theirs.size for ours, theirs in zip(*heard.values(), strict=True))


def test_a_text_that_cannot_be_spoken_fails_alone_and_is_named(workshop: Workshop, submit: Submit) -> None:
    place_voice(workshop, "picky", poison=True, seconds_per_utterance=0.0)
    job_id = submit(STORY.replace("barked twice", f"said {Poison.REFUSE}"), voice="picky")
    drain(workshop)
    job = job_of(workshop, job_id)
    assert job.state == JobState.FAILED
    assert job.error is not None
    assert job.error["code"] == "unreadable-text"
    assert (job.error["chapter"], job.error["utterance"]) == (1, 2)
    assert n_takes(workshop) == 5
    done = workshop.ledger.jobs.artefacts(LOCAL_TENANT, job_id, kinds=("chapter",))
    assert [file.name for file in done] == ["02 - Chapter 2.wav"]


@pytest.mark.parametrize(
    ("text", "asked", "code", "said"),
    [
        (STORY, {"voice": "nobody"}, "voice", "nobody"),
        (STORY, {"chapters": "7"}, "unreadable-book", "no chapter 7"),
        ("* * *", {}, "unreadable-book", ""),
        (STORY, {"voice": "draft", "language": "tlx"}, "unreadable-text", "does not speak 'tlx'"),
        ("Xq zzkr vvb.", {"voice": "draft"}, "unreadable-text", "give one"),
    ],
)
def test_bad_input_fails_the_job_with_one_clear_line(
    workshop: Workshop, submit: Submit, text: str, asked: dict[str, str], code: str, said: str
) -> None:
    job_id = submit(text, **asked)
    drain(workshop)
    job = job_of(workshop, job_id)
    assert job.state == JobState.FAILED
    assert job.error is not None
    assert job.error["code"] == code
    assert said in job.error["message"]
    assert "\n" not in job.error["message"]


def test_a_retry_after_a_failure_takes_up_what_is_done(workshop: Workshop, submit: Submit) -> None:
    job_id = submit(STORY, voice="later")
    drain(workshop)
    assert job_of(workshop, job_id).state == JobState.FAILED
    place_voice(workshop, "later", seconds_per_utterance=0.0)
    workshop.ledger.jobs.retry(LOCAL_TENANT, job_id)
    drain(workshop)
    assert job_of(workshop, job_id).state == JobState.SUCCEEDED


def test_a_cancelled_job_is_dropped_at_the_next_renewal(workshop: Workshop, submit: Submit) -> None:
    place_voice(workshop, "slow", seconds_per_utterance=0.3)
    job_id = submit(
        "\n\n".join(f"The lamp of house {number} went out." for number in range(60)), voice="slow"
    )
    drained = threading.Thread(target=drain, args=(workshop,))
    drained.start()
    while job_of(workshop, job_id).n_utterances_done == 0:
        time.sleep(0.05)
    workshop.ledger.jobs.cancel(LOCAL_TENANT, job_id)
    drained.join(timeout=60)
    assert not drained.is_alive()
    assert job_of(workshop, job_id).state == JobState.CANCELLED
    assert n_takes(workshop) < 61


def test_a_stop_keeps_the_takes_and_returns_the_chunk(workshop: Workshop, submit: Submit) -> None:
    place_voice(workshop, "slow", seconds_per_utterance=0.3)
    text = "\n\n".join(f"The lamp of house {number} went out." for number in range(8))
    submit(text, voice="slow")
    drain(workshop, StepKind.PLAN)
    drained = threading.Thread(target=drain, args=(workshop, StepKind.SYNTHESIZE))
    drained.start()
    time.sleep(1.0)
    workshop.watch.stop()
    drained.join(timeout=60)
    assert not drained.is_alive()
    assert 0 < n_takes(workshop) < 8
    with workshop.ledger.database.read() as tx:
        states = set(
            tx.execute(select(Step.state).where(Step.kind == StepKind.SYNTHESIZE, Step.epoch > 0)).scalars()
        )
        attempts = set(tx.execute(select(Step.attempt).where(Step.state == "ready")).scalars())
    assert states <= {"ready", "succeeded"}
    assert attempts == {0}


def test_an_object_store_that_is_away_costs_no_attempt(
    workshop: Workshop, submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the one thing replaced is the network: the folder cannot be "away" in any other way
    job_id = submit(STORY)

    def refuse(*_: object, **__: object) -> None:
        raise ObjectsUnavailableError("the store does not answer")

    with monkeypatch.context() as away:
        away.setattr(type(workshop.objects), "fetch", refuse)
        drain(workshop)
    with workshop.ledger.database.read() as tx:
        step = tx.execute(select(Step.state, Step.attempt, Step.not_before)).one()
    assert (step.state, step.attempt) == ("ready", 0)
    assert job_of(workshop, job_id).state == JobState.RUNNING
