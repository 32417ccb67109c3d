"""Alembic's entry: runs on the connection that `jobs.migrate` or `python -m migrations` gives it."""

from __future__ import annotations

from alembic import context

from jobs.tables import Base


def is_comparable(thing: object, _name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
    """Whether `alembic check` and a new revision should look at it.

    SQLite tells no expressions of an index; our tests compare those on both databases themselves.
    """
    if kind != "index" or context.get_context().dialect.name != "sqlite":
        return True
    return getattr(thing, "name", None) not in {"ix_steps_ready", "ix_steps_ready_weights"}


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite can alter little: a table is copied
    transactional_ddl=True,  # on SQLite too: we say BEGIN ourselves
    compare_server_default=True,
    include_object=is_comparable,
)
with context.begin_transaction():
    context.run_migrations()
