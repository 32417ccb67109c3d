"""How much a book file may cost before it is refused."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one book file; each is far above any honest book we know.

    The processor time grows with the file, so that a small hostile file is refused in about two seconds
    while a PDF of a thousand pages may take its minutes.
    """

    file_bytes: int = 512 * MIB
    """Size of the file as it was sent."""
    entries: int = 20_000
    """Members of an archive."""
    entry_bytes: int = 64 * MIB
    """Inflated size of one member."""
    inflated_bytes: int = 512 * MIB
    """Inflated size of all members that are read."""
    markup_bytes: int = 64 * MIB
    """Size of all marked-up text together: its trees are held at once, at ten times that."""
    ratio: int = 200
    """Inflated to stored size of a member beyond its first mebibyte.

    Prose stays below 10, deflate ends at 1032.
    """
    depth: int = 200
    """Nesting of elements or of contents entries."""
    chapters: int = 10_000
    characters: int = 30_000_000
    """Text that comes out; the longest novels have 13 million."""
    pages: int = 20_000
    """Pages of a PDF."""
    cover_bytes: int = 16 * MIB
    """A larger cover is left out."""
    memory_bytes: int = 1024 * MIB
    """Address space of the reading process."""
    cpu_seconds: float = 300.0
    """Most processor time, however large the file."""
    cpu_seconds_base: float = 1.2
    """Processor time every file gets..."""
    cpu_seconds_per_mib: float = 40.0
    """...and what it gets on top for each mebibyte it has."""
    wall_seconds_base: float = 30.0
    wall_seconds_factor: float = 10.0
    """Clock time allowed: the base and this many times the processor time, for it is shared with others."""

    def cpu_budget_seconds(self, file_bytes: int) -> float:
        """Processor time that a file of this size may take."""
        return min(self.cpu_seconds, self.cpu_seconds_base + self.cpu_seconds_per_mib * file_bytes / MIB)
