"""Reading an object over connections that break."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jobs.objects.bucket import Bucket
from jobs.objects.errors import CorruptObjectError, ObjectsRefusedError
from jobs.objects.faults import VENDOR_ERRORS, Patience
from jobs.objects.store import BLOCK_BYTES


class Reading:
    """The blocks of an object or of a range of it. What breaks or stalls is taken up where it was."""

    def __init__(self, bucket: Bucket, place: str, start: int = 0, stop: int | None = None) -> None:
        """Ask for nothing yet."""
        self._bucket = bucket
        self._place = place
        self._position = start
        self._stop = stop
        self._etag: str | None = None
        self._body: Any = None
        self.sha256: str | None = None
        """The digest stored beside the object; known once connected."""

    def connect(self) -> None:
        """Ask for what is still to come."""
        arguments: dict[str, Any] = {}
        if self._position > 0 or self._stop is not None:
            last = "" if self._stop is None else self._stop - 1
            arguments["Range"] = f"bytes={self._position}-{last}"
        answer = self._bucket.ask("get_object", self._place, **arguments)
        self._body = answer["Body"]
        if arguments and not str(answer.get("ContentRange", "")).startswith(f"bytes {self._position}-"):
            self.close()
            raise ObjectsRefusedError(f"{self._place!r}: the store does not honour Range")
        if self._etag not in {None, answer["ETag"]}:
            self.close()
            raise CorruptObjectError(f"{self._place}: replaced while it was read")
        self._etag = answer["ETag"]
        end = self._position + int(answer["ContentLength"])
        if self._stop is not None and end < self._stop:
            self.close()
            raise CorruptObjectError(f"{self._place}: replaced by a shorter one while it was read")
        self._stop = end if self._stop is None else self._stop
        self.sha256 = answer["Metadata"].get("sha256")

    def __iter__(self) -> Iterator[bytes]:
        """The blocks, once."""
        patience = Patience(self._bucket.options.patience_seconds, self._place)
        try:
            while self._stop is None or self._position < self._stop:
                try:
                    if self._body is None or self._stop is None:
                        self.connect()
                        continue
                    block: bytes = self._body.read(min(BLOCK_BYTES, self._stop - self._position))
                    if not block:
                        raise ConnectionAbortedError("the answer ended before its length")
                except VENDOR_ERRORS as error:
                    self.close()
                    patience.wait_or_raise(error)
                    continue
                patience.start_anew()
                self._position += len(block)
                yield block
        finally:
            self.close()

    def close(self) -> None:
        """Let the connection go."""
        if self._body is not None:
            self._body.close()
            self._body = None
