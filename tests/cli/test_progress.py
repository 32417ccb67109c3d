from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cli.console import clock, count, size
from cli.job import error_lines
from cli.main import run
from cli.progress import figures, phase
from jobs.ledger import Ledger
from jobs.ledger.pull_values import PullProgress
from jobs.ledger.values import ChapterView, JobView
from jobs.migrate import upgrade
from jobs.settings import Settings
from jobs.states import JobKind, JobState, StepKind
from jobs.voice_specs import ExportSpec, Offer, PullSpec


def view(**fields: Any) -> JobView:
    return JobView(
        **{
            "id": "JOB",
            "tenant_id": "T",
            "kind": JobKind.NARRATION,
            "state": JobState.RUNNING,
            "spec": {},
            "title": "A Title",
            "priority": 5,
            "version": 1,
            "n_characters": 0,
            "n_utterances": 400,
            "n_utterances_done": 120,
            "audio_seconds": 600.0,
            "error": None,
            "created_at": 0.0,
            "started_at": 0.0,
            "ended_at": None,
            "eta_seconds": 42.0,
            **fields,
        }
    )


def test_figures_tell_utterances_chapters_pace_and_what_is_left() -> None:
    told = figures(view(), 3, 12, 81.4)
    assert told == "120 of 400 utterances · 3 of 12 chapters · 81× real time · 0:42 left"


def test_figures_leave_out_what_nobody_knows_yet() -> None:
    assert figures(view(eta_seconds=None), 0, 1, None) == "120 of 400 utterances · 0 of 1 chapter"


def test_figures_of_a_pull_tell_bytes_and_what_it_does() -> None:
    progress = PullProgress(120_000_000, 1_100_000_000, "converting GPT-SoVITS v2")
    told = figures(view(kind=JobKind.PULL, pull=progress), 0, 0, None)
    assert told == "120.0 MB of 1.1 GB · converting GPT-SoVITS v2"
    assert figures(view(kind=JobKind.PULL), 0, 0, None) == ""


@pytest.mark.parametrize(
    ("fields", "done", "expected"),
    [
        ({"state": JobState.QUEUED, "n_utterances": 0}, 0, "queued"),
        ({"n_utterances": 0}, 0, "planning"),
        ({}, 0, "reading"),
        ({"n_utterances_done": 400}, 1, "mastering"),
        ({"n_utterances_done": 400}, 2, "binding"),
        ({"state": JobState.SUCCEEDED}, 2, "succeeded"),
        ({"kind": JobKind.EXPORT, "n_utterances": 0}, 0, "exporting"),
        ({"kind": JobKind.PULL, "n_utterances": 0}, 0, "pulling"),
    ],
)
def test_the_phase_follows_the_job(fields: dict[str, Any], done: int, expected: str) -> None:
    assert phase(view(**fields), done, 2) == expected


def chapter(index: int, title: str) -> ChapterView:
    return ChapterView(index, title, 10, 5, 0, 0.0, "key", "0" * 64)


def test_each_error_is_one_line_with_its_chapter_and_place() -> None:
    errors = [
        {"code": "bad-take", "message": "too\nquiet", "chapter": 2, "utterance": 4},
        {"code": "mastering", "message": "chapter 1 (One): too loud", "chapter": 1},
        {"code": "unreadable-book", "message": "no text"},
    ]
    job = view(error={**errors[0], "errors": errors})
    assert error_lines(job, [chapter(1, "One"), chapter(2, "Two")]) == [
        "chapter 2 (Two), utterance 5: too quiet",
        "chapter 1 (One): too loud",
        "no text",
    ]


def test_what_else_is_wrong_in_one_place_has_lines_of_its_own() -> None:
    others = [{"code": "recording", "message": f"{name}.wav: too short"} for name in ("one", "two")]
    error = {"code": "training", "message": "recordings: none of them can be learnt from", "others": others}
    assert error_lines(view(error={**error, "errors": [error]}), []) == [
        "recordings: none of them can be learnt from",
        "one.wav: too short",
        "two.wav: too short",
    ]


def test_hundreds_of_errors_are_counted_after_the_first_ones() -> None:
    errors = [{"code": "x", "message": f"fault {n}"} for n in range(50)]
    lines = error_lines(view(error={**errors[0], "errors": errors}), [], most=3)
    assert lines == ["fault 0", "fault 1", "fault 2", "and 47 errors more: lectorium job show JOB --json"]


def test_times_sizes_and_counts_read_well() -> None:
    assert [clock(seconds) for seconds in (7.4, 754, 11_109)] == ["0:07", "12:34", "3:05:09"]
    assert [size(n) for n in (813, 4_200, 1_300_000_000)] == ["813 B", "4.2 kB", "1.3 GB"]
    assert [count(n, "chapter") for n in (1, 1200)] == ["1 chapter", "1,200 chapters"]


def test_exports_and_pulls_are_shown_as_what_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LECTORIUM_HOME", str(tmp_path))
    settings = Settings(home=tmp_path)
    upgrade(settings.ledger_url)
    offer = Offer(name="gpt-sovits-v2", title="GPT-SoVITS v2", licence="MIT")
    wanted = PullSpec(names=("gpt-sovits-v2",), repository="somebody/something", offers=(offer,))
    with Ledger(settings) as ledger:
        tenant = ledger.keys.local().tenant_id
        for kind, spec in ((JobKind.PULL, wanted), (JobKind.EXPORT, ExportSpec(voice="anna@0123456789ab"))):
            job_id = ledger.jobs.submit(tenant, kind, spec.model_dump(mode="json"), title="it").job_id
            if kind is JobKind.PULL:
                (claim,) = ledger.steps.claim([StepKind.PULL], owner="hands", lease_seconds=60)
                ledger.pulls.note_progress(claim, PullProgress(5_000_000, 10_000_000, "fetching"))
            assert run(["job", "show", job_id]) == 0
            assert run(["job", "show", job_id, "--json"]) == 0
    shown = capsys.readouterr().out
    assert "GPT-SoVITS v2: licence MIT\n5.0 MB of 10.0 MB · fetching\n" in shown
    assert "it: queued\nanna@0123456789ab\n" in shown
    assert '"bytes_done": 5000000' in shown
