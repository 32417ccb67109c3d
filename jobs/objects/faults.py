"""What may go wrong between us and an S3 server, told in our own errors; and patience with it."""

from __future__ import annotations

import logging
import random
import time
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
)
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from jobs.objects.errors import ObjectMissingError, ObjectsError, ObjectsRefusedError, ObjectsUnavailableError

VENDOR_ERRORS: Final = (
    BotoCoreError,
    ClientError,
    HTTPError,
    ResponseParserError,
    ConnectionError,
    TimeoutError,
)
"""Everything a request, or the reading of its answer's body, raises."""
_PASSING: Final = (
    NoConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
    HTTPError,
    ResponseParserError,
    ConnectionError,
    TimeoutError,
)
_MISSING: Final = {"NoSuchKey", "NoSuchUpload", "NotFound", "404"}
_REFUSALS: Final = {
    "AccessDenied",
    "AccountProblem",
    "AllAccessDisabled",
    "AuthorizationHeaderMalformed",
    "EntityTooLarge",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidBucketName",
    "InvalidToken",
    "NoSuchBucket",
    "PermanentRedirect",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
}
_REFUSING_STATUSES: Final = {301, 401, 403, 405, 501}
_LONGEST_PAUSE_SECONDS: Final = 8.0
_log = logging.getLogger(__name__)


def translated(error: Exception, key: str) -> ObjectsError:
    """Our error for one of VENDOR_ERRORS."""
    if isinstance(error, ClientError):
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if code in _MISSING:
            return ObjectMissingError(f"no object {key!r}")
        message = f"{error.operation_name} {key!r}: {code or status}"
        if code in _REFUSALS or status in _REFUSING_STATUSES:
            return ObjectsRefusedError(message)
        return ObjectsUnavailableError(message)  # a mangled request is answered by some 400 as well
    if isinstance(error, _PASSING):
        return ObjectsUnavailableError(f"{key!r}: {type(error).__name__}")
    return ObjectsRefusedError(f"{key!r}: {error}")


def pause(failures: int) -> None:
    """Sleep a random while that grows with the failures in a row: many workers must not return at once."""
    longest = min(0.1 * 2**failures, _LONGEST_PAUSE_SECONDS)
    time.sleep(random.uniform(0, longest))  # noqa: S311 - jitter needs no secrecy


class Patience:
    """Counts the failures in a row of one request and waits between them, or gives up with our error."""

    def __init__(self, seconds: float, place: str) -> None:
        """Have it from now on; `place` is for the message."""
        self._seconds = seconds
        self._place = place
        self.start_anew()

    def start_anew(self) -> None:
        """Something succeeded."""
        self._failures = 0
        self._since = time.monotonic()

    def wait_or_raise(self, error: Exception) -> None:
        """Sleep before the next try; raise our error when there should be none."""
        failure = translated(error, self._place)
        spent = time.monotonic() - self._since
        if isinstance(failure, ObjectMissingError | ObjectsRefusedError) or spent >= self._seconds:
            raise failure from error
        self._failures += 1
        _log.info("object store: %s; failure %d in a row", failure, self._failures)
        pause(self._failures)
