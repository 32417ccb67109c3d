"""Two S3 servers as processes: moto for the semantics, s3rver for the expiry of presigned URLs.

Where each differs from S3 is listed at `MotoServer` and `S3rverServer`; tests that depend on it say so.
"""

from __future__ import annotations

import secrets
import sys
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.config import Config

from tests.services.process import HOST, MissingServerError, Process, ServerFolder, find_program, free_port

ROOT = Path(__file__).resolve().parents[2]
S3RVER = ROOT / "node_modules" / ".bin" / "s3rver"


@dataclass(frozen=True)
class S3Account:
    """Where an S3 server is and how to get in: what `jobs.objects` needs to know."""

    endpoint: str
    access_key: str
    secret_key: str
    region: str
    bucket: str

    def with_fresh_bucket(self) -> S3Account:
        """The same account with a new, empty bucket."""
        bucket = f"lectorium-{secrets.token_hex(6)}"
        self.client().create_bucket(Bucket=bucket)
        return replace(self, bucket=bucket)

    def client(self) -> Any:
        """boto3 itself, to look behind the store's back; one client per server."""
        return _client(replace(self, bucket=""))

    @property
    def url(self) -> str:
        """The bucket as an `s3://` URL."""
        return f"s3://{self.bucket}"


@cache
def _client(account: S3Account) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=account.endpoint,
        aws_access_key_id=account.access_key,
        aws_secret_access_key=account.secret_key,
        region_name=account.region,
        config=Config(s3={"addressing_style": "path"}),
    )


class _S3Process:
    """What both servers share: a port, an account, an end."""

    def __init__(self, name: str, access_key: str, secret_key: str) -> None:
        self._folder = ServerFolder(name)
        self.port = free_port()
        self.account = S3Account(f"http://{HOST}:{self.port}", access_key, secret_key, "us-east-1", "")
        self._process: Process | None = None
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def _argv(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        """Start it on the same port."""
        self._process = Process(self._argv(), log=self._folder.path / "log")
        self._process.wait_until_listening(self.port)

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return None if self._process is None else self._process.pid

    def kill(self) -> None:
        """`kill -9`."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def close(self) -> None:
        """Kill it for good and remove its files."""
        self.kill()
        self._folder.close()

    def __enter__(self) -> Self:
        """Itself, started."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


class MotoServer(_S3Process):
    """moto's S3: objects live in memory and are gone after `kill`.

    Unlike S3 it takes a wrong Content-MD5 or checksum, and expired or tampered presigned URLs.
    """

    def __init__(self) -> None:
        """Start it."""
        super().__init__("moto", "lectorium-test", "not-a-secret")

    def _argv(self) -> list[str]:
        return [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(self.port)]


class S3rverServer(_S3Process):
    """npm's s3rver: checks the expiry of presigned URLs.

    Unlike S3 it checks no signature of version 4, ignores If-None-Match and checksums, lets anybody read,
    does not replace objects atomically, and lists keys folder by folder, one page at most.
    """

    def __init__(self) -> None:
        """Start it; MissingServerError when node or s3rver is not installed."""
        self._node = find_program("node", package="nodejs")
        if not S3RVER.exists():
            raise MissingServerError("s3rver is not installed: make servers (needs npm)")
        super().__init__("s3rver", "S3RVER", "S3RVER")  # the account s3rver knows

    def _argv(self) -> list[str]:
        folder = self._folder.path / "buckets"
        folder.mkdir(exist_ok=True)
        place = ["-a", HOST, "-p", str(self.port), "-d", str(folder)]
        return [self._node, str(S3RVER), *place, "--no-vhost-buckets"]
