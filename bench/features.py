"""What hearing recordings side by side saves the content and the speaker backbone.

    python -m bench.features [--lanes 6] [--rounds 2] [--device cpu]

Backbones of the published shapes with random weights; recordings of 2 to 6 seconds, in a batch as the
features of a training are made. On a CPU the processor's time of one thread counts. Alone and together take
turns; the best round of each is compared. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import HubertConfig, HubertModel

from speech.backbones import ContentBackbone, SpeakerBackbone
from speech.networks.config import SpeakerConfig
from speech.networks.speaker import SpeakerEncoder

RATE = 16_000


def write_backbones(folder: Path) -> Path:
    """Both, of the published shapes."""
    torch.manual_seed(0)
    HubertModel(HubertConfig()).save_pretrained(folder / "content")
    (folder / "speaker").mkdir()
    speaker = SpeakerEncoder(SpeakerConfig()).eval()
    save_file(speaker.state_dict(), folder / "speaker" / "model.safetensors")
    return folder


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--lanes", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(arguments.device)
    is_gpu = device.type == "cuda"
    now = time.perf_counter if is_gpu else time.process_time
    with tempfile.TemporaryDirectory() as name:
        folder = write_backbones(Path(name))
        content = ContentBackbone(folder / "content", device)
        speaker = SpeakerBackbone(folder / "speaker", device)
    lengths = torch.linspace(2, 6, arguments.lanes).mul(RATE).long().tolist()
    sounds = [0.1 * torch.randn(n) for n in lengths]

    def timed(work: Callable[[], object]) -> float:
        began = now()
        work()
        if is_gpu:
            torch.cuda.synchronize()
        return now() - began

    filled = 1 - sum(lengths) / (max(lengths) * len(lengths))
    print(f"{len(lengths)} recordings, {sum(lengths) / RATE:.1f} s, {filled:.0%} of the places filled up")
    heads = ("backbone", "s alone", "s together", "together, of alone", "largest difference")
    print(f"\n| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    ways: dict[str, tuple[Callable[[], list[Tensor]], Callable[[], list[Tensor]]]] = {
        "content": (
            lambda: [content(sound)[0] for sound in sounds],
            lambda: content.hear_all(sounds),
        ),
        "speaker": (
            lambda: [speaker(sound) for sound in sounds],
            lambda: list(speaker.hear_all(sounds)),
        ),
    }
    for which, (alone, together) in ways.items():
        apart = max(
            float((one - other).abs().max() / one.abs().max())
            for one, other in zip(alone(), together(), strict=True)
        )
        rounds = [(timed(alone), timed(together)) for _ in range(arguments.rounds)]
        best_alone, best_together = (min(column) for column in zip(*rounds, strict=True))
        share = best_together / best_alone
        print(f"| {which} | {best_alone:.2f} | {best_together:.2f} | {share:.2f} | {apart:.1e} |", flush=True)


if __name__ == "__main__":
    main()
