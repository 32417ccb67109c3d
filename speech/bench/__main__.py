"""`python -m speech.bench`: the bench where nothing but `speech/` and its libraries is installed."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from speech.bench.plot import check_plot, plot, read_report, rows
from speech.bench.run import Order, run
from speech.errors import SpeechError
from speech.precision import Precision


def main() -> int:
    """The exit status: 2 for an order that cannot be carried out."""
    default = Order()
    parser = argparse.ArgumentParser(prog="python -m speech.bench", description=__doc__)
    parser.add_argument("--weights", default=default.weights)
    parser.add_argument("--precision", choices=[*Precision], type=Precision, default=default.precision)
    parser.add_argument("--device", default=default.device)
    parser.add_argument("--lanes", type=int, default=default.n_lanes)
    parser.add_argument("--sentences", type=int, default=default.n_sentences)
    parser.add_argument("--plain", type=int, default=default.n_plain)
    parser.add_argument("--voices", type=int, default=default.n_voices)
    parser.add_argument("--processes", type=int, default=default.n_processes)
    parser.add_argument("--swaps", type=int, default=default.n_swaps)
    parser.add_argument("--graphs", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--compare", type=Path, help="the JSON of another run")
    parser.add_argument("--plot", type=Path)
    asked = parser.parse_args()
    try:
        if asked.plot:
            check_plot(asked.plot)
        before = read_report(asked.compare) if asked.compare else None
        report = run(
            Order(
                weights=asked.weights,
                precision=asked.precision,
                device=asked.device,
                n_lanes=asked.lanes,
                n_sentences=asked.sentences,
                n_plain=asked.plain,
                n_voices=asked.voices,
                n_processes=asked.processes,
                n_swaps=asked.swaps,
                in_graphs=asked.graphs,
            )
        )
        if asked.plot:
            plot(report, asked.plot)
    except SpeechError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    table = ("".join(f"{cell:<28} " for cell in row).rstrip() for row in rows(report, before))
    sys.stdout.write((json.dumps(report) if asked.json else "\n".join(table)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
