"""The process that decodes a stranger's sound file: libav reads many formats, few of them often attacked.

Started by `models_store.hearing` with the file as standard input. It loads libav, gives up the disk and the
network, decodes, and answers: a line of JSON, and of what is sound the samples, `float32[N, C]`.
"""

from __future__ import annotations

import json
import os
from typing import Any, Final, NoReturn

from book.limited import address_space, answer, give_up_files, limit_memory, limit_processor_time

_FORMATS: Final = "aac,aiff,amr,ape,asf,au,caf,flac,matroska,webm,mov,mp4,m4a,3gp,mp3,ogg,tta,w64,wav,wv"
"""Containers that hold sound themselves: not playlists, which name other files for the decoder to open."""
_START_SECONDS: Final = 60.0
"""Of processor time, for loading libav, which no file has any part in."""
_READ_SECONDS: Final = 5.0
_READ_SECONDS_A_SECOND: Final = 0.2
"""A twentieth of it is usual; the slowest format needs most of it."""
_READ_MEMORY: Final = 256 << 20
_MOST_BYTES_A_SECOND: Final = 2 << 20
"""Eight channels at 48,000 samples a second, or two at 192,000, and some more."""


class _UnfitError(Exception):
    """The file is no sound; the message says why."""


def main(arguments: list[str]) -> NoReturn:
    """Decodes what is on standard input, so many seconds of it, answers, ends the process."""
    [most_seconds] = map(float, arguments)
    try:
        sound, described = _decode(most_seconds)
    except MemoryError:
        _fail("needs more memory to decode than a recording does")
    except _UnfitError as error:
        _fail(str(error))
    except Exception as error:  # noqa: BLE001 - the border: whatever libav raised becomes one line
        _fail(f"cannot be read as sound: {getattr(error, 'strerror', None) or error}")
    answer(json.dumps(described).encode() + b"\n", sound)


def _decode(most_seconds: float) -> tuple[bytes, dict[str, Any]]:
    """The samples, and what they are: their rate and number of channels."""
    limit_processor_time(_START_SECONDS, _too_slow)
    import av
    import av.subtitles.stream  # a stream of each kind may be met, and soon no module can be read
    import av.video.stream

    limit_processor_time(_READ_SECONDS + _READ_SECONDS_A_SECOND * most_seconds, _too_slow)
    most_bytes = round(_MOST_BYTES_A_SECOND * most_seconds)
    limit_memory(address_space() + _READ_MEMORY + 3 * most_bytes)  # as it grows it is copied, and answered
    give_up_files()
    sound = bytearray()
    n_samples, n_channels = 0, 0
    with (
        os.fdopen(0, "rb", closefd=False) as file,
        av.open(file, "r", options={"format_whitelist": _FORMATS}) as container,
    ):
        if not container.streams.audio:
            raise _UnfitError("holds no sound")
        stream = container.streams.audio[0]
        stream.codec_context.thread_count = 1
        rate = stream.codec_context.sample_rate
        to_float = av.AudioResampler(format="flt")
        for frame in container.decode(stream):
            n_channels = n_channels or frame.layout.nb_channels
            if frame.layout.nb_channels != n_channels:
                raise _UnfitError("changes its channels")
            for part in to_float.resample(frame):
                sound += memoryview(part.planes[0]).cast("B")[: part.samples * n_channels * 4]
            if len(sound) > most_bytes:
                raise _UnfitError("has more channels, or more samples a second, than a recording")
            n_samples += frame.samples
            if n_samples > most_seconds * rate:
                break
    if not sound or not rate:
        raise _UnfitError("holds no sound")
    return bytes(sound), {"rate": rate, "channels": n_channels}


def _too_slow() -> NoReturn:
    _fail("takes too long to decode")


def _fail(reason: str) -> NoReturn:
    answer(json.dumps({"error": reason[:2000]}).encode() + b"\n")
