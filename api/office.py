"""What every view works with: one of each for the process, made once, after any fork."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final, cast

from celery import Celery
from flask import Flask, current_app

from api.limits import Buckets, Seats
from api.storage import CountedObjects
from jobs.ledger import Ledger
from jobs.messages import Doorbell, make_app
from jobs.settings import Settings
from jobs.stores import objects_of
from models_store.shelf import Shelf

PATIENCE_SECONDS: Final = 1.0
"""After boto3's own five tries, which take some seconds, a client is told 503; a worker waits longer."""
MOST_STREAMS: Final = 64
"""Event streams of all tenants together: each holds a thread, and the server has as many more threads."""
MOST_SPEECHES: Final = 32
"""Speeches of all tenants together, each in a thread of its own likewise."""


@dataclass(frozen=True, slots=True)
class Office:
    """The ledger, the stores, the bell and the limits of this process."""

    settings: Settings
    ledger: Ledger
    objects: CountedObjects
    shelf: Shelf
    celery: Celery
    doorbell: Doorbell
    requests: Buckets
    streams: Seats
    speeches: Seats
    closing: threading.Event
    """Set when the server stops, so that event streams end and their threads come home."""


def open_office(settings: Settings) -> Office:
    """The office for these settings. Talks to no server yet."""
    celery = make_app(settings.broker)
    return Office(
        settings=settings,
        ledger=Ledger(settings, n_connections=max(5, settings.api_threads)),
        objects=CountedObjects(objects_of(settings, patience_seconds=PATIENCE_SECONDS)),
        shelf=Shelf(settings.shelf_path, with_stub=settings.stub_voice),
        celery=celery,
        doorbell=Doorbell(celery),
        requests=Buckets(settings.requests_per_minute),
        streams=Seats(settings.event_streams, MOST_STREAMS),
        speeches=Seats(settings.speeches, MOST_SPEECHES),
        closing=threading.Event(),
    )


def set_office(app: Flask, office: Office) -> None:
    """Gives the app its office."""
    app.extensions["lectorium"] = office


def the_office() -> Office:
    """The office of the app that answers the current request."""
    return cast("Office", current_app.extensions["lectorium"])
