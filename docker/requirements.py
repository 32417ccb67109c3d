"""Prints what `lectorium[EXTRAS]` needs, one requirement in a line: `python requirements.py api,draft`.

The image installs this first and the code afterwards, so that a new version of the code is a small new layer.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def requirements(extras: str) -> list[str]:
    """What the extras of this comma list need; for "" what the core needs.

    Raises:
        SystemExit: an extra that pyproject.toml does not have.
    """
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    if not extras:
        return list(project["dependencies"])
    offered = project["optional-dependencies"]
    wanted = extras.split(",")
    unknown = [extra for extra in wanted if extra not in offered]
    if unknown:
        raise SystemExit(f"EXTRAS: {unknown[0]!r} is none of {', '.join(offered)}")
    return [requirement for extra in wanted for requirement in offered[extra]]


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in requirements(sys.argv[1] if len(sys.argv) > 1 else ""))
