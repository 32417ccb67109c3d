"""The files of docker/ as they are, and its scripts as modules."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from jobs.settings import Settings, read_settings

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
MANIFESTS = sorted(
    path for path in (DOCKER / "kubernetes").glob("*.yaml") if path.name != "kustomization.yaml"
)


def read_yaml(path: Path) -> list[dict[str, Any]]:
    """The documents of a YAML file."""
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


def script(name: str) -> ModuleType:
    """A Python script of docker/, loaded as a module."""
    spec = importlib.util.spec_from_file_location(name, DOCKER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def settings_in(environment: dict[str, str], secrets: Path) -> Settings:
    """What a process in this environment runs under, its secrets being files of this folder."""
    placed = {
        name: str(secrets / Path(value).name) if name.endswith("_FILE") else value
        for name, value in environment.items()
    }
    return read_settings(placed)
