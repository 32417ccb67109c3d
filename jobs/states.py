"""The states of jobs and steps and every legal move between them. The table is data; the ledger obeys it."""

from __future__ import annotations

import enum
from typing import Final


class JobKind(enum.StrEnum):
    """What a client asked for."""

    NARRATION = "narration"
    TRAINING = "training"
    EXPORT = "export"
    """A voice's weights as the pair of files that GPT-SoVITS itself loads."""
    PULL = "pull"
    """Published weights, onto the shelf for everybody."""


class StepKind(enum.StrEnum):
    """Which sort of step it is; it picks the queue and the file in `worker/`."""

    PLAN = "plan"
    SYNTHESIZE = "synthesize"
    MASTER = "master"
    BIND = "bind"
    PREPARE = "prepare"
    TRAIN = "train"
    PUBLISH = "publish"
    EXPORT = "export"
    PULL = "pull"


class JobState(enum.StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    """Accepted and stored; no worker has touched it."""
    RUNNING = "running"
    """At least one of its steps has been claimed."""
    PAUSED = "paused"
    """What is in hand is finished; nothing new is claimed."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """Every step that could be done is done, and at least one failed; `error` says which and why."""
    CANCELLED = "cancelled"


class StepState(enum.StrEnum):
    """Where a step stands."""

    BLOCKED = "blocked"
    """Waits for other steps of its job."""
    READY = "ready"
    """May be claimed from `not_before` on."""
    LEASED = "leased"
    """In the hands of one worker until `lease_until`."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    """Its job was cancelled, or a step it waits for failed."""


JOB_MOVES: Final = frozenset(
    {
        (JobState.QUEUED, JobState.RUNNING),
        (JobState.QUEUED, JobState.CANCELLED),
        (JobState.RUNNING, JobState.PAUSED),
        (JobState.RUNNING, JobState.SUCCEEDED),
        (JobState.RUNNING, JobState.FAILED),
        (JobState.RUNNING, JobState.CANCELLED),
        (JobState.PAUSED, JobState.RUNNING),
        (JobState.PAUSED, JobState.SUCCEEDED),  # the last step was in hand when the pause came
        (JobState.PAUSED, JobState.FAILED),
        (JobState.PAUSED, JobState.CANCELLED),
        (JobState.FAILED, JobState.RUNNING),  # retry
    }
)

STEP_MOVES: Final = frozenset(
    {
        (StepState.BLOCKED, StepState.READY),
        (StepState.BLOCKED, StepState.CANCELLED),
        (StepState.READY, StepState.LEASED),
        (StepState.READY, StepState.CANCELLED),
        (StepState.LEASED, StepState.SUCCEEDED),
        (StepState.LEASED, StepState.BLOCKED),  # what it needs was lost and is made again
        (StepState.LEASED, StepState.READY),  # a lapse, a return, an error that may pass
        (StepState.LEASED, StepState.FAILED),
        (StepState.LEASED, StepState.CANCELLED),
        (StepState.FAILED, StepState.READY),  # retry of the job
        (StepState.CANCELLED, StepState.BLOCKED),  # retry of the job: what waited for the failed step
    }
)

JOB_ENDED: Final = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})
STEP_OPEN: Final = frozenset({StepState.BLOCKED, StepState.READY, StepState.LEASED})


def job_origins(to: JobState) -> tuple[JobState, ...]:
    """The states from which a job may move to `to`, in a fixed order."""
    return tuple(sorted(origin for origin, target in JOB_MOVES if target is to))


def step_origins(to: StepState) -> tuple[StepState, ...]:
    """The states from which a step may move to `to`, in a fixed order."""
    return tuple(sorted(origin for origin, target in STEP_MOVES if target is to))
