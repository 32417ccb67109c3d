"""Whose step a line of the log speaks of."""

from __future__ import annotations

from contextlib import AbstractContextManager

from jobs.ledger.values import Claim
from jobs.logs import about


def about_step(claim: Claim) -> AbstractContextManager[None]:
    """Within the block, each line of this thread names the claim's job and step."""
    return about(
        job_id=claim.job_id,
        step_id=claim.step_id,
        kind=claim.kind.value,
        epoch=claim.epoch,
        attempt=claim.attempt,
        chapter=claim.chapter_index,
    )
