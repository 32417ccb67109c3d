"""Ids sort by time and never meet."""

from __future__ import annotations

import time

from jobs.ids import ID_PATTERN, new_id


def test_ids_are_many_and_different() -> None:
    ids = [new_id() for _ in range(10_000)]
    assert len(set(ids)) == 10_000
    assert all(ID_PATTERN.fullmatch(each) for each in ids)


def test_ids_sort_by_the_time_they_were_made() -> None:
    ids = []
    for _ in range(5):
        ids.append(new_id())
        time.sleep(0.002)
    assert ids == sorted(ids)


def test_id_begins_with_its_milliseconds() -> None:
    """The ULID specification: 48 bits of time in the first ten characters, Crockford's base 32."""
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    number = 0
    for character in new_id()[:10]:
        number = number * 32 + alphabet.index(character)
    assert abs(number / 1000 - time.time()) < 5
