from __future__ import annotations

import io
import struct

import av
import numpy as np
import pytest
from mutagen.mp4 import MP4

from book.mp4 import AudioTrack, Box, Mark, box, full_box, header, shortened, tag_boxes
from book.tags import Tags

CONFIG = bytes.fromhex("120856e500")  # AAC LC, 44,100 Hz, one channel


def track(n_packets: int, n_bytes: int = 100) -> AudioTrack:
    return AudioTrack(44_100, CONFIG, 1024, np.full(n_packets, n_bytes, ">u4"), 1024, "eng")


def joined(parts: Box) -> bytes:
    return b"".join(bytes(part) for part in parts)


def atoms(content: bytes) -> dict[bytes, int]:
    """Kinds and sizes of the boxes at the top."""
    found, offset = {}, 0
    while offset < len(content):
        size, kind = struct.unpack_from(">I4s", content, offset)
        if size == 1:
            (size,) = struct.unpack_from(">Q", content, offset + 8)
        found[kind] = size
        offset += size
    return found


def test_a_box_holds_its_size_its_kind_and_other_boxes() -> None:
    assert joined(box(b"abcd", b"xy", box(b"efgh"))) == b"\0\0\0\x12abcdxy\0\0\0\x08efgh"
    assert joined(full_box(b"abcd", 1, 2)) == b"\0\0\0\x0cabcd\x01\0\0\x02"


@pytest.mark.parametrize(
    ("text", "n", "cut"),
    [("abc", 3, b"abc"), ("abc", 2, b"ab"), ("aé", 2, b"a"), ("🎈🎈", 7, "🎈".encode()), ("", 0, b"")],
)
def test_shortened_cuts_between_characters(text: str, n: int, cut: bytes) -> None:
    assert shortened(text, n) == cut


@pytest.mark.parametrize("n_packets", [1, 42, 43, 44, 86, 1000])
def test_every_packet_is_found_where_it_stands(n_packets: int) -> None:
    sizes = np.arange(5, 5 + n_packets).astype(">u4")
    audio = AudioTrack(44_100, CONFIG, 1024, sizes, 1024, "eng")
    content = joined(header(audio, [Mark(0.0, "x")], [])) + bytes(audio.n_bytes)
    with av.open(io.BytesIO(content)) as container:
        found = [(entry.pos, entry.size) for entry in container.streams.audio[0].index_entries]
    first = len(content) - audio.n_bytes
    ends = np.cumsum(sizes, dtype=np.int64)
    assert found == [
        (first + end - size, size) for end, size in zip(ends.tolist(), sizes.tolist(), strict=True)
    ]


def test_the_header_says_how_long_the_sound_after_it_is() -> None:
    content = joined(header(track(1000), [Mark(0.0, "One"), Mark(3.0, "Two")], []))
    assert sum(atoms(content).values()) == len(content) + 100_000
    assert list(atoms(content)) == [b"ftyp", b"moov", b"mdat"]


def test_a_book_of_thirty_hours_and_over_four_gigabytes_is_indexed_in_64_bits() -> None:
    """4.65 million packets; only the header is made. mutagen reads its length, libav its marks and last
    packet."""
    n_packets = 30 * 3600 * 44_100 // 1024
    audio = track(n_packets, 1000)
    hours = [Mark(3600.0 * hour, f"Hour {hour}") for hour in range(30)]
    content = joined(header(audio, hours, tag_boxes(Tags(title="Long"))))
    assert sum(atoms(content).values()) == len(content) + audio.n_bytes > 2**32
    assert len(content) < 5 * n_packets
    file = MP4(io.BytesIO(content))
    assert file.info.length == pytest.approx(n_packets * 1024 / 44_100, abs=0.1)
    assert file.chapters[-1].start == 29 * 3600
    with av.open(io.BytesIO(content)) as container:
        assert float(container.chapters()[-1]["start"]) == 29 * 3600 * 1000
        last = container.streams.audio[0].index_entries[n_packets - 1].pos  # gone with its container
    assert last == len(content) + (n_packets - 1) * 1000


def test_titles_are_cut_to_what_each_kind_of_mark_can_hold() -> None:
    content = joined(header(track(100), [Mark(0.0, "é" * 40_000)], []))
    file = MP4(io.BytesIO(content + bytes(10_000)))
    assert file.chapters[0].title == "é" * 127
    with av.open(io.BytesIO(content + bytes(10_000))) as container:
        assert set(container.chapters()[0]["metadata"]["title"]) == {"é"}
