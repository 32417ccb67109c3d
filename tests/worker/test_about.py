from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from jobs.ledger.keys import LOCAL_TENANT
from jobs.logs import set_up_logs
from jobs.settings import Settings
from jobs.states import StepKind
from speech.stub import Poison
from tests.worker.conftest import Submit
from tests.worker.test_drain import STORY, drain, place_voice
from worker.workshop import Workshop


@pytest.fixture
def lines(settings: Settings) -> Iterator[io.StringIO]:
    """What the process says, as JSON lines."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    said = io.StringIO()
    set_up_logs(settings.model_copy(update={"log_format": "json"}), said)
    yield said
    root.handlers[:] = handlers
    root.setLevel(level)


def told(lines: io.StringIO, event: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in lines.getvalue().splitlines()]
    return [line for line in found if line["event"].startswith(event)]


def test_each_step_says_when_it_is_done_and_whose_it_was(
    workshop: Workshop, submit: Submit, lines: io.StringIO
) -> None:
    jobs = {submit(STORY), submit(STORY.replace("house", "barn"))}
    drain(workshop)
    done = told(lines, "the step is done")
    assert {(line["job_id"], line["kind"]) for line in done} == {
        (job_id, kind.value)
        for job_id in jobs
        for kind in (StepKind.PLAN, StepKind.SYNTHESIZE, StepKind.MASTER, StepKind.BIND)
    }
    assert len({line["step_id"] for line in done}) == len(done)
    assert all(line["attempt"] == line["epoch"] == 1 for line in done)
    assert {line.get("chapter") for line in done if line["kind"] == "master"} == {1, 2}


def test_a_failure_names_job_and_step_and_no_text_of_the_book(
    workshop: Workshop, submit: Submit, lines: io.StringIO
) -> None:
    place_voice(workshop, "picky", poison=True, seconds_per_utterance=0.0)
    job_id = submit(STORY.replace("barked twice", f"said {Poison.REFUSE}"), voice="picky")
    drain(workshop)
    (line,) = told(lines, "the step is done but for 1 of its utterances")
    assert (line["job_id"], line["kind"], line["chapter"]) == (job_id, "synthesize", 1)
    assert workshop.ledger.jobs.get(LOCAL_TENANT, job_id).error is not None
    assert "lamp" not in lines.getvalue()


def test_lines_outside_a_step_name_none(workshop: Workshop, submit: Submit, lines: io.StringIO) -> None:
    submit(STORY)
    drain(workshop)
    logging.getLogger("worker").warning("nobody's")
    (line,) = told(lines, "nobody's")
    assert "job_id" not in line
