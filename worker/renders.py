"""Renders: the takes of one chunk, end to end in one stored FLAC file, named by its own digest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from book.encode import TRACK_ENCODING
from book.sound import Source, Writer
from jobs.ledger.values import FoundTake, Stored, TakeRange
from jobs.objects import CorruptObjectError, ObjectMissingError, Objects
from speech.units import SAMPLE_RATE
from speech.voice import Samples, Take
from worker.errors import LostTakeError
from worker.files import store

MEDIA_TYPE: Final = "audio/flac"


@dataclass(frozen=True, slots=True)
class Render:
    """A stored render, to be given its rows."""

    artefact: Stored
    takes: tuple[TakeRange, ...]


def store_render(objects: Objects, tenant_id: str, takes: Iterable[Take], folder: Path) -> Render:
    """The render of these takes, stored under the tenant. Their `key` is what they are found by."""
    path = folder / "render.flac"
    ranges: list[tuple[Take, int]] = []
    with Writer(path, TRACK_ENCODING, SAMPLE_RATE) as writer:
        for take in takes:
            ranges.append((take, writer.n_samples))
            writer.write(take.samples)
    artefact = store(objects, path, folder=f"t/{tenant_id}/renders", kind="render", media_type=MEDIA_TYPE)
    return Render(
        artefact,
        tuple(
            TakeRange(take.key, artefact.key, first_sample, take.samples.size, take.doubts)
            for take, first_sample in ranges
        ),
    )


class RenderReader:
    """Takes out of stored renders. Holds one render at a time: the takes of a chapter lie side by side."""

    def __init__(self, objects: Objects, folder: Path) -> None:
        self._objects = objects
        self._path = folder / "fetched.flac"
        self._key = ""
        self._sound: Samples = np.zeros(0, np.float32)

    def read(self, takes: Iterable[FoundTake]) -> Iterator[Samples]:
        """The samples `[N]` of each take, in the order given.

        Raises:
            LostTakeError: a render is missing or corrupt.
        """
        for take in takes:
            if take.render_key != self._key:
                try:
                    self._objects.fetch(take.render_key, self._path, sha256=take.render_sha256)
                except (ObjectMissingError, CorruptObjectError) as error:
                    raise LostTakeError(f"the render {take.render_key} is lost") from error
                self._sound = np.concatenate(list(Source.open(self._path).blocks()))
                self._key = take.render_key
            yield self._sound[take.first_sample : take.first_sample + take.n_samples]
