"""Ids made by the server: 26 characters that sort by the time they were made (the ULID specification)."""

from __future__ import annotations

import re
import secrets
import time
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32
ID_PATTERN: Final = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")

LOCAL_TENANT: Final = "0" * 26
"""The tenant of the command line and of a server that listens on loopback without keys."""


def new_id() -> str:
    """A fresh id: 48 bits of milliseconds, 80 bits of chance."""
    number = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
