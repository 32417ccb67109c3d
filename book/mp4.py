"""The MP4 container of a bound book: AAC packets that already exist, chapter marks and tags around them.

Why not libav's own muxer: it keeps 72 bytes for each packet (measured), 335 MB for thirty hours, and must
rewrite the whole file to put the index first. Here an index entry is four bytes, packets are copied in runs
of a chapter without being looked at, and the index is written first because the sizes are known before the
first byte.

Boxes after ISO/IEC 14496-12 (base format), 14496-14 (MP4), 14496-1 (descriptors); the chapter text track,
`chap` reference and `gmhd` after Apple's QuickTime File Format; `chpl` after what Nero wrote, as mutagen
and libav read it. A box is a list of byte strings, so that nesting copies nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from book.structure import Cover
from book.tags import FREEFORM, Mp4Value, Tags, mp4_entries

Box = list[bytes | memoryview]

MOVIE_TIMESCALE: Final = 1000
AUDIO_TRACK, TEXT_TRACK = 1, 2
PACKETS_IN_CHUNK: Final = 43
"""About a second: what a player reads at once when it seeks."""
LARGEST_CHPL: Final = 255
"""The count of `chpl` is one byte. Readers that know the text track see all chapters, others the first
255."""
LARGEST_32: Final = 2**32 - 1
UNITY_MATRIX: Final = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_WHOLE_FILE: Final = 1  # flag of a `url ` box: the samples are in this very file


class Mark(NamedTuple):
    """A chapter mark."""

    start_seconds: float
    title: str


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """The packets of the whole book, in order."""

    sample_rate: int
    config: bytes
    """AudioSpecificConfig, ISO/IEC 14496-3 section 1.6."""
    samples_in_packet: int
    packet_sizes: npt.NDArray[np.uint32]
    """Bytes of each, `>u4` as the file holds them."""
    skipped_samples: int
    """The encoder's delay at the start, left out by an edit list."""
    language: str
    """ISO 639-2/T."""

    @property
    def n_samples(self) -> int:
        """All that is decoded, the delay included."""
        return self.packet_sizes.size * self.samples_in_packet

    @property
    def n_bytes(self) -> int:
        """All packets together."""
        return int(self.packet_sizes.sum(dtype=np.uint64))


def header(track: AudioTrack, marks: Sequence[Mark], tags: Iterable[Box]) -> Box:
    """All of the file that stands before the first packet: `ftyp`, `moov`, chapter titles, head of `mdat`.

    `marks` begin at 0 and rise; `tags` are the entries of `ilst`.
    """
    titles = [_text_sample(mark.title) for mark in marks]
    ilst = box(b"ilst", *tags)
    ftyp = box(b"ftyp", b"M4B ", _u32(0x200), b"M4B M4A isomiso2")
    n_media = sum(map(len, titles)) + track.n_bytes
    wide = n_media + 2**24 > LARGEST_32  # 16 MB and more of index only in books that are wide anyway

    def build(first_byte: int) -> Box:
        return _moov(track, marks, titles, ilst, first_byte, wide=wide)

    head = _mdat_head(n_media, wide=wide)
    size = _size(ftyp) + _size(build(0)) + len(head)
    return [*ftyp, *build(size), head, *titles]


def box(kind: bytes, *content: bytes | memoryview | Box) -> Box:
    """A box around byte strings and other boxes."""
    inside = list(chain.from_iterable(part if isinstance(part, list) else [part] for part in content))
    return [struct.pack(">I4s", 8 + _size(inside), kind), *inside]


def full_box(kind: bytes, version: int, flags: int, *content: bytes | memoryview | Box) -> Box:
    """A box with version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *content)


def _size(parts: Box) -> int:
    return sum(map(len, parts))


def _u32(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}I", *numbers)


def _mdat_head(n_media: int, *, wide: bool) -> bytes:
    if wide:
        return struct.pack(">I4sQ", 1, b"mdat", 16 + n_media)
    return struct.pack(">I4s", 8 + n_media, b"mdat")


def _moov(
    track: AudioTrack,
    marks: Sequence[Mark],
    titles: Sequence[bytes],
    ilst: Box,
    first_byte: int,
    *,
    wide: bool,
) -> Box:
    """The index. Its size depends on nothing but `wide`, so it may be built before `first_byte` is known."""
    shown = track.n_samples - track.skipped_samples
    duration_ms = -(-shown * MOVIE_TIMESCALE // track.sample_rate)
    mvhd = full_box(
        b"mvhd", 0, 0, _u32(0, 0, MOVIE_TIMESCALE, duration_ms),
        struct.pack(">IH10x", 0x10000, 0x100), UNITY_MATRIX, bytes(24), _u32(TEXT_TRACK + 1),
    )  # fmt: skip
    udta = box(
        b"udta",
        full_box(b"meta", 0, 0, full_box(b"hdlr", 0, 0, _u32(0), b"mdirappl", bytes(9)), ilst),
        _chpl(marks),
    )
    return box(
        b"moov",
        mvhd,
        _audio_trak(track, duration_ms, first_byte + sum(map(len, titles)), wide=wide),
        _text_trak(marks, titles, duration_ms, first_byte, wide=wide),
        udta,
    )


def _audio_trak(track: AudioTrack, duration_ms: int, first_byte: int, *, wide: bool) -> Box:
    n_packets = track.packet_sizes.size
    sizes = track.packet_sizes.astype(">u4", copy=False).view(np.uint8).data
    n_whole, n_rest = divmod(n_packets, PACKETS_IN_CHUNK)
    runs = [(1, PACKETS_IN_CHUNK)] if n_whole else []
    if n_rest:
        runs.append((n_whole + 1, n_rest))
    chunks = np.add.reduceat(track.packet_sizes, np.arange(0, n_packets, PACKETS_IN_CHUNK), dtype=np.uint64)
    offsets = np.cumsum(chunks) - chunks + np.uint64(first_byte)
    stbl = box(
        b"stbl",
        full_box(b"stsd", 0, 0, _u32(1), _mp4a(track)),
        full_box(b"stts", 0, 0, _u32(1, n_packets, track.samples_in_packet)),
        full_box(b"stsc", 0, 0, _u32(len(runs)), *(_u32(first, n, 1) for first, n in runs)),
        full_box(b"stsz", 0, 0, _u32(0, n_packets), sizes),
        _chunk_offsets(offsets, wide=wide),
        # A decoder must run one packet ahead of the first it shows (14496-12 section 10.1).
        full_box(b"sgpd", 1, 0, b"roll", _u32(2, 1), struct.pack(">h", -1)),
        full_box(b"sbgp", 0, 0, b"roll", _u32(1, n_packets, 1)),
    )
    return box(
        b"trak",
        _tkhd(AUDIO_TRACK, duration_ms, enabled=True, volume=0x100),
        _edts(duration_ms, track.skipped_samples),
        box(b"tref", box(b"chap", _u32(TEXT_TRACK))),
        box(
            b"mdia",
            _mdhd(track.sample_rate, track.n_samples, track.language),
            _hdlr(b"soun", b"SoundHandler"),
            box(b"minf", full_box(b"smhd", 0, 0, _u32(0)), _dinf(), stbl),
        ),
    )


def _mp4a(track: AudioTrack) -> Box:
    """The sample entry of AAC: 14496-14 section 5.6."""
    seconds = track.n_samples / track.sample_rate
    bit_rate = round(8 * track.n_bytes / seconds) if seconds else 0
    specific = _descriptor(0x05, track.config)
    # 0x40: AAC; 0x15: an audio stream, going up; buffer size 0: not stated; then largest and mean bit rate
    config = _descriptor(0x04, struct.pack(">BB3xII", 0x40, 0x15, bit_rate, bit_rate), specific)
    stream = _descriptor(0x03, struct.pack(">HB", AUDIO_TRACK, 0), config, _descriptor(0x06, b"\x02"))
    return box(
        b"mp4a",
        struct.pack(">6xH8xHH4xI", 1, 1, 16, min(track.sample_rate, 0xFFFF) << 16),
        full_box(b"esds", 0, 0, stream),
    )


def _descriptor(tag: int, *content: bytes) -> bytes:
    """A descriptor of 14496-1 section 8.3.3, its length in four bytes of seven bits."""
    inside = b"".join(content)
    n = len(inside)
    length = bytes([0x80 | n >> 21 & 0x7F, 0x80 | n >> 14 & 0x7F, 0x80 | n >> 7 & 0x7F, n & 0x7F])
    return bytes([tag]) + length + inside


def _text_trak(
    marks: Sequence[Mark], titles: Sequence[bytes], duration_ms: int, first_byte: int, *, wide: bool
) -> Box:
    """The chapter titles as a disabled text track, each shown until the next begins."""
    starts = [round(mark.start_seconds * MOVIE_TIMESCALE) for mark in marks]
    lengths = [max(1, end - start) for start, end in pairwise([*starts, duration_ms])]
    entry = box(
        b"text",
        struct.pack(">6xH", 1),
        # display flags, justification, background, default text box, reserved, font, face, reserved,
        # colour, name
        bytes(44),
    )
    stbl = box(
        b"stbl",
        full_box(b"stsd", 0, 0, _u32(1), entry),
        full_box(b"stts", 0, 0, _u32(len(lengths)), *(_u32(1, length) for length in lengths)),
        full_box(b"stsc", 0, 0, _u32(1, 1, len(titles), 1)),
        full_box(b"stsz", 0, 0, _u32(0, len(titles), *map(len, titles))),
        _chunk_offsets(np.array([first_byte], np.uint64), wide=wide),
    )
    gmin = full_box(b"gmin", 0, 0, struct.pack(">HHHHhH", 0x40, 0x8000, 0x8000, 0x8000, 0, 0))
    return box(
        b"trak",
        _tkhd(TEXT_TRACK, duration_ms, enabled=False, volume=0),
        _edts(duration_ms, 0),
        box(
            b"mdia",
            _mdhd(MOVIE_TIMESCALE, sum(lengths), "und"),
            _hdlr(b"text", b"ChapterHandler"),
            box(b"minf", box(b"gmhd", gmin, box(b"text", UNITY_MATRIX)), _dinf(), stbl),
        ),
    )


def _text_sample(title: str) -> bytes:
    """A title: its length in bytes, its UTF-8, and an `encd` atom that says so."""
    text = shortened(title, 0xFFFF)
    return struct.pack(">H", len(text)) + text + struct.pack(">I4sI", 12, b"encd", 0x100)


def _chpl(marks: Sequence[Mark]) -> Box:
    """Nero's chapter list: starts in units of 100 ns, titles of at most 255 bytes."""
    listed = marks[:LARGEST_CHPL]
    entries = []
    for mark in listed:
        text = shortened(mark.title, 0xFF)
        entries.append(struct.pack(">QB", round(mark.start_seconds * 10_000_000), len(text)) + text)
    return full_box(b"chpl", 1, 0, struct.pack(">4xB", len(listed)), b"".join(entries))


def shortened(text: str, n_bytes: int) -> bytes:
    """The UTF-8 of a text, cut between characters to at most `n_bytes`."""
    encoded = text.encode("utf-8", errors="replace")
    return encoded if len(encoded) <= n_bytes else encoded[:n_bytes].decode("utf-8", errors="ignore").encode()


def _chunk_offsets(offsets: npt.NDArray[np.uint64], *, wide: bool) -> Box:
    kind, dtype = (b"co64", ">u8") if wide else (b"stco", ">u4")
    return full_box(kind, 0, 0, _u32(offsets.size), offsets.astype(dtype).tobytes())


def _tkhd(track: int, duration_ms: int, *, enabled: bool, volume: int) -> Box:
    # In the movie, but not enabled: the text track is there to be referred to, not to be shown.
    flags = 0b11 if enabled else 0b10
    return full_box(
        b"tkhd", 0, flags, _u32(0, 0, track, 0, duration_ms), bytes(8),
        struct.pack(">HHHH", 0, 0 if track == AUDIO_TRACK else 1, volume, 0), UNITY_MATRIX, _u32(0, 0),
    )  # fmt: skip


def _edts(duration_ms: int, skipped: int) -> Box:
    return box(b"edts", full_box(b"elst", 0, 0, _u32(1, duration_ms, skipped, 0x10000)))


def _mdhd(timescale: int, duration: int, language: str) -> Box:
    packed = 0
    for letter in language:
        packed = packed << 5 | ord(letter) - 0x60
    if duration > LARGEST_32:
        return full_box(b"mdhd", 1, 0, struct.pack(">QQIQHH", 0, 0, timescale, duration, packed, 0))
    return full_box(b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, timescale, duration, packed, 0))


def _hdlr(kind: bytes, name: bytes) -> Box:
    return full_box(b"hdlr", 0, 0, _u32(0), kind, bytes(12), name + b"\0")


def _dinf() -> Box:
    return box(b"dinf", full_box(b"dref", 0, 0, _u32(1), full_box(b"url ", 0, _WHOLE_FILE)))


def tag_boxes(tags: Tags) -> Iterator[Box]:
    """The entries of `ilst`, as iTunes writes them: a `data` atom with the kind of its value in each."""
    for name, value in mp4_entries(tags):
        if name.startswith(FREEFORM):
            mean, own_name = full_box(b"mean", 0, 0, b"com.apple.iTunes"), name.removeprefix(FREEFORM)
            yield box(b"----", mean, full_box(b"name", 0, 0, own_name.encode()), _value(value))
        else:
            yield box(name.encode("latin-1"), _value(value))


def _value(value: Mp4Value) -> Box:
    match value:
        case str():
            kind, content = 1, value.encode("utf-8", errors="replace")
        case int():
            kind, content = 21, bytes([value])
        case Cover():
            kind, content = 14 if value.media_type == "image/png" else 13, value.content
        case (number, total):
            kind, content = 0, struct.pack(">4H", 0, number, total, 0)
    return box(b"data", _u32(kind, 0), content)
