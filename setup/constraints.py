"""Writes constraints.txt: every package installed in .venv at its version, so that two set-ups are the same.

Local parts of versions are dropped (`torch==2.13.0`, not `+cpu`): which build fits is the machine's affair.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOT_PINNED = {"lectorium", "pip", "setuptools", "wheel"}
HEAD = "# Every version this was built and tested with. `make constraints` writes it, pip reads it with -c.\n"


def main() -> None:
    """Write the file."""
    versions = {
        distribution.name.lower().replace("_", "-"): distribution.version.split("+")[0]
        for distribution in importlib.metadata.distributions()
    }
    lines = [f"{name}=={version}\n" for name, version in sorted(versions.items()) if name not in NOT_PINNED]
    (ROOT / "constraints.txt").write_text(HEAD + "".join(lines))


if __name__ == "__main__":
    main()
