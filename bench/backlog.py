"""A database of our own with a large backlog in it, written by the server itself in a few statements."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import psycopg

from jobs.ledger import Ledger
from jobs.migrate import upgrade
from jobs.settings import Settings

SERVER: Final = "postgresql://postgres@127.0.0.1:5432/postgres"
LOOPBACK: Final = {None, "127.0.0.1", "localhost", "::1"}
"""None: over a socket in the file system."""
CHUNK_UTTERANCES: Final = 16


@dataclass(frozen=True, slots=True)
class Backlog:
    """What lies in the ledger before anybody claims."""

    n_chunks: int = 1_000_000
    n_voices: int = 10_000
    chunks_a_book: int = 50
    """A book has one voice and 72 minutes of sound; books were submitted one after the other."""
    n_history: int = 0
    """Chunks that were finished long ago."""


@contextmanager
def own_database(server: str) -> Iterator[str]:
    """The address of a new, migrated database on this server, dropped at the end.

    Raises:
        ValueError: the server is not on this machine, whose load is nobody else's business.
    """
    if urlsplit(server).hostname not in LOOPBACK:
        raise ValueError(f"{server}: the server must be one of this machine, at 127.0.0.1")
    name = f"lectorium_bench_{secrets.token_hex(4)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8'")
    try:
        url = f"{server.rsplit('/', 1)[0]}/{name}"
        upgrade(url)
        yield url
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def fill(url: str, backlog: Backlog) -> None:
    """Writes the backlog: first a book for each voice, then books by popularity, all in one random order.

    The voice of rank r is asked for 1/r as often as the first (Zipf), over and above its first book.
    """
    with Ledger(Settings(ledger=url)) as ledger:
        tenant_id = ledger.keys.create_tenant("bench")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        connection.execute("SELECT setseed(0.25)")
        _write_books(connection, tenant_id, backlog)
        _write_chunks(connection, backlog)
        connection.execute("VACUUM ANALYZE")


def _write_books(connection: psycopg.Connection, tenant_id: str, backlog: Backlog) -> None:
    n_books = -(-backlog.n_chunks // backlog.chunks_a_book)
    n_old = -(-backlog.n_history // backlog.chunks_a_book)
    connection.execute(
        "CREATE TABLE popularity AS SELECT rank, sum(1.0 / rank) OVER (ORDER BY rank) AS upto"
        " FROM generate_series(1, %s) AS rank",
        (backlog.n_voices,),
    )
    connection.execute("CREATE INDEX ON popularity (upto)")
    connection.execute(
        "CREATE TABLE books AS SELECT number, row_number() OVER (ORDER BY number > %(n)s, random()) AS place,"
        " CASE WHEN number <= %(voices)s THEN number ELSE (SELECT rank FROM popularity WHERE upto >="
        " draw * (SELECT max(upto) FROM popularity) ORDER BY upto LIMIT 1) END AS voice,"
        " lpad(to_hex(number), 26, '0') AS job_id, number > %(n)s AS is_old"
        " FROM (SELECT number, random() AS draw FROM generate_series(1, %(n)s + %(old)s) AS number) AS drawn",
        {"n": n_books, "old": n_old, "voices": backlog.n_voices},
    )
    connection.execute(
        "INSERT INTO jobs (id, tenant_id, kind, state, spec, title, priority, version, n_characters,"
        " n_utterances, n_utterances_done, audio_seconds, created_at, started_at, ended_at)"
        " SELECT job_id, %(tenant)s, 'narration', CASE WHEN is_old THEN 'succeeded' ELSE 'running' END,"
        " jsonb_build_object('voice', 'voice-' || voice), '', 5, 1, 0, %(n)s,"
        " CASE WHEN is_old THEN %(n)s ELSE 0 END, 0, 1, 1, CASE WHEN is_old THEN 2 END FROM books",
        {"tenant": tenant_id, "n": backlog.chunks_a_book * CHUNK_UTTERANCES},
    )
    connection.execute(
        "INSERT INTO artefacts (tenant_id, job_id, kind, name, key, sha256, n_bytes, media_type, created_at)"
        " SELECT %s, job_id, 'script', '', job_id || '/script', repeat('0', 64), 1, 'application/json', 1"
        " FROM books",
        (tenant_id,),
    )
    connection.execute(
        "INSERT INTO chapters (job_id, index, title, n_characters, n_utterances, n_utterances_done,"
        " audio_seconds, script_id) SELECT job_id, 1, '', 0, %s, 0, 0, id FROM artefacts",
        (backlog.chunks_a_book * CHUNK_UTTERANCES,),
    )


def _write_chunks(connection: psycopg.Connection, backlog: Backlog) -> None:
    """In line order the books come one after the other; a book's master waits for all its chunks."""
    connection.execute(
        "INSERT INTO steps (job_id, tenant_id, kind, state, chapter_index, priority, not_before, epoch,"
        " attempt, suspects) SELECT id, tenant_id, 'master', 'blocked', 1, 5, 0, 0, 0, '{}' FROM jobs"
        " WHERE state = 'running'"
    )
    connection.execute(
        "INSERT INTO steps (job_id, tenant_id, kind, state, chapter_index, priority, not_before, epoch,"
        " attempt, suspects, first_utterance, n_utterances, weights_digest, releases_id, ready_at, ended_at)"
        " SELECT jobs.id, jobs.tenant_id, 'synthesize', CASE WHEN is_old THEN 'succeeded' ELSE 'ready' END,"
        " 1, 5, 0, 0, 0, '{}', %(chunk)s * (chunk - 1), %(chunk)s,"
        " encode(sha256(convert_to('voice-' || voice, 'UTF8')), 'hex'), masters.id,"
        " extract(epoch FROM statement_timestamp()), CASE WHEN is_old THEN 2 END"
        " FROM books JOIN jobs ON jobs.id = books.job_id LEFT JOIN steps AS masters"
        " ON masters.job_id = jobs.id, generate_series(1, %(chunks)s) AS chunk"
        " ORDER BY is_old DESC, place, chunk",
        {"chunk": CHUNK_UTTERANCES, "chunks": backlog.chunks_a_book},
    )
