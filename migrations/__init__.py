"""Alembic revisions of the ledger, forward only."""
