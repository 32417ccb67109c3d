"""Objects in an S3-compatible bucket, on a network and a server that are both allowed to fail.

What arrives is compared by MD5, which S3 answers as the ETag, at no cost. Where the ETag is something else
(KMS encryption) the object is read back and compared by SHA-256, which doubles a put's traffic. What is read
is compared by SHA-256, with the digest asked for or else the one stored beside the object.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256 as new_sha256
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

from jobs.objects.bucket import Bucket
from jobs.objects.errors import CorruptObjectError, ObjectMissingError, ObjectsError
from jobs.objects.faults import VENDOR_ERRORS, pause
from jobs.objects.reading import Reading
from jobs.objects.sending import Part, Plan, measure
from jobs.objects.store import (
    Head,
    S3Options,
    Source,
    Stored,
    attachment,
    bounded_range,
    check_key,
    check_prefix,
    opened,
    prove,
    sha256_of,
    write_verified,
)

TRIES: Final = 3  # how often bytes are sent or read before they are called corrupt
_log = logging.getLogger(__name__)
T = TypeVar("T")


class S3Objects:
    """A bucket, and a prefix within it, through one boto3 client per process."""

    def __init__(self, bucket: str, prefix: str, options: S3Options) -> None:
        """Talks to no server yet."""
        self._bucket = Bucket(bucket, options)
        self._prefix = f"{prefix}/" if prefix else ""
        self._etag_is_md5: bool | None = None  # not known before the first put

    def put(self, key: str, source: Source, *, media_type: str) -> Stored:
        """As `Objects.put` says. Above 16 MiB in parts, each verified; one part is in memory at a time."""
        place = self._place(key)
        with opened(source) as (stream, start):
            plan = measure(stream, start)
            extra = {"ContentType": media_type, "Metadata": {"sha256": plan.sha256}}
            send = self._put_whole if len(plan.parts) == 1 else self._put_in_parts
            try:
                _again(partial(send, place, stream, plan, extra))
            except CorruptObjectError:
                with contextlib.suppress(ObjectsError):  # what lies there is damaged and nobody's
                    self.delete(key)
                raise
        return Stored(key, plan.sha256, plan.n_bytes)

    def _put_whole(self, place: str, stream: BinaryIO, plan: Plan, extra: dict[str, Any]) -> None:
        part = plan.parts[0]
        extra = {"Body": part.read(stream), "ContentMD5": part.content_md5, **extra}
        answer = self._bucket.ask("put_object", place, **extra)
        self._compare(place, answer, part.md5.hex(), plan)

    def _put_in_parts(self, place: str, stream: BinaryIO, plan: Plan, extra: dict[str, Any]) -> None:
        upload = self._bucket.ask("create_multipart_upload", place, **extra)["UploadId"]
        try:
            etags = []
            for number, part in enumerate(plan.parts, start=1):
                arguments = {"UploadId": upload, "PartNumber": number, "ContentMD5": part.content_md5}
                etags.append(_again(partial(self._send_part, place, stream, part, arguments)))
            answer = self._complete(place, upload, etags, plan)
        except BaseException:
            with contextlib.suppress(*VENDOR_ERRORS):  # what stays is for the sweep
                self._bucket.client().abort_multipart_upload(
                    Bucket=self._bucket.name, Key=place, UploadId=upload
                )
            raise
        self._compare(place, answer, plan.etag_of_parts, plan)

    def _send_part(self, place: str, stream: BinaryIO, part: Part, arguments: dict[str, Any]) -> str:
        etag = str(self._bucket.ask("upload_part", place, Body=part.read(stream), **arguments)["ETag"])
        if self._etag_is_md5 and etag.strip('"') != part.md5.hex():
            raise CorruptObjectError(f"{place}: part {arguments['PartNumber']} arrived damaged")
        return etag

    def _complete(self, place: str, upload: str, etags: list[str], plan: Plan) -> dict[str, Any]:
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, start=1)]
        try:
            return self._bucket.ask(
                "complete_multipart_upload", place, UploadId=upload, MultipartUpload={"Parts": parts}
            )
        except ObjectMissingError:
            # No such upload: an earlier try was carried out and only its answer lost, if the object is there.
            answer = self._bucket.ask("head_object", place)
            if answer["Metadata"].get("sha256") != plan.sha256:
                raise CorruptObjectError(f"{place}: the upload was lost") from None
            return answer

    def _compare(self, place: str, answer: dict[str, Any], expected_etag: str, plan: Plan) -> None:
        if str(answer.get("ETag", "")).strip('"') == expected_etag:
            self._etag_is_md5 = True
            return
        digest = new_sha256()
        for block in Reading(self._bucket, place):
            digest.update(block)
        if digest.hexdigest() != plan.sha256:
            raise CorruptObjectError(f"{place}: arrived damaged")
        self._etag_is_md5 = False

    def get(self, key: str, *, sha256: str | None = None) -> bytes:
        """As `Objects.get` says."""
        place = self._place(key)

        def once() -> bytes:
            reading = Reading(self._bucket, place)
            whole = b"".join(reading)
            expected = sha256 or reading.sha256
            if expected is not None and sha256_of(whole) != expected:
                raise CorruptObjectError(f"{key}: the digest is not {expected}")
            return whole

        return _again(once)

    def fetch(self, key: str, path: Path, *, sha256: str | None = None) -> Stored:
        """As `Objects.fetch` says."""
        place = self._place(key)

        def once() -> Stored:
            with contextlib.closing(Reading(self._bucket, place)) as reading:
                reading.connect()
                return write_verified(path, key, reading, sha256 or reading.sha256)

        return _again(once)

    def open_range(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """As `Objects.open_range` says."""
        head = self.head(key)
        if head is None:
            raise ObjectMissingError(f"no object {key!r}")
        start, stop = bounded_range(start, end, head.n_bytes)
        return iter(Reading(self._bucket, self._place(key), start, stop) if start < stop else ())

    def head(self, key: str) -> Head | None:
        """As `Objects.head` says."""
        try:
            answer = self._bucket.ask("head_object", self._place(key))
        except ObjectMissingError:
            return None
        return Head(key, int(answer["ContentLength"]), answer["LastModified"])

    def list(self, prefix: str = "") -> Iterator[Head]:
        """As `Objects.list` says."""
        return self._pages({"Prefix": self._prefix + check_prefix(prefix)})

    def _pages(self, arguments: dict[str, Any]) -> Iterator[Head]:
        while True:
            page = self._bucket.ask("list_objects_v2", None, **arguments)
            for each in page.get("Contents", ()):
                yield Head(
                    str(each["Key"]).removeprefix(self._prefix), int(each["Size"]), each["LastModified"]
                )
            if not page.get("IsTruncated"):
                return
            arguments["ContinuationToken"] = page["NextContinuationToken"]

    def delete(self, key: str) -> None:
        """As `Objects.delete` says."""
        with contextlib.suppress(ObjectMissingError):
            self._bucket.ask("delete_object", self._place(key))

    def sign(self, key: str, *, seconds: int, filename: str, media_type: str) -> str:
        """As `Objects.sign` says: on the public endpoint, with fixed headers; Range works on it."""
        arguments = {
            "Bucket": self._bucket.name,
            "Key": self._place(key),
            "ResponseContentDisposition": attachment(filename),
            "ResponseContentType": media_type,
        }
        signer = self._bucket.client(self._bucket.options.public_endpoint)
        return str(signer.generate_presigned_url("get_object", Params=arguments, ExpiresIn=seconds))

    def check(self) -> None:
        """As `Objects.check` says: each request is tried once and waited for five seconds at most."""
        brief = replace(
            self._bucket.options, attempts=1, patience_seconds=0, connect_seconds=2, read_seconds=5
        )
        prove(S3Objects(self._bucket.name, self._prefix.rstrip("/"), brief))

    def sweep(self, *, older_than_seconds: float = 86_400) -> int:
        """As `Objects.sweep` says: unfinished multipart uploads under our prefix."""
        oldest = datetime.now(UTC) - timedelta(seconds=older_than_seconds)
        arguments = {"Prefix": self._prefix}
        n_removed = 0
        while True:
            page = self._bucket.ask("list_multipart_uploads", None, **arguments)
            for upload in page.get("Uploads", ()):
                if upload["Initiated"] <= oldest:
                    with contextlib.suppress(ObjectMissingError):
                        self._bucket.ask("abort_multipart_upload", upload["Key"], UploadId=upload["UploadId"])
                        n_removed += 1
            if not page.get("IsTruncated"):
                return n_removed
            arguments["KeyMarker"] = page["NextKeyMarker"]
            arguments["UploadIdMarker"] = page["NextUploadIdMarker"]

    def _place(self, key: str) -> str:
        return self._prefix + check_key(key)


def _again(once: Callable[[], T]) -> T:
    """What `once` returns; bytes that do not fit their digest are sent or read anew, TRIES times in all."""
    for attempt in range(1, TRIES):
        try:
            return once()
        except CorruptObjectError as error:
            _log.warning("object store: %s; once more", error)
            pause(attempt)
    return once()
