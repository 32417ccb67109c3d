"""Chapters become one delivery: an m4b with marks, or a zip with one file per chapter.

Nothing is decoded or encoded here. A chapter of an m4b is AAC already; its packets are copied into the
book. Both writers hold one buffer, and for the m4b four bytes of index for each packet, whatever the length
of the book.
"""

from __future__ import annotations

import hashlib
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Final, NamedTuple

import av
import av.error
import numpy as np
import numpy.typing as npt

from book.encode import AAC_FRAME
from book.errors import MasteringError
from book.mp4 import AudioTrack, Mark, header, shortened, tag_boxes
from book.sound import removed_on_error
from book.tags import Tags, language_code

BUFFER_BYTES: Final = 1 << 20
LONGEST_NAME_BYTES: Final = 140
"""Of a file's name in UTF-8, without its suffix: eCryptfs allows 143 in all, everything else 255."""
ZIP_DATE: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest a zip can hold; the same book gives the same bytes."""
FORBIDDEN: Final = str.maketrans(dict.fromkeys('<>:"/\\|?*', "_"))
"""What Windows, and `/` every system, refuses in a name."""
JOINERS: Final = "\u200c\u200d"
"""Invisible, but parts of words and emoji; every other control or format character is dropped."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A chapter as it goes into the book."""

    title: str
    path: Path
    """Its master: an .m4a made by `book.master` for the format m4b."""


@dataclass(frozen=True, slots=True)
class BoundBook:
    """The finished file."""

    path: Path
    n_bytes: int
    sha256: str
    duration_seconds: float
    starts_seconds: tuple[float, ...]
    """Where each chapter's file begins in the book: what its subtitles are shifted by."""


class Member(NamedTuple):
    """A file of a zip."""

    name: str
    content: Path | bytes


class _Packets(NamedTuple):
    """Where the packets of a chapter stand in its file."""

    sizes: npt.NDArray[np.uint32]
    first_byte: int
    sample_rate: int
    config: bytes


def bind_m4b(chapters: Sequence[Bound], *, tags: Tags, path: Path) -> BoundBook:
    """One m4b of all chapters, with chapter marks, cover and tags.

    Every chapter but the first loses its first packet, which holds nothing but the encoder's delay: so a
    chapter begins at the very sample where the one before it ends, and marks and subtitles cannot drift.
    The packets around the join overlap each other as those of one encoding would; both hold the silence of
    head and tail.

    Raises MasteringError if there is no chapter or one is not such a file; nothing is left at `path` then.
    """
    if not chapters:
        raise MasteringError("the book has no chapter to bind")
    found = [_packets_of(chapter.path) for chapter in chapters]
    for chapter, packets in zip(chapters, found, strict=True):
        if (packets.sample_rate, packets.config) != (found[0].sample_rate, found[0].config):
            raise MasteringError(f"{chapter.path.name}: encoded otherwise than the first chapter")
    rate = found[0].sample_rate
    starts = list(accumulate(((packets.sizes.size - 1) * AAC_FRAME for packets in found), initial=0))
    track = AudioTrack(
        sample_rate=rate,
        config=found[0].config,
        samples_in_packet=AAC_FRAME,
        packet_sizes=np.concatenate(
            [packets.sizes[bool(number) :] for number, packets in enumerate(found)], dtype=">u4"
        ),
        skipped_samples=AAC_FRAME,
        language=language_code(tags.language),
    )
    marks = [Mark(start / rate, chapter.title) for start, chapter in zip(starts, chapters, strict=False)]
    digest = hashlib.sha256()
    with removed_on_error(path), path.open("wb") as file:
        for content in _m4b_bytes(chapters, found, track, marks, tags):
            digest.update(content)
            file.write(content)
    return BoundBook(
        path=path,
        n_bytes=path.stat().st_size,
        sha256=digest.hexdigest(),
        duration_seconds=starts[-1] / rate,
        starts_seconds=tuple(mark.start_seconds for mark in marks),
    )


def _m4b_bytes(
    chapters: Sequence[Bound],
    found: Sequence[_Packets],
    track: AudioTrack,
    marks: Sequence[Mark],
    tags: Tags,
) -> Iterator[bytes | memoryview]:
    yield from header(track, marks, tag_boxes(tags))
    for number, (chapter, packets) in enumerate(zip(chapters, found, strict=True)):
        n_dropped = int(packets.sizes[0]) if number else 0
        with chapter.path.open("rb") as file:
            file.seek(packets.first_byte + n_dropped)
            left = int(packets.sizes.sum(dtype=np.uint64)) - n_dropped
            while left:
                content = file.read(min(BUFFER_BYTES, left))
                if not content:
                    raise MasteringError(f"{chapter.path.name}: ends within its sound")
                left -= len(content)
                yield content


def _packets_of(path: Path) -> _Packets:
    """The index of a chapter's file, which must be whole AAC packets in one run."""
    try:
        with av.open(str(path)) as container:
            streams = container.streams.audio
            if len(streams) != 1 or streams[0].codec_context.name != "aac":
                raise MasteringError(f"{path.name}: is not a chapter encoded as AAC")
            stream = streams[0]
            config, rate = stream.codec_context.extradata, stream.codec_context.sample_rate
            places = np.array([(entry.pos, entry.size) for entry in stream.index_entries], np.int64)
    except av.error.FFmpegError as reason:
        raise MasteringError(f"{path.name}: cannot be read as sound: {reason.strerror}") from reason
    if config is None or len(places) < 2:
        raise MasteringError(f"{path.name}: holds no sound")
    positions, sizes = places[:, 0], places[:, 1]
    if (positions[:-1] + sizes[:-1] != positions[1:]).any():
        raise MasteringError(f"{path.name}: its packets do not stand in one run")
    return _Packets(sizes.astype(">u4"), int(positions[0]), rate, config)


def file_name(number: int, total: int, title: str, suffix: str) -> str:
    """ "01 - Title.mp3": a name every file system takes, and which sorts in the order of the book."""
    kept = "".join(
        " " if character.isspace() else character
        for character in unicodedata.normalize("NFC", title)
        if character.isspace() or character in JOINERS or unicodedata.category(character)[0] != "C"
    )
    words = " ".join(kept.translate(FORBIDDEN).split())
    start = f"{number:0{max(2, len(str(total)))}d}"
    whole = shortened(f"{start} - {words}", LONGEST_NAME_BYTES).decode() if words else start
    return whole.rstrip(" .") + suffix


def bind_zip(files: Iterable[Member], *, path: Path) -> tuple[int, str]:
    """A zip of the files in the order given, stored (sound does not shrink); its bytes and its SHA-256.

    Dates, owners and modes are fixed: the same files give the same bytes. Raises ValueError for a name
    given twice or one that leads out of the archive; nothing is left at `path` then.
    """
    names: set[str] = set()
    with removed_on_error(path), zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files:
            if name in names or name.startswith("/") or ".." in name.split("/") or not name:
                raise ValueError(f"{name!r} cannot be a name in a zip, or is there already")
            names.add(name)
            _add(archive, name, content)
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()


def _add(archive: zipfile.ZipFile, name: str, content: Path | bytes) -> None:
    member = zipfile.ZipInfo(name, ZIP_DATE)
    member.create_system = 3  # Unix, whatever this runs on
    member.external_attr = 0o644 << 16
    if isinstance(content, bytes):
        archive.writestr(member, content)
        return
    member.file_size = content.stat().st_size  # tells zipfile whether it needs zip64
    with content.open("rb") as source, archive.open(member, "w") as target:
        while block := source.read(BUFFER_BYTES):
            target.write(block)
