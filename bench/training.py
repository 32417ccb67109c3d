"""Seconds (on a CPU: of one core) and peak memory of an update at real size, plain and with each option.

The weights are random.

    python -m bench.training [--version v2|v2Pro] [--lanes 2] [--seconds 4] [--updates 3] [--warm-up 1]
        [--device cpu]

Each row runs in a process of its own, so that its peak is its own. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any

ROWS: dict[str, dict[str, dict[str, Any]]] = {
    "decoder": {
        "plain": {},
        "bf16": {"bf16": True},
        "fused": {"fused": True},
        "recompute": {"recompute": True},
        "ceiling 1.0": {"ceiling": 1.0},
        "two passes of half the lanes": {"n_passes": 2},
        "frozen prior": {"frozen": ["prior"]},
    },
    "semantic": {
        "plain": {},
        "bf16": {"bf16": True},
        "fused": {"fused": True},
        "recompute": {"recompute": True},
        "ceiling 1.0": {"ceiling": 1.0},
        "two passes of half the lanes": {"n_passes": 2},
        "adapters of rank 32": {"adapter_rank": 32},
    },
}


def measure(kind: str, options: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Prints what one row measures, as JSON."""
    import torch

    from speech.networks.config import DecoderConfig, SemanticConfig
    from speech.networks.semantic import SemanticModel
    from speech.training.batches import SAMPLES_PER_TOKEN, DecoderBatch, Features, SemanticBatch
    from speech.training.decoder import DecoderStep, Networks
    from speech.training.options import DecoderOptions, SemanticOptions
    from speech.training.semantic import SemanticStep

    torch.manual_seed(0)
    device = torch.device(arguments.device)
    pro = {"style_width": 1024, "speaker_width": 20480} if arguments.version == "v2Pro" else {}
    n_passes = options.pop("n_passes", 1)
    options["frozen"] = tuple(options.get("frozen", ()))
    n_tokens = round(arguments.seconds * 25)
    lanes = [
        Features(
            str(i),
            0.1 * torch.randn(n_tokens * SAMPLES_PER_TOKEN),
            torch.randint(0, 1024, (n_tokens,)),
            torch.randint(0, 732, (n_tokens // 2,)),
            speaker=torch.randn(20480) if pro else None,
        )
        for i in range(arguments.lanes)
    ]
    size = arguments.lanes // n_passes
    groups = [lanes[i : i + size] for i in range(0, arguments.lanes, size)]
    if kind == "decoder":
        networks = Networks.fresh(DecoderConfig(**pro))
        for network in (networks.decoder, networks.posterior, networks.discriminators):
            network.to(device)
        step: Any = DecoderStep(networks, DecoderOptions(**options))
        batches: list[Any] = [DecoderBatch.of(group, [lane.name for lane in group]) for group in groups]
    else:
        model = SemanticModel(SemanticConfig()).to(device)
        step = SemanticStep(model, SemanticOptions(**options))
        batches = [SemanticBatch.of(group, "", 1024) for group in groups]
    is_gpu = device.type == "cuda"
    for _ in range(arguments.warm_up):
        step.update(batches, 0, 0)
    if is_gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    # On a CPU the processor's time counts, and one thread: what else the machine does counts for less.
    now = time.perf_counter if is_gpu else time.process_time
    torch.set_num_threads(1)
    seconds = []
    for number in range(1, 1 + arguments.updates):
        begun = now()
        step.update(batches, number, 0)
        if is_gpu:
            torch.cuda.synchronize()
        seconds.append(now() - begun)
    peak = (
        torch.cuda.max_memory_allocated()
        if is_gpu
        else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    )
    print(json.dumps({"seconds": min(seconds), "mean": sum(seconds) / len(seconds), "peak": peak}))


def main() -> None:
    """Measures every row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", choices=("v2", "v2Pro"), default="v2")
    parser.add_argument("--lanes", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--updates", type=int, default=3)
    parser.add_argument("--warm-up", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", choices=tuple(ROWS))
    parser.add_argument("--row", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.row:
        kind, name = arguments.row
        measure(kind, dict(ROWS[kind][name]), arguments)
        return
    for kind in [arguments.only] if arguments.only else list(ROWS):
        print(f"\n| {kind}, {arguments.version} | seconds an update, best (mean) | peak, GB |\n|---|---|---|")
        for name in ROWS[kind]:
            command = [sys.executable, "-m", "bench.training", *sys.argv[1:], "--row", kind, name]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"| {name} | failed: {done.stderr.strip().splitlines()[-1]} | |", flush=True)
                continue
            told = json.loads(done.stdout)
            print(
                f"| {name} | {told['seconds']:.2f} ({told['mean']:.2f}) | {told['peak'] / 1e9:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
