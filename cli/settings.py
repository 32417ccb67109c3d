"""The settings a command runs under: read once, from `LECTORIUM_*`, by the first command that asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from jobs.settings import Settings


def settings_of(command: click.Context) -> Settings:
    """The settings of this call.

    Raises:
        SettingsError: an unknown name or an impossible value in the environment.
    """
    from jobs.settings import Settings, read_settings

    root = command.find_root()
    if not isinstance(root.obj, Settings):
        root.obj = read_settings()
    return root.obj
