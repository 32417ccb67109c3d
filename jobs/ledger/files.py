"""Rows of stored files and of the takes that lie in them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields
from operator import attrgetter

from sqlalchemy import ColumnElement, Connection, delete, select

from jobs.ledger.database import Database, Transaction, batched
from jobs.ledger.values import ArtefactView, FoundTake, Stored, TakeRange, storable
from jobs.tables import Artefact, Take


def add_artefacts(
    tx: Transaction, database: Database, tenant_id: str, job_id: str | None, files: Sequence[Stored]
) -> list[int]:
    """The row ids of these files, in order; a file that has its row already keeps it."""
    if not files:
        return []
    created_at = database.clock.read(tx.connection)
    tx.execute(
        database.insert_new(Artefact),
        [
            {
                "tenant_id": tenant_id,
                "job_id": job_id,
                "kind": file.kind,
                "name": storable(file.name),
                "key": file.key,
                "sha256": file.sha256,
                "n_bytes": file.n_bytes,
                "media_type": file.media_type,
                "chapter_index": file.chapter_index,
                "created_at": created_at,
            }
            # by key: two transactions that add the same files wait for each other in one direction only
            for file in sorted(files, key=attrgetter("key"))
        ],
    )
    ids = _artefact_ids(tx, tenant_id, {file.key for file in files})
    return [ids[file.key] for file in files]


def read_artefacts(tx: Connection, *conditions: ColumnElement[bool]) -> list[ArtefactView]:
    """The stored files that meet these conditions, in the order they were made."""
    columns = [getattr(Artefact, field.name) for field in fields(ArtefactView)]
    rows = tx.execute(select(*columns).where(*conditions).order_by(Artefact.id))
    return [ArtefactView(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public accessor


def add_takes(tx: Transaction, database: Database, tenant_id: str, takes: Sequence[TakeRange]) -> None:
    """Rows for these takes; where two workers made the same take, the first one stays.

    Raises:
        ValueError: a take lies in a render that has no row.
    """
    if not takes:
        return
    render_ids = _artefact_ids(tx, tenant_id, {take.render_key for take in takes})
    homeless = [take.render_key for take in takes if take.render_key not in render_ids]
    if homeless:
        raise ValueError(f"a take lies in {homeless[0]}, which was never recorded")
    tx.execute(
        database.insert_new(Take),
        [
            {
                "tenant_id": tenant_id,
                "digest": take.digest,
                "render_id": render_ids[take.render_key],
                "first_sample": take.first_sample,
                "n_samples": take.n_samples,
                "doubts": list(map(storable, take.doubts)) or None,
            }
            for take in sorted(takes, key=attrgetter("digest"))
        ],
    )


def _artefact_ids(tx: Transaction, tenant_id: str, keys: Collection[str]) -> dict[str, int]:
    ids: dict[str, int] = {}
    for some in batched(sorted(keys)):
        rows = tx.execute(
            select(Artefact.key, Artefact.id).where(Artefact.tenant_id == tenant_id, Artefact.key.in_(some))
        )
        ids |= {row.key: row.id for row in rows}
    return ids


class Takes:
    """The stored takes of every tenant, found by their digests."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, tenant_id: str, digests: Collection[str]) -> dict[str, FoundTake]:
        """Digest -> where the take lies, for those of `digests` that this tenant has."""
        found: dict[str, FoundTake] = {}
        with self._database.read() as tx:
            for some in batched(sorted(digests)):
                rows = tx.execute(
                    select(
                        Take.digest,
                        Take.first_sample,
                        Take.n_samples,
                        Take.doubts,
                        Artefact.key,
                        Artefact.sha256,
                    )
                    .join(Artefact, Artefact.id == Take.render_id)
                    .where(Take.tenant_id == tenant_id, Take.digest.in_(some))
                )
                for row in rows:
                    found[row.digest] = FoundTake(
                        row.digest,
                        row.key,
                        row.sha256,
                        row.first_sample,
                        row.n_samples,
                        tuple(row.doubts or ()),
                    )
        return found

    def forget(self, tenant_id: str, digests: Collection[str]) -> None:
        """Drops takes whose render turned out missing or corrupt, so that they are made again."""
        with self._database.write() as tx:
            for some in batched(sorted(digests)):
                tx.execute(delete(Take).where(Take.tenant_id == tenant_id, Take.digest.in_(some)))
