"""A source cut into parts, with the digests to hold against what the server answers."""

from __future__ import annotations

import os
from base64 import b64encode
from dataclasses import dataclass
from hashlib import md5, sha256
from typing import Any, BinaryIO, Final

from jobs.objects.store import BLOCK_BYTES

PART_BYTES: Final = 16 * 1024 * 1024  # S3 wants at least 5 MiB
MAX_PARTS: Final = 10_000


@dataclass(frozen=True)
class Part:
    """A stretch of the source, and the MD5 of its bytes."""

    start: int
    n_bytes: int
    md5: bytes

    @property
    def content_md5(self) -> str:
        """The header that makes S3 itself refuse damaged bytes."""
        return b64encode(self.md5).decode()

    def read(self, stream: BinaryIO) -> bytes:
        """Its bytes. Raises ValueError when the source is no longer what was measured."""
        stream.seek(self.start)
        body = stream.read(self.n_bytes)
        if _md5(body).digest() != self.md5:
            raise ValueError("the source changed while it was being stored")
        return body


@dataclass(frozen=True)
class Plan:
    """A source as it will be sent: its digest, its length, its parts (one, up to PART_BYTES)."""

    sha256: str
    n_bytes: int
    parts: tuple[Part, ...]

    @property
    def etag_of_parts(self) -> str:
        """The ETag S3 gives an object made of these parts."""
        return f"{_md5(b''.join(part.md5 for part in self.parts)).hexdigest()}-{len(self.parts)}"


def measure(stream: BinaryIO, start: int) -> Plan:
    """How the bytes from `start` to the end will be sent; they are read once for it."""
    n_bytes = stream.seek(0, os.SEEK_END) - start
    part_bytes = max(PART_BYTES, -(-n_bytes // MAX_PARTS))
    stream.seek(start)
    digest, position = sha256(), start
    parts: list[Part] = []
    while position < start + n_bytes or not parts:
        part, length = _md5(b""), 0
        while length < part_bytes and (block := stream.read(min(BLOCK_BYTES, part_bytes - length))):
            digest.update(block)
            part.update(block)
            length += len(block)
        if length < min(part_bytes, start + n_bytes - position):
            raise ValueError("the source changed while it was being stored")
        parts.append(Part(position, length, part.digest()))
        position += length
    return Plan(digest.hexdigest(), position - start, tuple(parts))


def _md5(block: bytes) -> Any:
    return md5(block, usedforsecurity=False)  # against noise on the wire, not against people
