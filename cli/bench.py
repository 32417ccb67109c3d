"""`lectorium bench`: how fast this machine speaks, and where the time goes."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import click

from cli.console import say_json, table, tell
from cli.errors import CommandError

WEIGHTS = ("random:v2", "random:v2Pro", "random:v2ProPlus", "random:toy")
PRECISIONS = ("fp32", "mixed", "bf16")


@click.command()
@click.option("--weights", type=click.Choice(WEIGHTS), default="random:v2", show_default=True)
@click.option("--precision", type=click.Choice(PRECISIONS), default="fp32", show_default=True)
@click.option("--device", type=click.Choice(("cpu", "cuda")), default="cpu", show_default=True)
@click.option("--lanes", default=0, help="Utterances decoded at once in a process; 0: as the device likes.")
@click.option("--sentences", default=2000, show_default=True, help="The first so many of the corpus.")
@click.option("--plain", default=20, show_default=True, help="How many of them also go one at a time.")
@click.option("--voices", default=1, show_default=True, help="Prompts that share the weights.")
@click.option("--processes", default=1, show_default=True, help="On a CPU: one for each core is best.")
@click.option("--swaps", default=20, show_default=True, help="Of a voice, from each tier; 0: none.")
@click.option("--graphs", is_flag=True, help="On a GPU: ticks as captured graphs.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--compare", "other", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="The JSON of another run; its figures become ratios.")  # fmt: skip
@click.option("--plot", "picture", type=click.Path(dir_okay=False, path_type=Path),
              help="A PNG of lanes and stages over time.")  # fmt: skip
def bench(
    weights: str,
    precision: str,
    device: str,
    lanes: int,
    sentences: int,
    plain: int,
    voices: int,
    processes: int,
    swaps: int,
    graphs: bool,
    as_json: bool,
    other: Path | None,
    picture: Path | None,
) -> None:
    """Measure how fast this machine speaks, with random weights of the real size."""
    if importlib.util.find_spec("torch") is None:
        raise CommandError("the bench needs torch: pip install 'lectorium[neural]'")
    from speech.bench.plot import check_plot, plot, read_report, rows
    from speech.bench.run import Order, run
    from speech.precision import Precision

    order = Order(
        weights=weights,
        precision=Precision(precision),
        device=device,
        n_lanes=lanes,
        n_sentences=sentences,
        n_plain=min(plain, sentences),
        n_voices=voices,
        n_processes=processes,
        n_swaps=swaps,
        in_graphs=graphs,
    )
    before = read_report(other) if other else None
    if picture:
        check_plot(picture)
    tell(f"{weights}, {precision}: {sentences} sentences in {processes} x {order.lanes} lanes on {device}")
    report = run(order)
    if picture:
        plot(report, picture)
    if as_json:
        say_json(report)
    else:
        table(rows(report, before), ("what", "figure", "against it")[: 3 if before else 2])
