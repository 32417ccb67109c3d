"""How fast a training goes: counted while it goes, carried with what was learnt, told at its end.

Whoever trains from the same weights on such a device next is foretold by it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from jobs.ledger.training_values import MeasuredPace
from speech.training.course import DECODER_STAGE, SEMANTIC_STAGE
from speech.training.expect import lanes_of, speech_seconds_of
from speech.training.options import DecoderOptions, SemanticOptions

PACE: Final = "pace.json"
"""Its name in a course's folder."""
_JOULES_PER_KWH: Final = 3.6e6


class Pacer:
    """Counts seconds and updates of each network, over all the workers that had a hand in it."""

    def __init__(self, folder: Path, device: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Goes on with what is in the folder, if that was counted on such a device; else begins anew.

        Args:
            folder: of the course.
            device: see `speech.training.expect.device_name`.
            clock: seconds.
        """
        self._path, self._device, self._clock = folder / PACE, device, clock
        self._stages: dict[str, list[float]] = {}
        self._wall_seconds = 0.0
        self._is_whole = True
        if self._path.exists():
            self._go_on(json.loads(self._path.read_text("utf-8")))
        self._since = clock()

    def _go_on(self, kept: dict[str, Any]) -> None:
        self._is_whole = bool(kept["is_whole"]) and kept["device"] == self._device
        if kept["device"] == self._device:
            self._stages = {stage: list(counted) for stage, counted in kept["stages"].items()}
            self._wall_seconds = float(kept["wall_seconds"])

    def add(self, stage: str, seconds: float) -> None:
        """An update of this stage took so long."""
        counted = self._stages.setdefault(stage, [0, 0.0])
        counted[0] += 1
        counted[1] += seconds

    def update_seconds(self) -> dict[str, float]:
        """The mean of an update of each stage that has had any, on this device."""
        return {stage: seconds / n for stage, (n, seconds) in self._stages.items()}

    def write(self) -> None:
        """Puts it down in the folder."""
        now = self._clock()
        self._wall_seconds += now - self._since
        self._since = now
        kept = {
            "device": self._device,
            "stages": self._stages,
            "wall_seconds": self._wall_seconds,
            "is_whole": self._is_whole,
        }
        self._path.write_text(json.dumps(kept), "utf-8")

    def pace(
        self,
        weights_digest: str,
        seconds: Sequence[float],
        decoder: DecoderOptions | None,
        semantic: SemanticOptions,
        *,
        kwh: float,
    ) -> MeasuredPace:
        """What came of it.

        Args:
            weights_digest: of the base.
            seconds: of each recording that was learnt from.
            decoder: how the decoder learnt.
            semantic: how the semantic model learnt.
            kwh: what all of it drew.
        """
        wall_seconds = self._wall_seconds + self._clock() - self._since
        update = self.update_seconds()
        of_decoder, of_semantic = update.get(DECODER_STAGE), update.get(SEMANTIC_STAGE)
        return MeasuredPace(
            self._device,
            weights_digest,
            of_decoder / lanes_of(decoder) if decoder and of_decoder is not None else None,
            None if of_semantic is None else of_semantic / speech_seconds_of(seconds, semantic),
            kwh * _JOULES_PER_KWH / wall_seconds if self._is_whole and wall_seconds > 0 else None,
        )
