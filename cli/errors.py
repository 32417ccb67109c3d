"""Every error of this room. The message is one clear line for whoever typed the command."""

from __future__ import annotations


class CommandError(Exception):
    """The command could not do what it was asked; the message says why."""

    exit_code = 1


class InputError(CommandError):
    """What was typed or given is wrong; the message names the field or the place."""

    exit_code = 2


class CrewError(CommandError):
    """A child process keeps dying at its start; the message says where its log is."""
