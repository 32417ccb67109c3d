"""Everything a worker process works with, opened once."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from jobs.errors import LedgerUnavailableError
from jobs.ledger import Ledger
from jobs.ledger.claims import Ahead
from jobs.ledger.values import Claim
from jobs.messages import Doorbell, make_app
from jobs.objects import Objects
from jobs.settings import Settings
from jobs.stores import objects_of
from models_store.cache import VoiceCache
from models_store.scripts import Script, thaw
from models_store.shelf import Shelf
from worker.lease import Watch
from worker.owner import owner_name
from worker.voices import make_cache

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")
OUTAGE_WAITS: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True)
class Workshop:
    """Settings, ledger, objects, doorbell, shelf, voices at hand and the watch over the claims in hand."""

    settings: Settings
    ledger: Ledger
    objects: Objects
    doorbell: Doorbell
    shelf: Shelf
    voices: VoiceCache
    watch: Watch
    owner: str

    def script_of(self, claim: Claim | Ahead) -> Script:
        """The script of the claim's chapter."""
        chapters = self.insist(lambda: self.ledger.jobs.chapters(claim.tenant_id, claim.job_id))
        chapter = next(chapter for chapter in chapters if chapter.index == claim.chapter_index)
        return thaw(self.objects.get(chapter.script_key, sha256=chapter.script_sha256))

    def insist(self, ask: Callable[[], Answer]) -> Answer:
        """The ledger's answer, however long its database is away; what is in hand is kept meanwhile.

        Raises:
            StoppingError: the worker was asked to stop while it waited.
        """
        n_tries = 0
        while True:
            try:
                return ask()
            except LedgerUnavailableError as error:
                wait = OUTAGE_WAITS[min(n_tries, len(OUTAGE_WAITS) - 1)]
                log.warning("%s; trying again in %.1f s", error, wait)
                n_tries += 1
                self.watch.wait(wait)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder that is gone at the end of the block."""
        folder = Path(tempfile.mkdtemp(prefix="lectorium-"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def open_workshop(settings: Settings) -> Workshop:
    """The workshop of this process. Call it after any fork."""
    ledger = Ledger(settings, n_connections=4)  # the work, the lease, the sweep, a look ahead
    return Workshop(
        settings=settings,
        ledger=ledger,
        objects=objects_of(settings),
        doorbell=Doorbell(make_app(settings.broker)),
        shelf=Shelf(settings.shelf_path, with_stub=settings.stub_voice),
        voices=make_cache(settings),
        watch=Watch(ledger, settings),
        owner=owner_name(os.getpid()),
    )
