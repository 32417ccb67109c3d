"""Webhook messages: rows that are tried until they are delivered or given up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select, update

from jobs.ledger.database import Database
from jobs.tables import Delivery, Tenant

WAITS_SECONDS: Final = (5, 30, 120, 600, 3600, 4 * 3600, 12 * 3600, 24 * 3600)
"""How long after each failed try the next one comes; then the delivery is abandoned (about two days)."""


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """A delivery in one worker's hands until `seconds` have passed."""

    id: str
    tenant_id: str
    job_id: str
    url: str
    body: dict[str, Any]
    secret: str
    attempt: int


class Deliveries:
    """Webhook messages waiting to be delivered."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._clock = database.clock

    def claim(self, *, most: int = 10, seconds: float = 60.0) -> list[DueDelivery]:
        """Up to `most` deliveries that are due, this worker's for so many seconds.

        One whose last try ended its worker is given up, as one whose last try failed.
        """
        with self._database.write() as tx:
            due = tx.execute(
                select(Delivery.id, Delivery.attempt)
                .where(Delivery.state == "waiting", Delivery.not_before <= self._clock.now())
                .order_by(Delivery.not_before)
                .limit(most)
                .with_for_update(key_share=True, skip_locked=True)
            )
            claimed: list[DueDelivery] = []
            for waiting in due.all():
                if waiting.attempt > len(WAITS_SECONDS):
                    tx.execute(update(Delivery).where(Delivery.id == waiting.id).values(state="abandoned"))
                    continue
                row = tx.execute(
                    update(Delivery)
                    .where(Delivery.id == waiting.id)
                    .values(attempt=Delivery.attempt + 1, not_before=self._clock.now() + seconds)
                    .returning(
                        Delivery.id,
                        Delivery.tenant_id,
                        Delivery.job_id,
                        Delivery.url,
                        Delivery.body,
                        Delivery.attempt,
                    )
                ).one()
                secret = tx.execute(
                    select(Tenant.webhook_secret).where(Tenant.id == row.tenant_id)
                ).scalar_one()
                claimed.append(DueDelivery(**row._mapping, secret=secret))  # noqa: SLF001 - SQLAlchemy's public accessor
            return claimed

    def delivered(self, delivery: DueDelivery) -> None:
        """Ends the delivery as done."""
        with self._database.write() as tx:
            tx.execute(
                update(Delivery)
                .where(Delivery.id == delivery.id, Delivery.attempt == delivery.attempt)
                .values(state="delivered", error=None)
            )

    def failed(self, delivery: DueDelivery, error: str) -> None:
        """Puts the delivery off to its next try, or gives it up after the last."""
        last = delivery.attempt > len(WAITS_SECONDS)
        wait = 0 if last else WAITS_SECONDS[delivery.attempt - 1]
        with self._database.write() as tx:
            tx.execute(
                update(Delivery)
                .where(Delivery.id == delivery.id, Delivery.attempt == delivery.attempt)
                .values(
                    state="abandoned" if last else "waiting",
                    error=error[:500],
                    not_before=self._clock.now() + wait,
                )
            )
