"""The diagram that people read is the table that the ledger obeys."""

from __future__ import annotations

import enum
import re
from pathlib import Path

import pytest

from jobs.states import (
    JOB_ENDED,
    JOB_MOVES,
    STEP_MOVES,
    STEP_OPEN,
    JobState,
    StepState,
    job_origins,
    step_origins,
)

GLOSSARY = Path(__file__).resolve().parents[2] / "docs" / "glossary.md"


def _drawn(subject: str) -> tuple[set[tuple[str, str]], set[str]]:
    """The arrows of this diagram, and where it begins."""
    text = GLOSSARY.read_text(encoding="utf-8")
    (diagram,) = re.findall(rf"state {subject} \{{\n(.*?)\n    \}}", text, flags=re.DOTALL)
    arrows = re.findall(r"^\s*(\S+) --> (\w+)(?:: .+)?$", diagram, flags=re.MULTILINE)
    assert len(arrows) == len(diagram.splitlines())
    return {arrow for arrow in arrows if arrow[0] != "[*]"}, {to for origin, to in arrows if origin == "[*]"}


@pytest.mark.parametrize(
    ("subject", "moves", "beginnings"),
    [("job", JOB_MOVES, {"queued"}), ("step", STEP_MOVES, {"blocked", "ready"})],
)
def test_glossary_draws_the_table_of_moves(
    subject: str, moves: frozenset[tuple[enum.StrEnum, enum.StrEnum]], beginnings: set[str]
) -> None:
    assert _drawn(subject) == ({(str(origin), str(to)) for origin, to in moves}, beginnings)


def test_origins_are_read_from_the_table() -> None:
    for job_state in JobState:
        assert {(origin, job_state) for origin in job_origins(job_state)} <= JOB_MOVES
    assert step_origins(StepState.READY) == (StepState.BLOCKED, StepState.FAILED, StepState.LEASED)
    assert step_origins(StepState.LEASED) == (StepState.READY,)


def test_ends_are_ends() -> None:
    """Nothing leads out of an end but a retry."""
    assert {move for move in JOB_MOVES if move[0] in JOB_ENDED} == {(JobState.FAILED, JobState.RUNNING)}
    assert {origin for origin, to in STEP_MOVES if to in STEP_OPEN and origin not in STEP_OPEN} == {
        StepState.FAILED,
        StepState.CANCELLED,
    }


def test_glossary_names_every_kind_and_state() -> None:
    text = GLOSSARY.read_text(encoding="utf-8")
    for word in ("job", "step", "event", "ledger", "claim", "lease", "epoch", "attempt", "knock", "sweep"):
        assert f"**{word}**\n: " in text
