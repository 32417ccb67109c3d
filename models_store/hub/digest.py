"""What a file must be: the digests the hub announces, and whether bytes on disk have them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_BLOCK: Final = 1 << 20
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_GIT: Final = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest and how it is made."""

    hexadecimal: str
    """64 digits: SHA-256 of the bytes. 40 digits: git's name of a blob with these bytes."""

    @classmethod
    def of_etag(cls, etag: str) -> Self | None:
        """The digest an entity tag of the hub is; None for one that is something else.

        A large file's tag is its SHA-256, a small file's is git's name for it.
        """
        bare = etag.removeprefix("W/").strip('"')
        return cls(bare) if _SHA256.fullmatch(bare) or _GIT.fullmatch(bare) else None

    @property
    def sha256(self) -> str:
        """The SHA-256, or "" if it is no such one."""
        return self.hexadecimal if _SHA256.fullmatch(self.hexadecimal) else ""

    def fits(self, path: Path) -> bool:
        """Whether the file has this digest. Raises OSError if it cannot be read."""
        return self.hexadecimal == (sha256_of(path) if self.sha256 else _git_name_of(path))


def sha256_of(path: Path) -> str:
    """The file's SHA-256 in hex. Raises OSError if it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git_name_of(path: Path) -> str:
    """What git calls a blob: SHA-1 over its kind, its length and its bytes."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode("ascii"), usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
