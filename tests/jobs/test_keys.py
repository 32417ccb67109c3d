"""API keys: shown once, hashed, scoped, ended."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from jobs.clock import SetClock
from jobs.ledger import Ledger
from jobs.ledger.keys import LOCAL_TENANT, SCOPES
from jobs.tables import Key
from tests.jobs import story


@pytest.fixture
def ledger(still_ledger: Ledger) -> Ledger:
    return still_ledger


def test_key_speaks_for_its_tenant_within_its_scopes(ledger: Ledger) -> None:
    alice = story.tenant(ledger)
    key = ledger.keys.create(alice, name="laptop", scopes=["read", "narrate"])
    principal = ledger.keys.check(key)
    assert principal is not None
    assert (principal.tenant_id, principal.scopes) == (alice, frozenset({"read", "narrate"}))


def test_key_is_kept_as_a_hash_alone(ledger: Ledger) -> None:
    key = ledger.keys.create(story.tenant(ledger), name="laptop", scopes=["read"])
    secret = key.split("_")[2]
    with ledger.database.read() as connection:
        (row,) = connection.execute(select(Key.__table__)).all()
    assert secret not in repr(row)
    assert secret not in repr(ledger.keys.list())


def test_key_with_one_wrong_character_is_nobody(ledger: Ledger) -> None:
    key = ledger.keys.create(story.tenant(ledger), name="laptop", scopes=["read"])
    for place in range(len(key)):
        wrong = key[:place] + ("0" if key[place] != "0" else "1") + key[place + 1 :]
        assert ledger.keys.check(wrong) is None


@pytest.mark.parametrize(
    "text", ["", "lect", "lect___", "Bearer x", "lect_é_x_y", "_".join("abcd"), "\x00" * 9]
)
def test_nonsense_is_nobody(ledger: Ledger, text: str) -> None:
    assert ledger.keys.check(text) is None


def test_key_of_another_with_a_right_checksum_is_nobody(ledger: Ledger) -> None:
    """The checksum only spares a look at the ledger: the hash decides."""
    import zlib

    key = ledger.keys.create(story.tenant(ledger), name="laptop", scopes=["read"])
    prefix, key_id, _, _ = key.split("_")
    body = f"{prefix}_{key_id}_{'0' * 64}"
    assert ledger.keys.check(f"{body}_{zlib.crc32(body.encode()):08x}") is None


def test_key_ends_when_it_expires_or_is_revoked(ledger: Ledger, clock: SetClock) -> None:
    alice = story.tenant(ledger)
    brief = ledger.keys.create(alice, name="brief", scopes=["read"], lifetime_seconds=60)
    lasting = ledger.keys.create(alice, name="lasting", scopes=["read"])
    clock.seconds += 61
    assert ledger.keys.check(brief) is None
    principal = ledger.keys.check(lasting)
    assert principal is not None
    assert principal.key_id is not None
    assert ledger.keys.revoke(principal.key_id)
    assert not ledger.keys.revoke(principal.key_id)
    assert ledger.keys.check(lasting) is None


def test_use_of_a_key_is_noted_once_a_minute(ledger: Ledger, clock: SetClock) -> None:
    key = ledger.keys.create(story.tenant(ledger), name="laptop", scopes=["read"])
    assert ledger.keys.list()[0].used_at is None
    ledger.keys.check(key)
    first = clock.seconds
    clock.seconds += 30
    ledger.keys.check(key)
    assert ledger.keys.list()[0].used_at == first
    clock.seconds += 31
    ledger.keys.check(key)
    assert ledger.keys.list()[0].used_at == clock.seconds


def test_unknown_scope_is_named(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="unknown scope 'root'; there are narrate, train, read, admin"):
        ledger.keys.create(story.tenant(ledger), name="x", scopes=["read", "root"])


def test_tenant_of_a_name_is_made_once(ledger: Ledger) -> None:
    assert story.tenant(ledger, "alice") == story.tenant(ledger, "alice") != story.tenant(ledger, "bob")


def test_local_tenant_exists_from_its_first_use(ledger: Ledger) -> None:
    assert ledger.keys.create_tenant("local") == LOCAL_TENANT, "the name must not be taken by another"
    principal = ledger.keys.local()
    assert (principal.tenant_id, principal.scopes) == (LOCAL_TENANT, frozenset(SCOPES))
    assert story.submit(ledger, ledger.keys.local().tenant_id).job_id
