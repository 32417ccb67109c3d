"""The object store that the settings name."""

from __future__ import annotations

from jobs.objects import Objects, S3Options, open_objects
from jobs.settings import Settings


def objects_of(settings: Settings, *, patience_seconds: float = 60) -> Objects:
    """The store at `settings.objects_url`. Talks to no server yet.

    A worker bears an outage of `patience_seconds`; who answers a waiting client should bear less.
    """
    return open_objects(
        settings.objects_url,
        S3Options(
            endpoint=settings.s3_endpoint,
            public_endpoint=settings.s3_public_endpoint,
            region=settings.s3_region,
            key_id=settings.s3_key_id,
            secret=settings.s3_secret.get_secret_value() if settings.s3_secret else None,
            addressing=settings.s3_addressing,
            checksums=settings.s3_checksums,
            patience_seconds=patience_seconds,
        ),
    )
