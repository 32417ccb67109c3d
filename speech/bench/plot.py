"""The report as a picture, because people would rather look than read. Needs matplotlib (extra `bench`)."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from speech.bench.swaps import TIERS
from speech.errors import SpeechError

STAGES = ("text", "prefill", "decode", "decoder")


def plot(report: dict[str, Any], path: Path) -> None:
    """Busy lanes over time, where the time went, and the rate beside the plain path's, as a PNG file.

    Raises:
        SpeechError: matplotlib is not installed.
    """
    check_plot(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6.5), layout="constrained")
    (over_time, stages), (rates, words) = figure.subplots(2, 2, width_ratios=(2.2, 1))
    for index, lanes in enumerate(report["lanes"]):
        moments = [moment for moment, _ in lanes] + [report["wall_seconds"]]
        busy = [n for _, n in lanes]
        over_time.stairs(busy, moments, baseline=0, fill=True, alpha=0.5, label=f"process {index + 1}")
    over_time.set(title="Lanes in use", xlabel="seconds", ylabel="lanes", ylim=(0, None))
    over_time.legend(loc="lower left")
    seconds = [report["stages"][name] for name in STAGES]
    stages.barh(STAGES, seconds)
    stages.set(title="Where the time went", xlabel="seconds, all processes")
    stages.invert_yaxis()
    names = ("plain, one sentence at a time", f"engine, {report['order']['precision']}")
    found = [report["plain"]["audio_seconds_per_second"], report["audio_seconds_per_second"]]
    bars = rates.barh(names, found)
    rates.bar_label(bars, fmt="%.2f", padding=3)
    rates.set(title="Audio seconds per second", xlim=(0, 1.15 * max(found)))
    words.axis("off")
    words.text(
        0, 0.95, "\n".join(" ".join(row) for row in rows(report)), va="top", family="monospace", fontsize=8
    )
    figure.savefig(path, format="png", dpi=110)


def check_plot(path: Path) -> None:
    """Refuses a picture that could not be drawn, before anything is measured.

    Raises:
        SpeechError: matplotlib is not installed, or the folder is not there.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise SpeechError("a plot needs matplotlib: pip install 'lectorium[bench]'")
    if not path.resolve().parent.is_dir():
        raise SpeechError(f"a plot at {path}: there is no such folder")


def read_report(path: Path) -> dict[str, Any]:
    """The JSON of another run.

    Raises:
        SpeechError: it cannot be read, or is none; the message names the file.
    """
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SpeechError(f"--compare {path}: {error}") from None
    if not isinstance(report, dict) or "audio_seconds_per_second" not in report:
        raise SpeechError(f"--compare {path}: not a report of lectorium bench")
    return report


def rows(report: dict[str, Any], other: dict[str, Any] | None = None) -> list[tuple[str, ...]]:
    """What, how much, and how many times another report's figure, a row each; for tables."""
    told = [
        ("audio seconds per second", "audio_seconds_per_second", "{:.2f}"),
        ("... per CPU second", "audio_seconds_per_cpu_second", "{:.2f}"),
        ("times the plain path", "times_plain", "{:.2f}"),
        ("... per CPU second", "times_plain_per_cpu_second", "{:.2f}"),
        ("sentences per minute", "sentences_per_minute", "{:.0f}"),
        ("sentence, median seconds", "sentence_seconds.p50", "{:.2f}"),
        ("sentence, 95th percentile", "sentence_seconds.p95", "{:.2f}"),
        *((f"seconds of {name}", f"stages.{name}", "{:.1f}") for name in STAGES),
        ("lane and padding waste", "padding_waste", "{:.1%}"),
        *(
            (f"swap from {tier}, {which}", f"swap_seconds.{tier}.{key}", "{:.4f}")
            for tier in TIERS
            for which, key in (("median", "p50"), ("95th", "p95"))
        ),
        ("peak memory, bytes", "peak_rss_bytes", "{:,.0f}"),
        ("GPU busy", "gpu_busy", "{:.0%}"),
        ("joules per audio second", "joules_per_audio_second", "{:.2f}"),
        ("... known from", "energy_source", "{}"),
        ("tokens equal to float32's", "quality.tokens_equal", "{:.2%}"),
        ("log-mel distance, dB", "quality.log_mel_db", "{:.3f}"),
    ]
    table: list[tuple[str, ...]] = []
    for what, key, form in told:
        value = _value(report, key)
        if value is None:
            continue
        row = (what, form.format(value))
        before = _value(other, key) if other else None
        ratio = ""
        if isinstance(value, float) and isinstance(before, float) and before:
            ratio = f"x {value / before:.2f}"
        table.append((*row, ratio) if other else row)
    return table


def _value(report: dict[str, Any], key: str) -> float | str | None:
    found: Any = report
    for name in key.split("."):
        found = found[0] if isinstance(found, list) else found
        found = found.get(name) if found else None  # a tier that was not measured has no figures
    return found if found is None or isinstance(found, str) else float(found)
