"""`lectorium train`: recordings become a voice, in cheap and green hours, with no server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.console import clock, energy, moment, say, say_json, tell

if TYPE_CHECKING:
    from cli.teach import Taught
    from cli.training_order import Foreseen
    from jobs.ledger.values import JobView


def _options_of_training(command: Callable[..., Any]) -> Callable[..., Any]:
    """An option for each field of `TrainingOptions`, in its order."""
    for name, text in reversed(OPTIONS):
        command = click.option(f"--{name.replace('_', '-')}", name, help=text)(command)
    return command


OPTIONS = (
    ("precision", "fp32 (default) or bf16."),
    ("adapter_rank", "Train small adapters of this rank instead of the semantic model's weights: 32."),
    ("decoder_epochs", "Times the decoder hears all recordings. Default: 8."),
    ("semantic_epochs", "Times the semantic model hears all recordings. Default: 15."),
    ("decoder_lanes", "Recordings in one pass of the decoder."),
    ("semantic_lanes", "Recordings in one pass of the semantic model."),
    ("decoder_passes", "Passes of the decoder to one update."),
    ("semantic_passes", "Passes of the semantic model to one update."),
    ("decoder_rate", "Learning rate of the decoder. Default: 1e-4."),
    ("semantic_rate", "Learning rate of the semantic model. Default: 1e-4."),
    ("ceiling", "Norm that gradients are scaled down to: 1.0."),
    ("divergence_warm_up", "Updates until the decoder's divergence counts in full."),
    ("jitter_samples", "Recordings begin up to so many samples later, anew in each update."),
    ("patience", "Looks at held-out recordings without a gain before it ends early."),
    ("look_every", "Updates between two such looks."),
    ("least_per_epoch", "Recordings of an epoch; fewer are gone through several times. Default: 100."),
    ("recompute", "true: less memory for more time."),
    ("fused", "true: the optimiser in one kernel."),
    ("seed", "Another number draws another order and other crops."),
)


@click.command()
@click.argument(
    "recordings", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--list",
    "listed",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What is said in them: path|speaker|language|text, a line each.",
)
@click.option("--name", required=True, help="What the voice is called; a name that is there gets a version.")
@click.option(
    "--base", required=True, metavar="VOICE", help="Whose weights it begins with: gpt-sovits-v2, ..."
)
@click.option("--language", required=True, help="Of the recordings: en, zh, ja, ko, yue.")
@click.option("--consent", required=True, help="Who agreed to be cloned, to what, and how it is known.")
@click.option("--licence", default="", help="SPDX identifier or a short name.")
@click.option("--description", default="", help="A line about the voice.")
@click.option(
    "--window",
    "windows",
    multiple=True,
    help='When it may train: "22:00-06:00 Europe/Berlin"; may be given again. Default: LECTORIUM_WINDOW.',
)
@click.option("--deadline", help="By when, with offset: 2026-12-01T07:00+01:00. The best hours before it.")
@click.option("--now", "at_once", is_flag=True, help="Do not wait for a window.")
@_options_of_training
@click.option("--dry-run", is_flag=True, help="Only say how long, how much energy and when.")
@click.option("--detach", is_flag=True, help="Only ask: `lectorium up` or `lectorium worker` shall do it.")
@click.option(
    "-o", "--output", "out", type=click.Path(file_okay=False, path_type=Path), help="Folder for its plots."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.pass_context
def train(
    command: click.Context,
    /,
    recordings: tuple[Path, ...],
    listed: Path | None,
    dry_run: bool,
    detach: bool,
    out: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Train a voice from RECORDINGS: a minute or more of one speaker, who must have agreed to it.

    It trains in its window and waits for it. The same command again, after Ctrl-C or a crash, goes on where
    it was.
    """
    from cli.processes import require
    from cli.settings import settings_of
    from cli.teach import ask_only, foresee, teach
    from cli.training_order import TrainingOrder, check_training

    require("worker", "neural")
    options = {name: given.pop(name) for name, _ in OPTIONS}
    at_once = given.pop("at_once")
    order = TrainingOrder(
        recordings,
        listed,
        check_training({**given, "when": "now" if at_once else "off-peak", "options": options}),
        out,
    )
    settings = settings_of(command)
    if dry_run:
        _show_foreseen(foresee(order, settings), as_json=as_json)
        return
    if detach:
        job_id = ask_only(order, settings)
        say_json({"job": job_id}) if as_json else say(job_id)
        return
    taught = teach(order, settings)
    _show(taught, as_json=as_json)
    if taught.exit_code:
        raise click.exceptions.Exit(taught.exit_code)


def _show_foreseen(foreseen: Foreseen, *, as_json: bool) -> None:
    if as_json:
        say_json(foreseen.as_json())
        return
    known = (
        "by the last training here" if foreseen.is_measured else "assumed: this base was never trained here"
    )
    say(
        f"{foreseen.n_updates:,} updates of {clock(foreseen.audio_seconds)} of sound: about "
        f"{clock(foreseen.seconds)} on {foreseen.device}, an estimate ({known})"
    )
    cost = "" if foreseen.cost is None else f", {foreseen.cost:.2f} to pay"
    say(f"about {energy(foreseen.kwh)}, {foreseen.grams:.1f} g CO2e{cost}")
    for start, end in foreseen.openings:
        say(f"from {moment(start)} to {moment(end)}")
    if foreseen.saving is not None:
        say(f"saves {foreseen.saving:.0%} of the {foreseen.unit} signal against starting at once")
    if not foreseen.meets_deadline:
        tell("its windows before the deadline are too short for all of it")


def _show(taught: Taught, *, as_json: bool) -> None:
    if as_json:
        say_json(taught.as_json())
    elif taught.exit_code == 0:
        for line in summary(taught.job):
            say(line)
        for path in taught.paths:
            say(str(path))
    for line in taught.errors:
        tell(line)


def summary(job: JobView) -> list[str]:
    """The voice, and what it took."""
    lines = [f"the voice {job.spec['name']} is trained"]
    if job.energy is not None:
        grams = "" if job.energy.grams is None else f", {job.energy.grams:.1f} g CO2e"
        how = " (estimated)" if job.energy.source == "estimate" else ""
        lines.append(f"{energy(job.energy.kwh)}{how}{grams}")
    return lines
