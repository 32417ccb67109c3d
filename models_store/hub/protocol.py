"""The hub's protocol, the part of it that downloads need.

`huggingface_hub` says what the protocol is: addresses, headers, errors. The connection is ours, for four
things that library does otherwise (read at 2.4.0): it throws away a file that was cut off and begins anew; it
is steered by some thirty variables of the environment, a token among them; it asks the hub which programs
count as agents before it asks for anything else; and it prefers a second protocol (Xet) where its package is
installed, which mirrors do not speak.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final
from urllib.parse import quote, urlsplit

import httpx2
from huggingface_hub import constants, hf_hub_url
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import (  # type: ignore[attr-defined] # public, but not in its `__all__`
    hf_raise_for_status,
    parse_ratelimit_headers,
)

from models_store.hub.digest import Digest
from models_store.hub.errors import HubError, HubInputError, TransientError
from models_store.hub.patience import seconds_of

COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_TIMEOUT: Final = httpx2.Timeout(30.0, connect=10.0)
"""Between two reads, not of a whole file: a slow line is no fault."""
_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS: Final = 5


@dataclass(frozen=True, slots=True)
class Announced:
    """What the hub says a file is."""

    commit: str
    n_bytes: int | None
    """None where it does not say: small text files may come in any encoding."""
    digest: Digest | None


class Hub:
    """A server that speaks the hub's protocol. Safe to use from several threads."""

    def __init__(self, address: str, *, timeout: httpx2.Timeout = _TIMEOUT) -> None:
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise HubInputError(f"hub: {address!r} is no http:// or https:// address")
        self.address = address.rstrip("/")
        self._client = httpx2.Client(
            timeout=timeout,
            headers={"User-Agent": f"lectorium/{version('lectorium')}", "Accept-Encoding": "identity"},
        )

    def close(self) -> None:
        """Ends all its connections."""
        self._client.close()

    def commit_of(self, repository: str, revision: str) -> str:
        """The commit that a branch, a tag or the beginning of a commit stands for.

        Raises:
            HubInputError: there is no such repository or revision.
            TransientError: not now.
        """
        address = f"{self.address}/api/models/{repository}/revision/{quote(revision, safe='')}"
        with _faults(f"{repository} at {revision}"):
            response = self._client.get(address)
            _check(response)
            try:
                commit = response.json()["sha"]
            except (ValueError, KeyError, TypeError):
                commit = None
        if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
            raise HubError(f"{self.address} does not say which commit {revision!r} of {repository} is")
        return commit

    def announced(self, repository: str, commit: str, path: str) -> Announced:
        """Size and digest of a file. The storage a large one is kept in is not asked.

        Raises:
            HubInputError: there is no such file.
            TransientError: not now.
        """
        address = hf_hub_url(repository, path, revision=commit, endpoint=self.address)
        with _faults(path):
            response = self._head(httpx2.URL(address))
        headers = response.headers
        etag = headers.get(constants.HUGGINGFACE_HEADER_X_LINKED_ETAG) or headers.get("ETag") or ""
        length = headers.get(constants.HUGGINGFACE_HEADER_X_LINKED_SIZE)
        if length is None and not response.has_redirect_location:
            length = headers.get("Content-Length")
        return Announced(
            commit=headers.get(constants.HUGGINGFACE_HEADER_X_REPO_COMMIT, ""),
            n_bytes=int(length) if length is not None and length.isdigit() else None,
            digest=Digest.of_etag(etag),
        )

    def _head(self, address: httpx2.URL) -> httpx2.Response:
        """The hub's own answer: redirects within it (a renamed repository) are followed, others are not."""
        for _ in range(_REDIRECTS):
            response = self._client.head(address, follow_redirects=False)
            _check(response)
            if not response.has_redirect_location:
                return response
            target = address.join(response.headers["Location"])
            if (target.scheme, target.netloc) != (address.scheme, address.netloc):
                return response
            address = target
        raise HubError("redirected in a circle")

    @contextmanager
    def opened(
        self, repository: str, commit: str, path: str, start: int
    ) -> Iterator[tuple[int, Iterator[bytes]]]:
        """A file's bytes from `start` on, if the server can, and where they do begin: there, or at 0.

        Raises:
            TransientError: not now, or the connection broke before the end.
        """
        address = hf_hub_url(repository, path, revision=commit, endpoint=self.address)
        headers = {"Range": f"bytes={start}-"} if start else {}
        with (
            _faults(path),
            self._client.stream("GET", address, headers=headers, follow_redirects=True) as response,
        ):
            if response.is_error:
                response.read()
                _check(response)
            begins_at = start if response.status_code == httpx2.codes.PARTIAL_CONTENT else 0
            if begins_at and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
                raise HubError(f"{path}: the server sent another range than was asked for")
            yield begins_at, response.iter_bytes()  # as it comes: blocks of a size would be held back


def _check(response: httpx2.Response) -> None:
    if response.status_code in _AGAIN:
        raise TransientError(
            f"{response.url.host} answers {response.status_code} {response.reason_phrase}",
            after_seconds=_wait_of(response.headers),
        )
    hf_raise_for_status(response)


def _wait_of(headers: httpx2.Headers) -> float | None:
    """How long the server wants to be left alone, by `Retry-After` or by the hub's own rate limit header."""
    seconds = seconds_of(headers.get("Retry-After"))
    limit = parse_ratelimit_headers(headers)
    if seconds is None and limit is not None and limit.remaining == 0:
        return float(limit.reset_in_seconds)
    return seconds


@contextmanager
def _faults(what: str) -> Iterator[None]:
    """The library's errors and the network's as ours, each one line that begins with what was asked for."""
    try:
        yield
    except TransientError as error:
        raise TransientError(f"{what}: {error}", after_seconds=error.after_seconds) from error
    except GatedRepoError as error:
        raise HubInputError(f"{what}: the repository asks for a login, which we have not") from error
    except RevisionNotFoundError as error:
        raise HubInputError(f"{what}: the hub has no such revision") from error
    except EntryNotFoundError as error:
        raise HubInputError(f"{what}: the repository has no such file at this revision") from error
    except RepositoryNotFoundError as error:
        raise HubInputError(f"{what}: the hub has no such repository") from error
    except HfHubHTTPError as error:
        answer = f"{error.response.status_code} {error.response.reason_phrase}"
        raise HubError(f"{what}: {error.response.url.host} answers {answer}") from error
    except (httpx2.UnsupportedProtocol, httpx2.TooManyRedirects, httpx2.InvalidURL) as error:
        raise HubError(f"{what}: {error}") from error
    except httpx2.TransportError as error:
        raise TransientError(f"{what}: {str(error) or type(error).__name__}") from error
