"""Every error of this room. The docstring is the default message, so none exists without a sentence."""

from __future__ import annotations


class JobsError(Exception):
    """Something went wrong with a job."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class SettingsError(JobsError):
    """A LECTORIUM_* setting is unknown or has an impossible value."""


class SignalUnavailableError(JobsError):
    """The source of a carbon or price signal does not answer, or not in its shape."""


class LedgerUnavailableError(JobsError):
    """The ledger's database does not answer just now; the same call may succeed in a moment."""


class LeaseLostError(JobsError):
    """The lease of this step ended or its job was cancelled; the result was not recorded."""


class JobMissingError(JobsError):
    """There is no such job for this tenant."""


class MoveRefusedError(JobsError):
    """The job cannot make this move from the state it is in."""

    def __init__(self, state: str, message: str = "") -> None:
        super().__init__(message or f"the job is {state}")
        self.state = state


class IdempotencyMismatchError(JobsError):
    """The Idempotency-Key was used before with another request."""


class LimitReachedError(JobsError):
    """A limit of the tenant is reached."""

    def __init__(self, limit: str, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.limit = limit
        self.retry_after_seconds = retry_after_seconds
