"""Sound that is heard while it is still being made: encoded block by block into bytes that can be sent.

Every container here can be written forwards only. What a header says of the length is therefore "unknown":
0xFFFFFFFF bytes in a WAV file (as ffmpeg writes into a pipe), nothing in the others.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from book.sound import Block, Encoding, Writer, resampled


class StreamFormat(enum.StrEnum):
    """What a stream may be encoded as."""

    MP3 = "mp3"
    OPUS = "opus"
    AAC = "aac"
    FLAC = "flac"
    WAV = "wav"
    PCM = "pcm"


@dataclass(frozen=True, slots=True)
class Streaming:
    """How a stream of one format is encoded."""

    media_type: str
    encoding: Encoding
    only_rate: int | None = None
    """The one rate it comes in; None: that of the sound."""


STREAMINGS: Final[Mapping[StreamFormat, Streaming]] = MappingProxyType(
    {
        StreamFormat.MP3: Streaming(
            "audio/mpeg",
            Encoding(
                "libmp3lame",
                "mp3",
                "fltp",
                None,
                128_000,
                {"compression_level": "3"},
                {"write_xing": "0", "id3v2_version": "0"},  # both would have to be filled in at the end
                own_scale=0.95,
            ),
        ),
        StreamFormat.OPUS: Streaming(
            "audio/ogg",
            # a page holds a second unless told otherwise: 0.2 s, so that the first words are not held back
            Encoding(
                "libopus", "opus", "flt", None, 48_000, {"application": "audio"}, {"page_duration": "200000"}
            ),
            only_rate=48_000,
        ),
        StreamFormat.AAC: Streaming(
            "audio/aac",
            Encoding("aac", "adts", "fltp", None, 96_000, {"aac_coder": "fast", "aac_pns": "0"}, {}),
        ),
        StreamFormat.FLAC: Streaming(
            "audio/flac", Encoding("flac", "flac", "s16", 16, None, {"compression_level": "5"}, {})
        ),
        StreamFormat.WAV: Streaming("audio/wav", Encoding("pcm_s16le", "wav", "s16", 16, None, {}, {})),
        StreamFormat.PCM: Streaming(
            "audio/pcm", Encoding("pcm_s16le", "s16le", "s16", 16, None, {}, {}), only_rate=24_000
        ),
    }
)


def stream(blocks: Iterable[Block], sample_rate: int, format: StreamFormat) -> Iterator[bytes]:
    """The sound's bytes in this format, as soon as there are some.

    A filter that changes the rate holds back a few milliseconds, an encoder up to a frame or two; both come
    out with the blocks that follow, or at the end.
    """
    how = STREAMINGS[format]
    rate = how.only_rate or sample_rate
    outlet = _Outlet()
    with Writer(outlet, how.encoding, rate) as writer:
        for block in resampled(blocks, sample_rate, rate):
            writer.write(block)
            yield from outlet.empty()
    yield from outlet.empty()


class _Outlet:
    """Holds what was written until it is asked for."""

    def __init__(self) -> None:
        self._held: list[bytes] = []

    def write(self, content: bytes, /) -> int:
        self._held.append(bytes(content))
        return len(content)

    def empty(self) -> Iterator[bytes]:
        """What has been written since the last time, as one."""
        held, self._held = b"".join(self._held), []
        if held:
            yield held
