"""A voice at work lets the watch know that it gets further, however long one take of it lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from speech.voice import Voice, Working


@contextmanager
def heard_by(voice: Voice, got_further: Callable[[], None]) -> Iterator[None]:
    """Within the block, a voice that tells of its beats tells them to `got_further`."""
    if not isinstance(voice, Working):
        yield
        return
    before, voice.on_beat = voice.on_beat, got_further
    try:
        yield
    finally:
        voice.on_beat = before
