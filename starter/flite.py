"""One sentence becomes sound, with the moment each phone ends: flite (Debian: `apt-get install flite`).

Its voices were recorded and trained at Carnegie Mellon University, under a licence of the BSD kind; so what
they speak may be learnt from and passed on.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from speech.errors import TrainingError
from speech.gpt_sovits.recording import resample
from starter.narrators import VOICES, Narrator
from starter.phones import id_of

SAMPLE_RATE: Final = 16_000
_MOST_SECONDS: Final = 60.0  # for one sentence, which takes about 0.1 s
_MOST_MORE: Final = 0.05  # seconds of sound after the last phone's end


@dataclass(frozen=True, slots=True)
class Spoken:
    """A sentence as it was spoken."""

    sound: Tensor
    """`int16[N]` at 16 kHz."""
    phones: Tensor
    """`int64[P]`"""
    ends: Tensor
    """`int64[P]`: the sample at which each phone ends, rising; the last one is N."""


def is_installed() -> bool:
    """Whether this machine has flite."""
    return shutil.which("flite") is not None


def speak(narrator: Narrator, text: str) -> Spoken:
    """What flite says. The same bits for the same narrator and text.

    Raises:
        TrainingError: there is no flite, or what it gave cannot be used; the message begins with the text.
    """
    program = shutil.which("flite")
    if program is None:
        raise TrainingError("flite is not installed: apt-get install flite")
    with tempfile.TemporaryDirectory(prefix="flite") as folder:
        path = Path(folder) / "spoken.wav"
        order = [program, "-voice", VOICES[narrator.voice], "-psdur", "-o", str(path), "-t", text]
        order[1:1] = _settings_of(narrator)
        done = subprocess.run(order, capture_output=True, text=True, timeout=_MOST_SECONDS, check=False)
        if done.returncode or not path.is_file():
            raise TrainingError(
                f"{text[:40]!r}: flite ended with {done.returncode}: {done.stderr.strip()[:200]}"
            )
        with wave.open(str(path), "rb") as file:
            rate, width, n_channels = file.getframerate(), file.getsampwidth(), file.getnchannels()
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    if (rate, width, n_channels) != (SAMPLE_RATE, 2, 1):
        raise TrainingError(f"{text[:40]!r}: flite gave {n_channels} × {8 * width} bits at {rate} Hz")
    names, seconds = _read_ends(done.stdout, text)
    if (
        not seconds[-2] < len(samples) / rate < seconds[-1] + _MOST_MORE
    ):  # kal16 breaks off in the last silence
        raise TrainingError(
            f"{text[:40]!r}: phones end at {seconds[-1]} s, the sound at {len(samples) / rate} s"
        )
    sound = torch.from_numpy(samples.copy())
    ends = (torch.tensor(seconds, dtype=torch.float64) / float(narrator.tract) * SAMPLE_RATE).round().long()
    if narrator.tract != 1:
        # Played `tract` times as fast; `_settings_of` has made it as much longer.
        played = resample(sound.float(), narrator.tract.numerator, narrator.tract.denominator)
        sound = played.round().clamp(-32768, 32767).to(torch.int16)
    ends[-1] = len(sound)
    return Spoken(sound, torch.tensor([id_of(name) for name in names]), ends.clamp_max(len(sound)))


def _settings_of(narrator: Narrator) -> list[str]:
    stretch = narrator.stretch * narrator.tract
    settings = [] if stretch == 1 else ["--setf", f"duration_stretch={float(stretch):.4f}"]
    if narrator.hertz is not None:
        # The tract will raise it again, so that the pitch is the one that was asked for.
        settings += ["--setf", f"int_f0_target_mean={float(narrator.hertz / narrator.tract):.2f}"]
    return settings


def _read_ends(told: str, text: str) -> tuple[list[str], list[float]]:
    """`pau:0.119 hh:0.212 …` as names and ends in seconds."""
    try:
        pairs = [word.split(":") for word in told.split()]
        names, seconds = [name for name, _ in pairs], [float(end) for _, end in pairs]
    except ValueError:
        raise TrainingError(f"{text[:40]!r}: flite told phones that cannot be read: {told[:80]!r}") from None
    if len(names) < 3 or seconds != sorted(seconds):
        raise TrainingError(f"{text[:40]!r}: flite says nothing, or in no order: {told[:80]!r}")
    return names, seconds
