"""Webhook messages leave the house: signed as Standard Webhooks, from rows, until one gets through.

https://www.standardwebhooks.com: `webhook-id` stays the same on every try, so a receiver can tell a repeated
message; `webhook-signature` is the HMAC-SHA256 of id, time and body under the tenant's secret.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from jobs.ledger import Ledger
from jobs.ledger.deliveries import DueDelivery
from jobs.logs import about
from jobs.settings import Settings
from worker.dial import DialError, Resolver, post, resolve

AT_ONCE: Final = 8
"""How many deliveries are tried side by side, so that receivers that stall do not hold up the others."""
LEASE_SECONDS: Final = 60.0
"""A try takes ten seconds at most, and some more where the resolver is slow."""

log = logging.getLogger(__name__)


def deliver_due(ledger: Ledger, settings: Settings, *, resolver: Resolver = resolve) -> int:
    """How many deliveries were tried: all that are due now. Each is marked delivered, put off or given up.

    Raises:
        LedgerUnavailableError: the ledger does not answer; what was in hand is tried again later.
    """
    n_tried = 0
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="deliver") as tries:
        while due := ledger.deliveries.claim(most=AT_ONCE, seconds=LEASE_SECONDS):
            list(tries.map(lambda delivery: _deliver(ledger, settings, delivery, resolver), due))
            n_tried += len(due)
    return n_tried


def _deliver(ledger: Ledger, settings: Settings, delivery: DueDelivery, resolver: Resolver) -> None:
    with about(job_id=delivery.job_id, attempt=delivery.attempt):
        error = _try(settings, delivery, resolver)
        if error is None:
            ledger.deliveries.delivered(delivery)
            log.info("webhook delivered")
        else:
            ledger.deliveries.failed(delivery, error)
            log.warning("webhook not delivered: %s", error)


def _try(settings: Settings, delivery: DueDelivery, resolver: Resolver) -> str | None:
    """Why it failed, or None when the receiver took it."""
    body = json.dumps(delivery.body, ensure_ascii=False, separators=(",", ":")).encode()
    headers = signed_headers(delivery.id, int(time.time()), body, delivery.secret)
    try:
        status = post(delivery.url, body, headers, insecure=settings.webhook_insecure, resolver=resolver)
    except DialError as error:
        return str(error)
    return None if 200 <= status < 300 else f"the receiver answered {status}"


def signed_headers(message_id: str, timestamp: int, body: bytes, secret: str) -> dict[str, str]:
    """The headers of a Standard Webhooks message; `timestamp` in seconds since 1970 UTC, by this machine."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "content-type": "application/json",
        "user-agent": "Lectorium",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }
