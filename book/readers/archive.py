"""Members of a zip archive, inflated within limits that count what comes out, not what headers claim."""

from __future__ import annotations

import posixpath
import struct
import zipfile
import zlib
from typing import IO

from book.errors import HostileBookError, UnreadableBookError
from book.limits import MIB, Limits

_READ_BYTES = 1 << 16
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# PKWARE APPNOTE 6.3.10, 4.3.16 and 4.3.12: end of central directory, and the least size of one entry in it.
_END = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\x05\x06"
_LEAST_ENTRY_BYTES = 46
_LONGEST_NAME_BYTES = 300


class Archive:
    """The members of an EPUB or DOCX file. Nothing is written to disk.

    Names are looked up, never opened as paths.
    """

    def __init__(self, file: IO[bytes], limits: Limits) -> None:
        """Reads the directory.

        Raises `UnreadableBookError` for a broken one, `HostileBookError` for a too long one.
        """
        self._limits = limits
        self._inflated_bytes = 0
        _check_directory(file, limits)
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, NotImplementedError, struct.error, OSError, ValueError) as error:
            raise UnreadableBookError(f"is a damaged zip archive: {error}") from error
        entries = self._zip.infolist()
        if len(entries) > limits.entries:
            raise HostileBookError(f"has {len(entries):,} members, more than {limits.entries:,}")
        self._entries = {entry.filename: entry for entry in entries if not entry.is_dir()}
        self._folded = {name.casefold(): name for name in self._entries}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all files inside."""
        return tuple(self._entries)

    def find(self, name: str) -> str | None:
        """The member of this name, or of one that differs in case only; None if there is none."""
        return name if name in self._entries else self._folded.get(name.casefold())

    def read(self, name: str) -> bytes:
        """The content of a member, which must exist by `find`."""
        entry = self._entries[name]
        if entry.flag_bits & 0x1:
            raise UnreadableBookError(f"{name} is encrypted with a password")
        if entry.compress_type not in _METHODS:
            raise UnreadableBookError(f"{name} is compressed by a method that books do not use")
        received = bytearray()
        try:
            with self._zip.open(entry) as member:
                while inflated_now := member.read(_READ_BYTES):
                    received += inflated_now
                    self._inflated_bytes += len(inflated_now)
                    self._check_size(name, len(received), entry.compress_size)
        except HostileBookError:
            raise
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError) as error:
            raise UnreadableBookError(f"{name} is damaged: {error or type(error).__name__}") from error
        return bytes(received)

    def _check_size(self, name: str, inflated: int, stored: int) -> None:
        if inflated > self._limits.entry_bytes:
            raise HostileBookError(f"{name} inflates to more than {self._limits.entry_bytes // MIB} MiB")
        if inflated > MIB and inflated > self._limits.ratio * max(1, stored):
            raise HostileBookError(f"{name} inflates to more than {self._limits.ratio} times its size")
        if self._inflated_bytes > self._limits.inflated_bytes:
            raise HostileBookError(f"inflates to more than {self._limits.inflated_bytes // MIB} MiB")


def inside(base: str, href: str) -> str:
    """The member that a link from `base` names. Raises `HostileBookError` for one that leaves the archive."""
    joined = posixpath.normpath(posixpath.join(posixpath.dirname(base), href.replace("\\", "/")))
    if joined.startswith(("../", "/")) or joined == "..":
        raise HostileBookError(f"{base} points outside the book: {href[:80]}")
    return joined


def _check_directory(file: IO[bytes], limits: Limits) -> None:
    """Refuses a directory too long to be loaded at all, before the zipfile module loads it."""
    end = file.seek(0, 2)
    file.seek(max(0, end - _END.size - 0xFFFF))
    tail = file.read()
    at = tail.rfind(_END_SIGNATURE)
    if at < 0 or len(tail) - at < _END.size:
        raise UnreadableBookError("is a damaged zip archive: its directory is missing")
    _, _, _, _, count, directory_bytes, _, _ = _END.unpack_from(tail, at)
    most_bytes = limits.entries * (_LEAST_ENTRY_BYTES + _LONGEST_NAME_BYTES)
    # 0xFFFFFFFF says that the true figure stands in a zip64 record; no honest book needs one.
    if directory_bytes > min(most_bytes, end) or count > limits.entries:
        raise HostileBookError(f"has a directory of {count:,} members in {directory_bytes:,} bytes")
