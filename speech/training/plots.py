"""A training as pictures: how the losses fell, and what the voice has come to. Needs matplotlib, which is
loaded when something is drawn: who only trains needs it not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from speech.errors import SpeechError


def plot_losses(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """The losses of every update, one picture for each network, as a PNG file.

    Args:
        rows: `stage`, `update`, and the losses by name, as `Course.losses` has them.
        path: where it goes.

    Raises:
        SpeechError: matplotlib is not installed.
    """
    figure_of = _figure()
    stages = list(dict.fromkeys(row["stage"] for row in rows))
    figure = figure_of(figsize=(6 * len(stages), 4.5), layout="constrained")
    for axes, stage in zip(figure.subplots(1, len(stages), squeeze=False)[0], stages, strict=True):
        of_stage = [row for row in rows if row["stage"] == stage]
        for name in sorted({name for row in of_stage for name in row} - {"stage", "update", "gradient"}):
            points = [(row["update"], row[name]) for row in of_stage if name in row]
            looks = name == "held_out"
            axes.plot(
                *zip(*points, strict=True), marker="o" if looks else None, lw=2 if looks else 1, label=name
            )
        axes.set(title=f"Losses: {stage}", xlabel="updates", yscale="log")
        axes.legend(fontsize=8)
    figure.savefig(path, format="png", dpi=110)


def plot_likeness(voices: Mapping[str, Mapping[str, float | None]], path: Path) -> None:
    """The figures of some voices side by side, as a PNG file.

    Args:
        voices: by name, what `Likeness` says of each; what is not known is left out.
        path: where it goes.

    Raises:
        SpeechError: matplotlib is not installed.
    """
    figure_of = _figure()
    shown = {
        "similarity": "Speaker similarity (1 is the same)",
        "pitch_semitones": "Median pitch, semitones above the speaker's",
        "pitch_range": "Range of pitch, times the speaker's",
        "rate": "Rate, times the speaker's",
        "spectral_db": "Spectral distance, dB",
        "misheard": "Share of words or characters a recogniser mishears",
    }
    known = [name for name in shown if any(figures.get(name) is not None for figures in voices.values())]
    figure = figure_of(figsize=(7, 1.2 + 1.1 * len(known)), layout="constrained")
    for axes, name in zip(figure.subplots(len(known), 1, squeeze=False)[:, 0], known, strict=True):
        values = {
            voice: value for voice, figures in voices.items() if (value := figures.get(name)) is not None
        }
        axes.bar_label(axes.barh(list(values), list(values.values())), fmt="%.3g", padding=3)
        axes.set_title(shown[name], fontsize=9, loc="left")
        axes.margins(x=0.15)
        axes.invert_yaxis()
    figure.savefig(path, format="png", dpi=110)


def _figure() -> Any:
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise SpeechError("plots need matplotlib: pip install 'lectorium[neural]'") from error
    return Figure
