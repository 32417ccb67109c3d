"""The evaluation as pictures: words understood by narrator, and how the losses fell. Needs matplotlib."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from speech.errors import SpeechError
from speech.training.plots import plot_losses

_CURVES: Final = {"decoder": "decoder/curve.jsonl", "semantic": "semantic/losses.jsonl"}


def draw(rows: Mapping[str, Any], folder: Path) -> list[Path]:
    """The pictures that `rows` and the curves in `folder` give, as PNG files there.

    Args:
        rows: as `starter.evaluate.evaluate` gives them.
        folder: of the stages.

    Raises:
        SpeechError: matplotlib is not installed.
    """
    drawn = [folder / "words.png"]
    draw_words(rows["words"], drawn[0])
    losses = [
        {"stage": stage, **json.loads(line)}
        for stage, name in _CURVES.items()
        if (folder / name).is_file()
        for line in (folder / name).read_text(encoding="utf-8").splitlines()
    ]
    if losses:
        drawn.append(folder / "losses.png")
        plot_losses(losses, drawn[-1])
    return drawn


def draw_words(row: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Word error rates by narrator: flite's, and the starter's beside them where it speaks.

    Raises:
        SpeechError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise SpeechError("plots need matplotlib: pip install 'lectorium[neural]'") from error
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    for place, (who, label) in enumerate((("flite", "flite"), ("starter", "starter voice"))):
        rates = {name: found[who]["word_error_rate"] for name, found in row.items() if who in found}
        if rates:
            bars = axes.bar(
                [list(row).index(name) + 0.4 * place for name in rates],
                list(rates.values()),
                0.4,
                label=label,
            )
            axes.bar_label(bars, fmt="%.2f", padding=2)
    axes.set_xticks([place + 0.2 for place in range(len(row))], list(row))
    axes.set(title="Words that PocketSphinx gets wrong", ylabel="word error rate")
    axes.legend(fontsize=8)
    figure.savefig(path, format="png", dpi=110)
