"""Who asks, and whether they may.

A server that only this machine can reach needs no keys: who asks is the local tenant. But a web page open in
this machine's browser can reach it too, by its address or by a name that it makes point here (DNS rebinding).
Hence without keys the Host must be a loopback name, and no change may be asked for by another site's page.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable
from functools import wraps
from typing import Final, ParamSpec, TypeVar, cast
from urllib.parse import urlsplit

from flask import g, request

from api.errors import Problem
from api.office import the_office
from jobs.ledger.values import Principal
from jobs.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")

GUARDED: Final = ("/v1/", "/metrics")
"""Where nobody comes in without saying who they are. The rest tells nothing of anybody's jobs."""
_READS: Final = {"GET", "HEAD", "OPTIONS"}


def keys_required(settings: Settings) -> bool:
    """Whether requests need a key: as set, or else as soon as the server listens beyond loopback."""
    if settings.require_keys is not None:
        return settings.require_keys
    return not is_loopback(settings.host)


def is_loopback(host: str) -> bool:
    """Whether the host name can only mean this very machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.rstrip(".").lower() == "localhost"


def identify() -> None:
    """Before each request: finds out who asks, or ends it here with 401, 403, 421 or 429."""
    if not keys_required(the_office().settings):
        _refuse_strange_host()
        _refuse_other_sites()
    if not request.path.startswith(GUARDED):
        return
    if not keys_required(the_office().settings):
        g.principal = the_office().ledger.keys.local()
        return
    g.principal = _holder_of_key()
    wait = the_office().requests.take(g.principal.key_id or g.principal.tenant_id)
    if wait:
        headers = {"Retry-After": str(math.ceil(wait))}
        raise Problem(429, "Too many requests with this key.", kind="too-many-requests", headers=headers)


def principal() -> Principal:
    """Who asks."""
    return cast("Principal", g.principal)


def needs(*scopes: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """The view is for keys with one of these scopes; others get 403, before anything is looked up."""

    def decorate(view: Callable[P, T]) -> Callable[P, T]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            require(*scopes)
            return view(*args, **kwargs)

        return guarded

    return decorate


def require(*scopes: str) -> None:
    """Lets a key pass that has one of these scopes. Raises Problem: 403."""
    if principal().scopes.isdisjoint(scopes):
        named = " or ".join(map(repr, scopes))
        raise Problem(403, f"This key lacks the scope {named}.", kind="missing-scope", scope=" ".join(scopes))


def _holder_of_key() -> Principal:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if not scheme:
        raise _unauthorised("Send an API key: `Authorization: Bearer lect_...`.")
    found = the_office().ledger.keys.check(key.strip()) if scheme.lower() == "bearer" else None
    if found is None:
        raise _unauthorised(
            "This API key is not valid: mistyped, expired or revoked.", ' error="invalid_token"'
        )
    return found


def _unauthorised(detail: str, error: str = "") -> Problem:
    headers = {"WWW-Authenticate": f'Bearer realm="lectorium"{"," if error else ""}{error}'}
    return Problem(401, detail, kind="unauthorised", headers=headers)


def _refuse_strange_host() -> None:
    if is_loopback(the_office().settings.host) and not is_loopback(_asked_host()):
        raise Problem(421, "This server answers to localhost only.", kind="strange-host")


def _asked_host() -> str:
    try:
        return urlsplit(f"//{request.headers.get('Host', '')}").hostname or ""
    except ValueError:
        return ""


def _refuse_other_sites() -> None:
    if request.method in _READS:
        return
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    of_another = (
        site not in {"same-origin", "none"} if site else origin not in {None, request.host_url.rstrip("/")}
    )
    if of_another:
        raise Problem(403, "This request comes from another site's page.", kind="cross-site")
