"""The zip that `torch.save` writes, read strictly: nothing but stored members where torch puts them.

Upstream overwrites the zip's first two bytes with a tag in some of its files (`process_ckpt.py` at 48b1a01).
"""

from __future__ import annotations

import io
import re
import stat
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import IO, Any, Final

from models_store.upstream.errors import HostileFileError, UpstreamFileError

ZIP_TAG: Final = "PK"
TAGS: Final = ("00", "01", "02", "03", "04", "05", "06")
"""What upstream's readers take in the place of `PK`; its writers use 03 (v3 LoRA) to 06 (v2ProPlus)."""
PRO_TAGS: Final[Mapping[str, str]] = {"v2Pro": "05", "v2ProPlus": "06"}
"""Without its tag, upstream takes a Pro file for one of v2 and cannot load it."""

MOST_FILE_BYTES: Final = 2 << 30
"""The largest voice file has some 400 MB; this is for saying what a larger one is."""
MOST_PICKLE_BYTES: Final = 4 << 20
_MOST_MEMBERS: Final = 10_000
_LOCAL_HEADER_BYTES: Final = 30

_MEMBER = re.compile(
    r"(?!\.{1,2}/)[^/\\\x00]+/(data\.pkl|byteorder|version|data/\d{1,6}"
    r"|\.format_version|\.storage_alignment|\.data/serialization_id)"
)
_TORCH_SCRIPT = re.compile(r"[^/]+/(code/.*|constants\.pkl)")

_OTHERS: Final = (
    (b"", "is empty"),
    (b"version https://git-lfs", "is a Git LFS pointer, not the file it points to"),
    (b"<", "is a web page or XML"),
    (b"\x80", "is a pickle outside a zip, as PyTorch before 1.6 wrote"),
    (b"RIFF", "is a sound file"),
    (b"fLaC", "is a sound file"),
    (b"OggS", "is a sound file"),
    (b"ID3", "is a sound file"),
    (b"GGUF", "is a GGUF file"),
    (b"\x1f\x8b", "is a gzip archive"),
    (b"7z\xbc\xaf", "is a 7z archive"),
    (b"Rar!", "is a RAR archive"),
)


@dataclass(frozen=True, slots=True)
class Archive:
    """A voice file's zip, checked."""

    tag: str
    """The file's first two bytes: `PK`, or one of `TAGS`."""
    pickled: bytes
    """The pickle that says what the tensors are called; not yet looked at."""
    storages: Mapping[str, int]
    """The storages of the tensors: key, and bytes."""
    zipped: zipfile.ZipFile
    top: str
    """The folder that holds all members."""

    def rebuilt(self) -> io.BytesIO:
        """The same archive, written afresh: another zip reader cannot see other members in it than we did.

        Raises:
            UpstreamFileError: a member is damaged.
        """
        rebuilt = io.BytesIO()
        with zipfile.ZipFile(rebuilt, "w") as fresh:
            fresh.writestr("archive/data.pkl", self.pickled)
            fresh.writestr("archive/byteorder", "little")
            fresh.writestr("archive/version", "3\n")
            for key in self.storages:
                fresh.writestr(f"archive/data/{key}", _read(self.zipped, f"{self.top}/data/{key}"))
        rebuilt.seek(0)
        return rebuilt


def open_archive(file: IO[bytes]) -> Archive:
    """The zip in `file`, which is read from and not closed.

    Raises:
        UpstreamFileError: it is something else, or damaged.
        HostileFileError: it is a zip that torch would never write.
    """
    head = file.read(32)
    tag = head[:2].decode("latin-1")
    if tag != ZIP_TAG and not (tag in TAGS and head[2:4] == b"\x03\x04"):
        raise UpstreamFileError(_other(head))
    try:
        zipped = zipfile.ZipFile(io.BufferedReader(_Untagged(file)))
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise UpstreamFileError(f"is cut short or damaged: {error}") from error
    members = zipped.infolist()
    _check(members, file.seek(0, io.SEEK_END))
    tops = {member.filename.partition("/")[0] for member in members}
    top = tops.pop() if len(tops) == 1 else ""
    sizes = {member.filename.removeprefix(f"{top}/"): member.file_size for member in members}
    if "data.pkl" not in sizes:
        raise UpstreamFileError("is a zip, but none that PyTorch wrote: it has no data.pkl")
    if sizes["data.pkl"] > MOST_PICKLE_BYTES:
        raise HostileFileError(f"has a pickle of {sizes['data.pkl']:,} bytes; no voice needs that many")
    if "byteorder" in sizes and _read(zipped, f"{top}/byteorder") != b"little":
        raise UpstreamFileError("was written on a big-endian machine, which is not supported")
    return Archive(
        tag=tag,
        pickled=_read(zipped, f"{top}/data.pkl"),
        storages={name.removeprefix("data/"): n for name, n in sizes.items() if name.startswith("data/")},
        zipped=zipped,
        top=top,
    )


def _check(members: list[zipfile.ZipInfo], file_bytes: int) -> None:
    """Refuses what torch does not write, whatever harm it could or could not do."""
    if len(members) > _MOST_MEMBERS:
        raise HostileFileError(f"has {len(members):,} members; no voice has that many")
    names = [member.orig_filename for member in members]
    if any(_TORCH_SCRIPT.fullmatch(name) for name in names):
        raise UpstreamFileError("is a TorchScript program, not a file of weights")
    seen: set[str] = set()
    for member, name in zip(members, names, strict=True):
        if not _MEMBER.fullmatch(name):
            raise HostileFileError(f"has a member {name[:80]!r}, which PyTorch does not write")
        if name in seen:
            raise HostileFileError(f"has two members {name!r}")
        seen.add(name)
        if stat.S_ISLNK(member.external_attr >> 16):
            raise HostileFileError(f"has a member {name!r} that is a symbolic link")
        if member.flag_bits & 1:
            raise HostileFileError(f"has an encrypted member {name!r}")
        if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
            raise HostileFileError(f"has a compressed member {name!r}, which PyTorch does not write")
    if len({name.partition("/")[0] for name in names}) > 1:
        raise HostileFileError("has members in more than one folder")
    extents = sorted((member.header_offset, member.file_size) for member in members)
    extents.append((file_bytes, 0))
    for (start, size), (following, _) in pairwise(extents):
        if start < 0 or start + _LOCAL_HEADER_BYTES + size > following:
            raise HostileFileError("has members that overlap or reach past its end")


def _read(zipped: zipfile.ZipFile, name: str) -> bytes:
    try:
        return zipped.read(name)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise UpstreamFileError(f"is cut short or damaged: {error}") from error


def _other(head: bytes) -> str:
    """What a file that begins so is, if it can be told."""
    if head[8:9] == b"{" and 0 < int.from_bytes(head[:8], "little") < MOST_FILE_BYTES:
        return "is a safetensors file, not one that GPT-SoVITS wrote"
    for start, what in _OTHERS:
        if head.startswith(start) and (start or not head):
            return what
    return "is no file that PyTorch wrote"


class _Untagged(io.RawIOBase):
    """A file as it was before a tag took the place of its first two bytes."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        start = self._file.tell()
        content = self._file.read(len(buffer))
        if start < len(ZIP_TAG):
            content = (ZIP_TAG.encode()[start:] + content[len(ZIP_TAG) - start :])[: len(content)]
        buffer[: len(content)] = content
        return len(content)
