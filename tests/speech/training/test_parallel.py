"""Two processes share an update: gloo, two CPU processes, as torchrun would start them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from speech.training.batches import SemanticBatch
from tests.speech.training.toys import (
    decoder_trainer,
    distance,
    recordings,
    same_bits,
    semantic_step,
    semantic_trainer,
)

ROOT = Path(__file__).resolve().parents[3]

PROGRAM = """
import sys, torch, torch.distributed as dist
from datetime import timedelta
from pathlib import Path
from safetensors.torch import save_file
from speech.training.loop import Outcome, run
from tests.speech.training.toys import decoder_trainer, semantic_trainer
torch.set_num_threads(1)
folder, rank = sys.argv[1], int(sys.argv[2])
store = f"file://{folder}/store"
dist.init_process_group("gloo", init_method=store, rank=rank, world_size=2, timeout=timedelta(seconds=120))
for name, make in (("decoder", decoder_trainer), ("semantic", semantic_trainer)):
    trainer = make(n_passes=2, n_held_out=0)
    trainer.update()
    save_file(trainer.snapshot().tensors, f"{folder}/{name}-{rank}.safetensors")
trainer, n = semantic_trainer(n_passes=2, n_held_out=0), 0
def count(number, losses):
    global n
    n = number
outcome = run(trainer, Path(folder) / "run", must_stop=lambda: rank == 1 and n >= 2, report=count)
assert (outcome, n) == (Outcome.STOPPED, 2), (outcome, n)  # one wishes it, both stop
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_learn_what_one_learns_in_two_passes(tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # noqa: TID251 - handed on
    processes = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, tmp_path, str(rank)], cwd=ROOT, env=environment)
        for rank in range(2)
    ]
    assert [process.wait(400) for process in processes] == [0, 0]
    for name, make in (("decoder", decoder_trainer), ("semantic", semantic_trainer)):
        first, second = (load_file(tmp_path / f"{name}-{rank}.safetensors") for rank in range(2))
        assert same_bits(first, second)
        alone = make(n_passes=2, n_held_out=0)
        alone.update()
        gradients = {key: tensor for key, tensor in alone.snapshot().tensors.items() if "exp_avg" in key}
        assert distance(gradients, {key: first[key] for key in gradients}) < 1e-4


def test_a_batchs_gradient_is_shared_by_its_tokens() -> None:
    """Two passes of different length weigh by their tokens, as one pass of both does."""
    lanes = recordings(2)
    apart, together = semantic_step(dropout=0.0), semantic_step(dropout=0.0)
    one = apart.update([SemanticBatch.of([lane], "", 6) for lane in lanes], 0, 0)
    two = together.update([SemanticBatch.of(lanes, "", 6)], 0, 0)
    assert one["token"] == pytest.approx(two["token"], rel=1e-5)
    assert one["gradient"] == pytest.approx(two["gradient"], rel=1e-4)
