"""Any sound file becomes mono samples, whoever sent it: no file but the one named is ever opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import av.error
import numpy as np
import numpy.typing as npt

from book.sound import resampled
from speech.errors import VoiceError
from speech.levels import clipped_share
from speech.units import SAMPLE_RATE

Sound = npt.NDArray[np.float32]

_FORMATS: Final = "aac,aiff,amr,ape,asf,au,caf,flac,matroska,webm,mov,mp4,m4a,3gp,mp3,ogg,tta,w64,wav,wv"
"""Containers that hold sound themselves: not playlists, which name other files for the decoder to open."""


class HearingError(VoiceError):
    """The file holds no sound that can be used; the message says why, without the file's name."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A file's sound."""

    sound: Sound
    """Mono, `[N]`, at its own rate."""
    rate: int
    clipped: float
    """The share of its samples that is cut off at the top, in its worst channel."""

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.sound.size / self.rate

    def at_rest(self) -> Sound:
        """The sound at `units.SAMPLE_RATE`, within -1...1."""
        if not self.sound.size:
            return self.sound
        sound = np.concatenate(list(resampled([self.sound], self.rate, SAMPLE_RATE)))
        return np.asarray(sound / max(1.0, float(np.abs(sound).max(initial=0.0))), np.float32)


def hear(path: Path, *, most_seconds: float) -> Heard:
    """The sound of the file at `path`, of any rate and number of channels.

    Args:
        path: any sound file libav reads.
        most_seconds: after so long no more is decoded; what there is then is longer than that.

    Raises:
        HearingError: it cannot be read as sound, holds none, or samples that are no numbers.
    """
    blocks: list[Sound] = []
    n_samples = 0
    try:
        # An open file, and a list of containers: no other file or address is ever opened for this one.
        options = {"format_whitelist": _FORMATS}
        with path.open("rb") as file, av.open(file, "r", options=options) as container:
            if not container.streams.audio:
                raise HearingError("holds no sound")
            stream = container.streams.audio[0]
            stream.codec_context.thread_count = 1
            rate = stream.codec_context.sample_rate
            to_float = av.AudioResampler(format="fltp")
            for frame in container.decode(stream):
                blocks += [part.to_ndarray().astype(np.float32) for part in to_float.resample(frame)]
                n_samples += frame.samples
                if n_samples > most_seconds * rate:
                    break
    except (av.error.FFmpegError, OSError) as error:
        raise HearingError(f"cannot be read as sound: {error.strerror}") from error
    if len({block.shape[0] for block in blocks}) != 1 or not rate:
        raise HearingError("changes its channels" if blocks else "holds no sound")
    channels = np.concatenate(blocks, axis=1)  # [C, N]
    if not np.isfinite(channels).all():
        raise HearingError("holds samples that are no numbers")
    clipped = max(clipped_share(channel) for channel in channels)
    return Heard(channels.mean(axis=0, dtype=np.float32), rate, clipped)
