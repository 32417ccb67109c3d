"""One bucket on one server: requests, clients, and trying again."""

from __future__ import annotations

import os
from typing import Any

import boto3.session
from botocore.config import Config

from jobs.objects.faults import VENDOR_ERRORS, Patience
from jobs.objects.store import S3Options


class Bucket:
    """A bucket's name and the clients that reach it, one per process and endpoint."""

    def __init__(self, name: str, options: S3Options) -> None:
        """Talks to no server yet."""
        self.name = name
        self.options = options
        self._clients: dict[tuple[int, str | None], Any] = {}

    def ask(self, verb: str, place: str | None, **arguments: Any) -> dict[str, Any]:
        """The answer to one request; what boto3 gives up on is tried again for `patience_seconds`."""
        if place is not None:
            arguments["Key"] = place
        patience = Patience(self.options.patience_seconds, place or self.name)
        while True:
            try:
                answer: dict[str, Any] = getattr(self.client(), verb)(Bucket=self.name, **arguments)
            except VENDOR_ERRORS as error:
                patience.wait_or_raise(error)
            else:
                return answer

    def client(self, endpoint: str | None = None) -> Any:
        """boto3's client, for the options' endpoint or for another."""
        endpoint = endpoint or self.options.endpoint
        mark = (os.getpid(), endpoint)  # sockets are not shared over a fork
        if mark not in self._clients:
            self._clients[mark] = _make_client(endpoint, self.options)
        return self._clients[mark]


def _make_client(endpoint: str | None, options: S3Options) -> Any:
    addressing = "path" if options.addressing == "auto" and endpoint else options.addressing
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": addressing},
        connect_timeout=options.connect_seconds,
        read_timeout=options.read_seconds,
        retries={"mode": "standard", "total_max_attempts": options.attempts},
        request_checksum_calculation=options.checksums,
        response_checksum_validation=options.checksums,
        max_pool_connections=32,
        tcp_keepalive=True,
        user_agent_extra="lectorium",
    )
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=options.key_id,
        aws_secret_access_key=options.secret,
        region_name=options.region or "us-east-1",
        config=config,
    )
