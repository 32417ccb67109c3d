"""Any sound file becomes mono samples, whoever sent it: it is decoded by a process that can do no harm.

The child (`book.harmless`, `models_store.hearing_child`) can reach neither disk nor network, and has limits.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from book.harmless import (
    UnopenedError,
    answer_of,
    exit_name,
    one_line,
    open_regular,
    start_reader,
    wait_for_end,
)
from book.sound import resampled
from speech.errors import VoiceError
from speech.levels import clipped_share
from speech.units import SAMPLE_RATE

Sound = npt.NDArray[np.float32]

_WALL_SECONDS: Final = 300.0
"""The child's own limits are of processor time; this one is for a machine that gives it none."""


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
    answer = _decoded(path, most_seconds)
    head_bytes = answer.find(b"\n") + 1
    try:
        told = json.loads(answer[:head_bytes])
        if "error" in told:
            raise HearingError(one_line(str(told["error"])))
        channels = np.frombuffer(answer, "<f4", offset=head_bytes).reshape(-1, told["channels"]).T  # [C, N]
        rate = int(told["rate"])
    except (ValueError, TypeError, KeyError) as error:
        raise HearingError("made its decoder answer nonsense") from error
    if not np.isfinite(channels).all():
        raise HearingError("holds samples that are no numbers")
    clipped = max(clipped_share(channel) for channel in channels)
    return Heard(channels.mean(axis=0, dtype=np.float32), rate, clipped)


def _decoded(path: Path, most_seconds: float) -> bytes:
    """The child's answer."""
    deadline = time.monotonic() + _WALL_SECONDS + most_seconds
    try:
        with (
            open_regular(path) as file,
            start_reader("models_store.hearing_child", [str(most_seconds)], file) as child,
        ):
            try:
                answer = b"".join(answer_of(child, deadline))
                return_code = wait_for_end(child, deadline)
            finally:
                child.kill()
    except UnopenedError as error:
        raise HearingError(f"cannot be read as sound: {error}") from error
    except TimeoutError as error:
        raise HearingError("takes too long to decode") from error
    if return_code:
        raise HearingError(f"made its decoder crash ({exit_name(return_code)})")
    return answer
