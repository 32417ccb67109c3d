"""Measurements. Each script prints one table, or one JSON object with `--json`."""
