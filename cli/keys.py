"""`lectorium key`: API keys of the tenants. A key is shown once, when it is made."""

from __future__ import annotations

import click

from cli.console import moment, say, say_json, table, tell
from cli.errors import InputError
from cli.home import open_home
from cli.settings import settings_of

DAY_SECONDS = 86_400.0
SCOPES = ("narrate", "train", "read", "admin")


@click.group()
def key() -> None:
    """Keys to the HTTP API."""


@key.command()
@click.option("--name", required=True, help="What or whom the key is for.")
@click.option("--tenant", help="Whose jobs it sees; made if new. Without it: those of the command line.")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="Default: narrate and read."
)
@click.option(
    "--days", type=click.FloatRange(min=0, min_open=True), help="How long it lasts; default: for ever."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def create(
    command: click.Context,
    name: str,
    tenant: str | None,
    scopes: tuple[str, ...],
    days: float | None,
    as_json: bool,
) -> None:
    """Make a key and print it, once: the ledger keeps only its hash."""
    with open_home(settings_of(command)) as home:
        keys = home.ledger.keys
        made = keys.create(
            keys.create_tenant(tenant) if tenant else home.tenant_id,
            name=name,
            scopes=scopes or ("narrate", "read"),
            lifetime_seconds=days * DAY_SECONDS if days else None,
        )
    if as_json:
        say_json({"key": made})
    else:
        say(made)
        tell("keep it now: it cannot be shown again")


@key.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def list_keys(command: click.Context, as_json: bool) -> None:
    """List the keys of every tenant, without their secrets."""
    with open_home(settings_of(command)) as home:
        keys = home.ledger.keys.list()
    if as_json:
        say_json(
            [
                {
                    "id": entry.id,
                    "tenant": entry.tenant,
                    "name": entry.name,
                    "scopes": list(entry.scopes),
                    "created_at": entry.created_at,
                    "expires_at": entry.expires_at,
                    "revoked_at": entry.revoked_at,
                    "used_at": entry.used_at,
                }
                for entry in keys
            ]
        )
        return
    table(
        [
            (
                entry.id,
                entry.tenant,
                entry.name,
                " ".join(entry.scopes),
                _day(entry.created_at),
                f"revoked {_day(entry.revoked_at)}"
                if entry.revoked_at
                else f"until {_day(entry.expires_at)}",
                _day(entry.used_at),
            )
            for entry in keys
        ],
        ("id", "tenant", "name", "scopes", "made", "valid", "last used"),
    )


@key.command()
@click.argument("key_id")
@click.pass_context
def revoke(command: click.Context, key_id: str) -> None:
    """End a key at once. KEY_ID is what `key list` shows."""
    with open_home(settings_of(command)) as home:
        if not home.ledger.keys.revoke(key_id):
            raise InputError(f"KEY_ID: there is no working key {key_id}")
    say(f"key {key_id} is revoked")


def _day(seconds: float | None) -> str:
    return (moment(seconds) or "-")[:10]
