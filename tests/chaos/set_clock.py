"""A database whose time of day is set, for real processes: only the database's clock counts for them."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import psycopg

_MAKE: Final = """
CREATE TABLE public.set_clock (ahead interval NOT NULL);
INSERT INTO public.set_clock VALUES ('0');
CREATE FUNCTION public.statement_timestamp() RETURNS timestamptz STABLE LANGUAGE sql
    AS 'SELECT pg_catalog.statement_timestamp() + (SELECT ahead FROM public.set_clock)';
"""


class SetDatabase:
    """A PostgreSQL database whose `statement_timestamp()` is ours; the time goes on from what it is set to.

    Names are looked up in `public` first, in every connection made from then on: what asks for the time asks
    the function there. Make it before anything else connects.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(_MAKE)
            name = connection.info.dbname
            connection.execute(f'ALTER DATABASE "{name}" SET search_path = public, pg_catalog')

    def set(self, now: datetime) -> None:
        """From now on it is so late, everywhere at once."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(
                "UPDATE public.set_clock SET ahead = %s - pg_catalog.statement_timestamp()", [now]
            )
