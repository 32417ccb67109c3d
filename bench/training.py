"""What an update costs at real size, plain and with each option: time, peak memory, and what is learnt.

    python -m bench.training [--version v2|v2Pro] [--lanes 2] [--seconds 2] [--updates 3] [--warm-up 1]
        [--device cpu] [--only decoder|semantic]

The weights are random. Each row runs in a process of its own, so that its peak is its own, on the same
recordings, weights and draws; plain runs first and last, so that the two tell what the machine adds. On a
CPU the processor's time of one thread counts. The loss is that of the same recordings after the last update,
without dropout: the mel distance of the decoder, a token's loss of the semantic model. Prints Markdown
tables.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

_SHARED: Final[dict[str, dict[str, Any]]] = {
    "bf16": {"bf16": True},
    "fused": {"fused": True},
    "recompute": {"recompute": True},
    "ceiling 1.0": {"ceiling": 1.0},
    "two passes of half the lanes": {"n_passes": 2},
}
ROWS: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "decoder": {
        "plain": {},
        **_SHARED,
        "frozen prior": {"frozen": ["prior"]},
        "divergence warm-up over 100": {"divergence_warm_up": 100},
        "bf16, fused, recompute": {"bf16": True, "fused": True, "recompute": True},
        "plain, again": {},
    },
    "semantic": {
        "plain": {},
        **_SHARED,
        "frozen blocks 0 to 11": {"frozen": [f"blocks.{index}" for index in range(12)]},
        "adapters of rank 16": {"adapter_rank": 16},
        "adapters of rank 32": {"adapter_rank": 32},
        "adapters of rank 16, bf16, fused": {"adapter_rank": 16, "bf16": True, "fused": True},
        "plain, again": {},
    },
}
_N_PHONEMES: Final = 732


def measure(kind: str, options: Mapping[str, Any], arguments: argparse.Namespace) -> dict[str, float]:
    """What one row costs: seconds of each update, of a look, peak bytes, and the loss at the end."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    step, batches = _prepare(kind, dict(options), arguments)
    is_gpu = step.device.type == "cuda"
    clocks = (time.perf_counter, time.perf_counter if is_gpu else time.process_time)

    def timed(number: int | None) -> tuple[float, float]:
        began = [clock() for clock in clocks]
        if number is None:
            step.evaluate(batches)
        else:
            step.update(batches, number, 0)
        if is_gpu:
            torch.cuda.synchronize()
        wall, worked = (clock() - start for clock, start in zip(clocks, began, strict=True))
        return wall, worked

    for number in range(arguments.warm_up):
        timed(number)
    if is_gpu:
        torch.cuda.reset_peak_memory_stats()
    spent = [timed(arguments.warm_up + index) for index in range(arguments.updates)]
    peak = (
        torch.cuda.max_memory_allocated()
        if is_gpu
        else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    )
    worked = [seconds for _, seconds in spent]
    return {
        "seconds": min(worked),
        "median": statistics.median(worked),
        "wall": statistics.median(wall for wall, _ in spent),
        "peak": peak,
        "loss": step.evaluate(batches),
        "look": timed(None)[1],
    }


def _prepare(kind: str, options: dict[str, Any], arguments: argparse.Namespace) -> tuple[Any, list[Any]]:
    """The update step, and the passes of its every update."""
    import torch

    from speech.networks.config import DecoderConfig, SemanticConfig
    from speech.networks.semantic import SemanticModel
    from speech.training.batches import SAMPLES_PER_TOKEN, DecoderBatch, Features, SemanticBatch
    from speech.training.decoder import DecoderStep, Networks
    from speech.training.options import DecoderOptions, SemanticOptions
    from speech.training.semantic import SemanticStep

    device = torch.device(arguments.device)
    config = SHAPES[arguments.version]
    n_passes = options.pop("n_passes", 1)
    options["frozen"] = tuple(options.get("frozen", ()))
    n_tokens = round(arguments.seconds * 25)
    lanes = [
        Features(
            str(index),
            0.1 * torch.randn(n_tokens * SAMPLES_PER_TOKEN),
            torch.randint(0, 1024, (n_tokens,)),
            torch.randint(0, _N_PHONEMES, (n_tokens // 2,)),
            speaker=torch.randn(config["speaker_width"]) if config else None,
        )
        for index in range(arguments.lanes)
    ]
    size = arguments.lanes // n_passes
    groups = [lanes[start : start + size] for start in range(0, arguments.lanes, size)]
    if kind == "decoder":
        networks = Networks.fresh(DecoderConfig(**config))
        for network in (networks.decoder, networks.posterior, networks.discriminators):
            network.to(device)
        step: Any = DecoderStep(networks, DecoderOptions(**options))
        return step, [DecoderBatch.of(group, [lane.name for lane in group]) for group in groups]
    model = SemanticModel(SemanticConfig()).to(device)
    step = SemanticStep(model, SemanticOptions(**options))
    return step, [SemanticBatch.of(group, "", model.config.linguistic_width) for group in groups]


SHAPES: Final[dict[str, dict[str, int]]] = {
    "v2": {},
    "v2Pro": {"style_width": 1024, "speaker_width": 20480},
}
"""What each version's decoder has other than v2's; their semantic models are of one shape."""


def _row(name: str, told: Mapping[str, float], plain: Mapping[str, float]) -> str:
    drift = told["loss"] / plain["loss"] - 1
    cells = (
        name,
        f"{told['seconds']:.2f} ({told['median']:.2f})",
        f"{1 / told['seconds']:.3f}",
        f"{told['seconds'] / plain['seconds']:.2f}",
        f"{told['wall']:.1f}",
        f"{told['peak'] / 1e9:.2f}",
        f"{told['peak'] / plain['peak']:.2f}",
        f"{told['loss']:.4f}",
        f"{drift:+.2%}",
    )
    return f"| {' | '.join(cells)} |"


def _print_table(kind: str, arguments: argparse.Namespace, passed_on: Sequence[str]) -> None:
    """Measures and prints the rows of one kind, each as soon as it is there."""
    unit = "seconds" if arguments.device.startswith("cuda") else "processor seconds"
    heads = (
        f"{kind}, {arguments.version}, {arguments.lanes} lanes of {arguments.seconds:g} s",
        f"{unit} an update, best (median)",
        "updates for such a second",
        "beside plain",
        "by the clock, s",
        "peak, GB",
        "beside plain",
        f"loss after {arguments.warm_up + arguments.updates} updates",
        "beside plain",
    )
    print(f"\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}", flush=True)
    plain: dict[str, float] = {}
    for name in ROWS[kind]:
        command = [sys.executable, "-m", "bench.training", *passed_on, "--row", kind, name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            told_last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
            print(f"| {name} | failed: {told_last} |{' |' * (len(heads) - 2)}", flush=True)
            continue
        told = json.loads(done.stdout)
        plain = plain or told
        print(_row(name, told, plain), flush=True)
    print(
        f"\nEarly stopping: a look at so many recordings takes {plain['look']:.2f} s, every 20 updates "
        f"{plain['look'] / 20 / plain['seconds']:.1%} of the time.",
        flush=True,
    )


def main() -> None:
    """Measures every row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--version", choices=tuple(SHAPES), default="v2")
    parser.add_argument("--lanes", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each recording")
    parser.add_argument("--updates", type=int, default=3)
    parser.add_argument("--warm-up", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", choices=tuple(ROWS))
    parser.add_argument("--row", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.row:
        kind, name = arguments.row
        print(json.dumps(measure(kind, ROWS[kind][name], arguments)))
        return
    for kind in [arguments.only] if arguments.only else list(ROWS):
        _print_table(kind, arguments, sys.argv[1:])


if __name__ == "__main__":
    main()
