"""`python -m cli`: the same as `lectorium`."""

from __future__ import annotations

from cli.main import main

main()
