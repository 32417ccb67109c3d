"""Every error of this room. The message is one clear line that names the place in the book."""

from __future__ import annotations


class BookError(ValueError):
    """The book cannot be used; the message says why, in one line, for the person who sent it."""


class UnreadableBookError(BookError):
    """The file is not a book this program can read, or is broken."""


class HostileBookError(BookError):
    """The file breaks a limit: too large, too deep, too many members, entities, paths, time or memory."""


class MasteringError(BookError):
    """The chapter's sound does not meet its delivery profile; the message gives the figures."""
