"""One POST to an address that a stranger gave us, without letting it lead into our own network.

The name is resolved once, every address it stands for must belong to the public internet, and the connection
goes to exactly one of those addresses: a name that changes its mind between the check and the connection (DNS
rebinding) gains nothing. SNI, certificate and Host header keep the name. No redirect is followed, no proxy of
the environment is used, and the whole exchange ends after ten seconds and 64 KB whatever the other side does.

`http.client` and not urllib3: all we need of a client is one request on a socket of our own making, and
urllib3's time limits restart with every byte that drips in, where here one deadline bounds everything.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

MOST_SECONDS: Final = 10.0
MOST_BYTES: Final = 64 * 1024

Resolver = Callable[[str, int], Sequence[str]]
"""(name, port) -> the addresses it stands for, as text. Raises OSError when there are none."""
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_NEVER: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8",  # "this" network, RFC 791
            "100.64.0.0/10",  # shared by carriers, RFC 6598; clouds put their metadata here too
            "168.63.129.16/32",  # Azure's host, on every virtual machine, though the address is public
            "192.0.0.0/24",  # protocol assignments, RFC 6890
            "192.88.99.0/24",  # 6to4 relays, RFC 7526
            "198.18.0.0/15",  # benchmarks, RFC 2544
            "240.0.0.0/4",  # reserved, RFC 1112
            "::/96",  # packed IPv4, given up by RFC 4291
            "64:ff9b:1::/48",  # local NAT64, RFC 8215
            "100::/64",  # discard, RFC 6666
            "2001::/23",  # protocol assignments, RFC 2928, Teredo among them
            "2002::/16",  # 6to4, RFC 3056
            "3fff::/20",  # documentation, RFC 9637
            "5f00::/16",  # segment routing, RFC 9602
            "fec0::/10",  # site-local, RFC 3879
        ),
    )
)
"""Where no receiver lives, written out because the `ipaddress` of older Pythons lets some of it pass."""


class DialError(Exception):
    """The message did not get through; the text says why, for the row of the delivery."""


def resolve(name: str, port: int) -> list[str]:
    """The addresses of the name, as this machine's resolver knows them."""
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[4][0]) for address in found))


def is_public(address: str) -> bool:
    """Whether the address belongs to the public internet; of a packed IPv4 address, whether that one does."""
    try:
        given: IpAddress = ipaddress.ip_address(address)
    except ValueError:  # nothing we know
        return False
    given = _unpacked(given)
    if any(given.version == network.version and given in network for network in _NEVER):
        return False
    return given.is_global and not (
        given.is_multicast or given.is_reserved or given.is_unspecified or given.is_loopback
    )


def _unpacked(address: IpAddress) -> IpAddress:
    """The IPv4 address that the system, or a translator on the way, would turn this IPv6 address into."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    insecure: bool = False,
    resolver: Resolver = resolve,
    most_seconds: float = MOST_SECONDS,
) -> int:
    """The status that the receiver answered.

    Raises:
        DialError: the address is not allowed, or there was no answer within the limits.
    """
    connection = _connection(url, insecure, resolver, time.monotonic() + most_seconds)
    parts = urlsplit(url)
    try:
        connection.request(
            "POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, dict(headers)
        )
        return connection.getresponse().status
    except TimeoutError as error:
        raise DialError(f"no answer within {most_seconds:g} seconds") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DialError(f"{type(error).__name__}: {error}") from error
    finally:
        connection.close()


def _connection(url: str, insecure: bool, resolver: Resolver, deadline: float) -> http.client.HTTPConnection:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise DialError(f"not an address: {error}") from error
    if parts.scheme != "https" and not (insecure and parts.scheme == "http"):
        raise DialError("only https:// addresses are delivered to")
    if not host or parts.username is not None or parts.password is not None:
        raise DialError("not a plain address: host missing, or a user name in it")
    tls = parts.scheme == "https"
    addresses = _checked(host, port or (443 if tls else 80), insecure, resolver)
    return (_TlsLine if tls else _Line)(host, port, addresses=addresses, deadline=deadline)


def _checked(host: str, port: int, insecure: bool, resolver: Resolver) -> Sequence[str]:
    try:
        addresses = resolver(host, port)
    except (OSError, UnicodeError) as error:
        raise DialError(f"{host!r} has no address") from error
    if not addresses:
        raise DialError(f"{host!r} has no address")
    if not insecure and not all(map(is_public, addresses)):
        raise DialError(f"{host!r} stands for an address that is not on the public internet")
    return addresses


class _Bounded(io.RawIOBase):
    """What comes in on a socket, up to a number of bytes and a moment."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._socket = sock
        self._deadline = deadline
        self._n_left = MOST_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._n_left <= 0:
            raise DialError(f"the answer is longer than {MOST_BYTES} bytes")
        self._socket.settimeout(_left(self._deadline))
        n_read = self._socket.recv_into(memoryview(buffer)[: self._n_left])
        self._n_left -= n_read
        return n_read


class _BoundedSocket:
    """The one thing `http.client` asks of a socket when it reads the answer."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._source = _Bounded(sock, deadline)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._source)


class _Line(http.client.HTTPConnection):
    """A connection to the first of the checked addresses that answers; the Host header keeps the name."""

    def __init__(self, host: str, port: int | None, *, addresses: Sequence[str], deadline: float) -> None:
        super().__init__(host, port)
        self._addresses = addresses
        self._deadline = deadline
        self.response_class = self._answer  # type: ignore[assignment]  # called like the class it stands for

    def connect(self) -> None:
        """Connects to an address that was checked, and to no other."""
        for address in self._addresses[:-1]:
            try:
                self.sock = socket.create_connection((address, self.port), _left(self._deadline) / 2)
            except OSError:
                continue  # as a browser does: the next address of the same name
            return
        self.sock = socket.create_connection((self._addresses[-1], self.port), _left(self._deadline))

    def _answer(
        self, sock: socket.socket, *_debuglevel: int, method: str | None = None
    ) -> http.client.HTTPResponse:
        return http.client.HTTPResponse(_BoundedSocket(sock, self._deadline), method=method)  # type: ignore[arg-type]  # only makefile() is used


class _TlsLine(_Line):
    """The same under TLS; the certificate must be for the name."""

    default_port = http.client.HTTPS_PORT

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(_left(self._deadline))
        self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
