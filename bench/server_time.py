"""What a claim costs the database server itself: the execution of its statements, as PostgreSQL times them.

Without the way there and back, the commit's flush and the planning, which is done once for a connection. The
server's own `auto_explain` tells the times; it needs a superuser.
"""

from __future__ import annotations

import re
from typing import Any, Final

from sqlalchemy import event, text

from bench.fleet import CHUNKS, CLAIM_CHUNKS, LEASE_SECONDS
from jobs.ledger import Ledger
from jobs.settings import Settings

N_CLAIMS: Final = 60
N_FIRST: Final = 20
"""Claims that are not counted: until then statements are planned and pages read."""
N_HELD: Final = 64
_DURATION: Final = re.compile(r"duration: ([\d.]+) ms")


def time_claims(url: str) -> list[float]:
    """Milliseconds of server time of each of some claims, one after another, given back at once.

    The worker that claims holds `N_HELD` weights from further down the line, and speaks with none of them.

    Args:
        url: of a PostgreSQL ledger in which chunks are ready.
    """
    durations: list[float] = []
    with Ledger(Settings(ledger=url), n_connections=1) as ledger:

        @event.listens_for(ledger.database.engine, "connect")
        def _listen(connection: Any, _record: object) -> None:
            connection.add_notice_handler(
                lambda told: durations.extend(map(float, _DURATION.findall(told.message_primary)))
            )
            connection.execute("LOAD 'auto_explain'")
            connection.execute("SET auto_explain.log_min_duration = 0")
            connection.execute("SET auto_explain.log_level = 'notice'")
            connection.commit()

        with ledger.database.read() as tx:
            held = tx.execute(
                text(
                    "SELECT DISTINCT weights_digest FROM (SELECT weights_digest FROM steps WHERE"
                    " state = 'ready' AND kind = 'synthesize' ORDER BY id OFFSET 5000 LIMIT 5000)"
                    " AS later LIMIT :n"
                ),
                {"n": N_HELD},
            )
            resident = list(held.scalars())
        figures = []
        for _ in range(N_CLAIMS):
            durations.clear()
            claims = ledger.steps.claim(
                CHUNKS,
                owner="bench-server",
                lease_seconds=LEASE_SECONDS,
                most=CLAIM_CHUNKS,
                weights="0" * 64,
                resident=resident,
            )
            figures.append(sum(durations))
            for claim in claims:
                ledger.steps.release(claim, reason="the bench is over")
    return figures[N_FIRST:]
