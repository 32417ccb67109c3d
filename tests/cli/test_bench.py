from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.bench import PRECISIONS, WEIGHTS
from cli.main import run

TOY = ["bench", "--weights", "random:toy", "--sentences", "2", "--plain", "1", "--lanes", "2", "--swaps", "1"]


def test_choices_are_those_of_the_bench() -> None:
    from speech.bench.weights import SHAPES
    from speech.precision import Precision

    assert tuple(SHAPES) == WEIGHTS
    assert tuple(Precision) == PRECISIONS


def test_bench_prints_json_and_compares(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run([*TOY, "--json"]) == 0
    printed = capsys.readouterr().out
    promised = {"audio_seconds_per_second", "stages", "padding_waste", "peak_rss_bytes", "swap_seconds"}
    assert promised <= json.loads(printed).keys()
    (tmp_path / "before.json").write_text(printed, encoding="utf-8")
    assert run([*TOY, "--compare", str(tmp_path / "before.json")]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split("\t") == ["what", "figure", "against it"]
    assert any(row.startswith("audio seconds per second\t") and "\tx " in row for row in rows)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--weights", "random:v9"], "random:v9"),
        (["--sentences", "1", "--processes", "2"], "1 sentences, 1 of them plain"),
        (["--compare", __file__], "--compare"),
        (["--plot", "absent/plot.png"], "plot"),
    ],
)
def test_bad_order_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    assert run([*TOY, *arguments]) == 2
    line = capsys.readouterr().err
    assert complaint in line
    assert line.count("\n") == 1
