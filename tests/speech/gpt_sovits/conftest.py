"""Toy voices, written once for all tests of this room; who spoils a file takes a shelf of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.speech.gpt_sovits.toys import source_of


@pytest.fixture(scope="session")
def toy_shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a toy voice of each version in it, and the backbones."""
    shelf = tmp_path_factory.mktemp("shelf")
    for version in ("v1", "v2", "v2Pro", "v2ProPlus"):
        source_of(shelf, version)
    return shelf
