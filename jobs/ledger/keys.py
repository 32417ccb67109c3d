"""Tenants and their API keys. A key is shown once; the ledger keeps its SHA-256 alone.

256 random bits need no slow hash: nothing shorter than the whole key can be guessed. The checksum at its end
lets a mistyped key be refused without a look into the ledger.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sqlalchemy import insert, select, update

from jobs.ids import ID_PATTERN, LOCAL_TENANT, new_id
from jobs.ledger.database import Database, Transaction
from jobs.ledger.values import Principal
from jobs.tables import Key, Tenant

SCOPES: Final = ("narrate", "train", "read", "admin")
LOCAL_NAME: Final = "local"
_PREFIX: Final = "lect"


@dataclass(frozen=True, slots=True)
class KeyView:
    """An API key as it may be shown again."""

    id: str
    tenant: str
    name: str
    scopes: tuple[str, ...]
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    used_at: float | None


class Keys:
    """Who may ask, and for whom."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._clock = database.clock

    def local(self) -> Principal:
        """The local tenant, made at its first use, with every scope."""
        with self._database.read() as tx:
            known = tx.execute(select(Tenant.id).where(Tenant.id == LOCAL_TENANT)).first()
        if known is None:
            with self._database.write() as tx:
                tx.execute(
                    self._database.insert_new(Tenant), [self._tenant_row(LOCAL_TENANT, LOCAL_NAME, tx)]
                )
        return Principal(LOCAL_TENANT, frozenset(SCOPES))

    def create_tenant(
        self,
        name: str,
        *,
        max_open_jobs: int | None = None,
        max_characters_a_day: int | None = None,
        max_stored_bytes: int | None = None,
    ) -> str:
        """The id of the tenant of this name, made with these limits if there is none yet."""
        with self._database.write() as tx:
            row = self._tenant_row(LOCAL_TENANT if name == LOCAL_NAME else new_id(), name, tx) | {
                "max_open_jobs": max_open_jobs,
                "max_characters_a_day": max_characters_a_day,
                "max_stored_bytes": max_stored_bytes,
            }
            tx.execute(self._database.insert_new(Tenant), [row])
            return str(tx.execute(select(Tenant.id).where(Tenant.name == name)).scalar_one())

    def _tenant_row(self, tenant_id: str, name: str, tx: Transaction) -> dict[str, object]:
        return {
            "id": tenant_id,
            "name": name,
            "webhook_secret": "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(),
            "created_at": self._clock.read(tx.connection),
        }

    def create(
        self, tenant_id: str, *, name: str, scopes: Collection[str], lifetime_seconds: float | None = None
    ) -> str:
        """A new key, in full: the only time it is seen.

        Raises:
            ValueError: a scope that does not exist.
        """
        unknown = sorted(set(scopes) - set(SCOPES))
        if unknown:
            raise ValueError(f"unknown scope {unknown[0]!r}; there are {', '.join(SCOPES)}")
        key_id = new_id()
        body = f"{_PREFIX}_{key_id}_{secrets.token_hex(32)}"
        key = f"{body}_{_checksum(body)}"
        with self._database.write() as tx:
            now = self._clock.read(tx.connection)
            tx.execute(
                insert(Key).values(
                    id=key_id,
                    tenant_id=tenant_id,
                    name=name,
                    sha256=hashlib.sha256(key.encode()).hexdigest(),
                    scopes=sorted(scopes),
                    created_at=now,
                    expires_at=None if lifetime_seconds is None else now + lifetime_seconds,
                )
            )
        return key

    def check(self, key: str) -> Principal | None:
        """Whom this key speaks for; None if it is unknown, mistyped, expired or revoked."""
        parts = key.split("_")
        if len(parts) != 4 or parts[0] != _PREFIX or not ID_PATTERN.fullmatch(parts[1]):
            return None
        if not hmac.compare_digest(parts[3].encode(), _checksum("_".join(parts[:3])).encode()):
            return None
        with self._database.read() as tx:
            now = self._clock.read(tx)
            row = tx.execute(
                select(
                    Key.tenant_id, Key.sha256, Key.scopes, Key.expires_at, Key.revoked_at, Key.used_at
                ).where(Key.id == parts[1])
            ).first()
        if row is None or not hmac.compare_digest(row.sha256, hashlib.sha256(key.encode()).hexdigest()):
            return None
        if row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
            return None
        if row.used_at is None or row.used_at < now - 60:  # one write a minute, not one a request
            with self._database.write() as tx:
                tx.execute(update(Key).where(Key.id == parts[1]).values(used_at=now))
        return Principal(row.tenant_id, frozenset(row.scopes), parts[1])

    def revoke(self, key_id: str) -> bool:
        """Whether there was such a key that still worked."""
        with self._database.write() as tx:
            revoked = update(Key).where(Key.id == key_id, Key.revoked_at.is_(None))
            return tx.execute(revoked.values(revoked_at=self._clock.now())).rowcount == 1

    def list(self) -> list[KeyView]:
        """Every key of every tenant, without its secret."""
        with self._database.read() as tx:
            rows = tx.execute(
                select(
                    Key.id,
                    Tenant.name.label("tenant"),
                    Key.name,
                    Key.scopes,
                    Key.created_at,
                    Key.expires_at,
                    Key.revoked_at,
                    Key.used_at,
                )
                .join(Tenant, Tenant.id == Key.tenant_id)
                .order_by(Key.id)
            )
            return [
                KeyView(**{**row._mapping, "scopes": tuple(row.scopes)})  # noqa: SLF001 - SQLAlchemy's public accessor
                for row in rows
            ]


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"
