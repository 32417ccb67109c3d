"""Every error of the object store. No boto3, botocore or urllib3 error leaves this package."""

from __future__ import annotations

from jobs.errors import JobsError


class ObjectsError(JobsError):
    """Something went wrong in the object store."""


class ObjectMissingError(ObjectsError, FileNotFoundError):
    """There is no object under this key."""


class CorruptObjectError(ObjectsError):
    """The bytes are not those that were stored, and reading or sending them again did not help."""


class ObjectsUnavailableError(ObjectsError):
    """The object store does not answer just now; the same call may succeed in a moment."""


class ObjectsRefusedError(ObjectsUnavailableError):
    """The object store refuses: an operator must look at its address, bucket, keys or permissions."""


class ObjectKeyError(ObjectsError, ValueError):
    """The key is not one of ours: relative parts of letters, digits and ._=+@- with single slashes."""


class ObjectRangeError(ObjectsError, ValueError):
    """The range begins after the object's end, or is not a range."""


class ObjectsAddressError(ObjectsError, ValueError):
    """The address of the object store is neither file:///folder nor s3://bucket/prefix."""
