"""The next voice, loaded while another one speaks: in a thread, and kept until it is its turn."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack

from models_store.cache import Source, VoiceCache
from models_store.manifest import VoiceManifest
from speech.errors import SpeechError

log = logging.getLogger(__name__)

Find = Callable[[], tuple[Source, VoiceManifest] | None]
"""Says which voice will be wanted, and where it comes from; None if it need not be fetched."""


class VoiceAhead:
    """Fetches voices into a cache ahead of those who will ask for them.

    What is fetched stays in the cache until another is, or has to `make_way`. Nothing that is in use has to
    leave for it, and where there is no room it is not fetched.
    """

    def __init__(self, voices: VoiceCache) -> None:
        self._voices = voices
        self._held = ExitStack()
        self._weights_digest = ""
        self._thread: threading.Thread | None = None

    def fetch(self, find: Find) -> None:
        """Finds a voice and loads it, beside the caller; does nothing while an earlier one is being loaded.

        What goes wrong is told to whoever speaks with the voice, and here only logged.
        """
        if self._thread is not None and self._thread.is_alive():
            return
        self._thread = threading.Thread(target=self._fetch, args=(find,), name="voice ahead", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Returns when nothing is being loaded."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def make_way(self, manifest: VoiceManifest | None = None) -> None:
        """What was fetched may leave the cache, unless it is this voice; waits for no load."""
        is_loading = self._thread is not None and self._thread.is_alive()
        if not is_loading and (manifest is None or manifest.weights_digest != self._weights_digest):
            self._held.close()

    def close(self) -> None:
        """Waits for what is being loaded, and lets go of it."""
        self.wait()
        self._held.close()

    def _fetch(self, find: Find) -> None:
        try:
            found = find()
            if found is None or self._voices.holds(found[1]):
                return
            self._held.close()  # its turn has come, or has passed
            if not self._voices.has_room_for(found[1]):
                log.info("voice %s is not fetched ahead: there is no room for it", found[1].name)
                return
            self._weights_digest = found[1].weights_digest
            self._held.enter_context(self._voices.use(*found, ahead=True))
        except SpeechError as error:
            log.warning("a voice could not be fetched ahead: %s", error)
        except Exception:  # the ledger or the store does not answer: whoever needs the voice will ask again
            log.warning("a voice could not be fetched ahead", exc_info=True)
