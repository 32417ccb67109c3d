"""The losses of a training on disk, one JSON object a line: what its curve is drawn from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_EVERY = 25  # updates that make a row; their losses are averaged


class Curve:
    """The rows so far, and those to come."""

    def __init__(self, path: Path, n_done: int) -> None:
        """The curve in `path` as it was after `n_done` updates: a run that goes on forgets the rest."""
        self._path = path
        self.rows: list[dict[str, Any]] = []
        if path.is_file():
            rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            self.rows = [row for row in rows if row["update"] <= n_done]
        self._sums: dict[str, float] = {}
        self._n = 0

    def add(self, update: int, losses: Mapping[str, float]) -> None:
        """Takes up an update's losses; a look at the held-out recordings ends a row."""
        self._n += 1
        for name, loss in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + loss
        if self._n == _EVERY or "held_out" in losses:
            means = {
                name: round(total if name == "held_out" else total / self._n, 5)
                for name, total in self._sums.items()
            }
            self.rows.append({"update": update, **means})
            self._sums, self._n = {}, 0

    def write(self) -> None:
        """Puts the whole rows down: with each checkpoint."""
        half_written = self._path.with_suffix(".part")
        half_written.write_text("".join(json.dumps(row) + "\n" for row in self.rows), encoding="utf-8")
        half_written.replace(self._path)
