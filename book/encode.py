"""The formats a chapter can be delivered in, and how each is encoded."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from book.profiles import Profile
from book.sound import Encoding


class Format(enum.StrEnum):
    """What the client asks for. A chapter of an m4b is an .m4a file until the book is bound."""

    M4B = "m4b"
    MP3 = "mp3"
    FLAC = "flac"
    OPUS = "opus"
    WAV = "wav"


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a chapter of one format is stored."""

    suffix: str
    """Of the chapter's file."""
    media_type: str
    lossy: bool
    headroom_db: float
    """How far below the profile's limit peaks are held before encoding: what the codec adds to those of
    speech (measured). Where it adds more, the chapter is encoded again."""
    only_rate: int | None = None
    """The one rate the encoder takes; None: the profile's or the track's."""


DELIVERIES: Final[Mapping[Format, Delivery]] = MappingProxyType(
    {
        Format.M4B: Delivery(".m4a", "audio/mp4", lossy=True, headroom_db=0.5),
        Format.MP3: Delivery(".mp3", "audio/mpeg", lossy=True, headroom_db=0.3),
        Format.FLAC: Delivery(".flac", "audio/flac", lossy=False, headroom_db=0.1),
        Format.OPUS: Delivery(".opus", "audio/ogg", lossy=True, headroom_db=0.6, only_rate=48_000),
        Format.WAV: Delivery(".wav", "audio/wav", lossy=False, headroom_db=0.1),
    }
)

AAC_FRAME: Final = 1024
"""Samples of an AAC packet, and of libav's encoder delay (`initial_padding`)."""

LAME_SCALES: Final[Mapping[int, float]] = MappingProxyType({128_000: 0.95, 192_000: 0.97})
"""lame's preset for a bit rate makes the sound quieter (measured: 0.45 and 0.26 dB at every sample rate)."""

TRACK_ENCODING: Final = Encoding("flac", "flac", "s32", 24, None, {"bits_per_raw_sample": "24"}, {})
"""Chapter tracks: 24 bits, because a gain still follows; FLAC, because each frame has a checksum."""


def encoding_of(format: Format, profile: Profile) -> Encoding:
    """The encoder and its settings for a chapter of this format.

    Mono speech is transparent well below these rates; they leave room for music-like passages and for
    re-encoding by a platform. FLAC and WAV hold 16 bits: the rounding stands at -101 dBFS, below any
    voice's own noise.
    """
    match format:
        case Format.M4B:
            # No perceptual noise substitution: what it puts in place of noise is the decoder's own random
            # numbers, so the bound book would not sound, nor measure, as its chapters did. 96 kb/s: at 64
            # the pulses of a synthetic voice overshoot by 2.5 dB. The fast coder is 2.6 times as fast as
            # the other at this rate, and its peaks overshoot by less (0.1 dB against 0.5, measured).
            options = {"aac_coder": "fast", "aac_pns": "0"}
            return Encoding("aac", "ipod", "fltp", None, 96_000, options, {})
        case Format.MP3:
            # id3v2_version 0: mutagen writes the tags, once and complete. Constant bit rate is lame's
            # default.
            return Encoding(
                "libmp3lame",
                "mp3",
                "fltp",
                None,
                profile.mp3_bit_rate,
                {"compression_level": "3"},
                {"id3v2_version": "0"},
                own_scale=LAME_SCALES[profile.mp3_bit_rate],
            )
        case Format.FLAC:
            return Encoding("flac", "flac", "s16", 16, None, {"compression_level": "5"}, {})
        case Format.OPUS:
            return Encoding("libopus", "opus", "flt", None, 48_000, {"application": "audio"}, {})
        case Format.WAV:
            return Encoding("pcm_s16le", "wav", "s16", 16, None, {}, {"rf64": "auto"})


def rate_of(format: Format, profile: Profile, track_rate: int) -> int:
    """Samples a second of a chapter delivered in this format."""
    return DELIVERIES[format].only_rate or profile.sample_rate or track_rate
