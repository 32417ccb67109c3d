"""Fifty voices of adapters on one base, in the voice cache: what each takes, what a change of voice costs.

    python -m bench.adapters [--voices 50] [--rank 16] [--changes 1000]

A base of the published shapes with random weights and the voices on it are written to a shelf, opened
through the cache as a worker does, and then asked for in random order. A change of voice is measured in two
parts: from asking the cache to having the voice in hand, and one tick of one lane right after it, beside the
next tick of the same voice, whose adapters may still be in the processor's own memory.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil
import torch
from safetensors.torch import save_file
from transformers import HubertConfig, HubertModel

from models_store.cache import VoiceCache
from models_store.manifest import ManifestFile, ManifestPrompt, VoiceManifest, weights_digest
from models_store.shelf import Shelf
from speech.gpt_sovits.adapters import ADAPTED
from speech.gpt_sovits.files import ADAPTERS, CONTAINER, DECODER, FAMILY, SEMANTIC
from speech.networks.cache import KVCache
from speech.networks.config import DecoderConfig, SemanticConfig
from speech.networks.semantic import SemanticModel
from speech.training.decoder import Networks
from speech.training.published import decoder_tensors, semantic_tensors
from speech.units import SAMPLE_RATE
from speech.voice import Voice
from speech.wav import wav_bytes

TRANSCRIPT: Final = "The house was quiet again."
PARAMETERS: Final[dict[str, Any]] = {"device": "cpu", "n_lanes": 1, "threads": 1}


def write_base(shelf: Shelf, folder: Path) -> VoiceManifest:
    """A base of v2's published shape, its content backbone as narrow as that may be; the shelf takes it."""
    torch.manual_seed(0)
    config = DecoderConfig()
    networks = Networks.fresh(config)
    files = {SEMANTIC: folder / SEMANTIC, DECODER: folder / DECODER}
    semantic = SemanticConfig()
    shape = {
        "embedding_dim": semantic.width, "hidden_dim": semantic.width, "head": semantic.n_heads,
        "n_layer": semantic.n_layers, "vocab_size": semantic.end_token + 1, "EOS": semantic.end_token,
        "phoneme_vocab_size": semantic.n_phonemes, "dropout": 0,
    }  # fmt: skip
    for name, tensors, hparams in (
        (SEMANTIC, semantic_tensors(SemanticModel(semantic)), shape),
        (DECODER, decoder_tensors(networks.decoder, networks.posterior), config.to_upstream()),
    ):
        container = {"config": {"model": hparams}, "info": "random", "tag": "PK"}
        whole = {key: tensor.contiguous() for key, tensor in tensors.items()}
        save_file(whole, files[name], {CONTAINER: json.dumps(container)})
    content = HubertConfig(
        hidden_size=config.content_width, num_hidden_layers=1, num_attention_heads=2, intermediate_size=12,
        conv_dim=[4] * 7, num_conv_pos_embeddings=6, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    HubertModel(content).save_pretrained(shelf.backbone("content"))
    described = {name: ManifestFile.of(path) for name, path in files.items()}
    manifest = VoiceManifest(
        name="base",
        family=FAMILY,
        weights_digest=weights_digest(described),
        languages=("en",),
        licence="none: random",
        files=described,
        parameters=PARAMETERS,
    )
    return shelf.install(manifest, files)


def write_voice(shelf: Shelf, base: VoiceManifest, number: int, rank: int, folder: Path) -> VoiceManifest:
    """A voice of adapters on the base, with a prompt of three seconds of noise."""
    generator = torch.Generator().manual_seed(number)
    config = SemanticConfig()
    width = config.width
    sizes = ((width, 3 * width), (width, width), (width, 4 * width), (4 * width, width))
    shapes = dict(zip(ADAPTED, sizes, strict=True))
    tensors = {
        f"blocks.{layer}.{name}.{side}": (0.02 * torch.randn(shape, generator=generator)).half()
        for layer in range(config.n_layers)
        for name, (n_in, n_out) in shapes.items()
        for side, shape in (("down", (rank, n_in)), ("up", (n_out, rank)))
    }
    files = {ADAPTERS: folder / ADAPTERS, "prompt.wav": folder / "prompt.wav"}
    save_file(tensors, files[ADAPTERS])
    noise = 0.1 * np.random.default_rng(number).standard_normal(3 * SAMPLE_RATE)
    files["prompt.wav"].write_bytes(wav_bytes(noise.astype(np.float32)))
    manifest = VoiceManifest(
        name=f"voice-{number}",
        family=FAMILY,
        weights_digest=base.weights_digest,
        languages=("en",),
        licence=base.licence,
        files={name: ManifestFile.of(path) for name, path in files.items()},
        base=f"{base.name}@{base.version}",
        prompts=(ManifestPrompt(file="prompt.wav", transcript=TRANSCRIPT, language="en"),),
        parameters=PARAMETERS,
    )
    installed = shelf.install(manifest, files)
    shelf.record_consent(installed.name, "nobody's voice: random numbers")
    return installed


class Ticker:
    """One lane of a semantic model, one tick after another over a prefix of 200 places."""

    def __init__(self) -> None:
        self._cache: KVCache | None = None

    def tick(self, voice: Voice) -> None:
        """A tick with this voice's adapters."""
        model: SemanticModel = voice._open_engine()._semantic  # type: ignore[attr-defined]  # noqa: SLF001 - what it wears
        if self._cache is None:
            self._cache = KVCache.empty(model.config, 1, 256, model.head.weight)
        place = torch.tensor([200])
        with torch.inference_mode():
            model.tick(torch.tensor([7]), place, place, self._cache, [201])


def told(name: str, seconds: Sequence[float]) -> str:
    """A row of the table, in milliseconds."""
    ordered = sorted(seconds)
    p95 = ordered[int(0.95 * len(ordered))]
    return f"| {name} | {1e3 * statistics.median(ordered):.3f} | {1e3 * p95:.3f} | {1e3 * ordered[-1]:.3f} |"


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--voices", type=int, default=50)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--changes", type=int, default=1000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    process = psutil.Process()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shelf = Shelf(folder / "shelf")
        base = write_base(shelf, folder)
        manifests = [
            write_voice(shelf, base, number, arguments.rank, folder) for number in range(arguments.voices)
        ]
        cache = VoiceCache(budget_bytes=8 << 30, idle_seconds=1e6)
        with cache.use(shelf, manifests[0]):  # the base, and what a first voice brings with it
            pass
        own_bytes, resident = cache.used_bytes, process.memory_info().rss
        opened = []
        for manifest in manifests[1:]:
            began = time.thread_time()
            with cache.use(shelf, manifest):
                opened.append(time.thread_time() - began)
        n_opened = len(manifests) - 1
        counted = (cache.used_bytes - own_bytes) / n_opened
        grown = (process.memory_info().rss - resident) / n_opened
        print(
            f"rank {arguments.rank}, float32: {counted / 1e6:.1f} MB a voice counted, "
            f"{grown / 1e6:.1f} MB resident"
        )
        swaps: dict[str, list[float]] = {}
        chance, ticker = random.Random(0), Ticker()  # noqa: S311 - no secret
        for index in range(arguments.changes):
            manifest = chance.choice(manifests)
            worked, passed = time.thread_time(), time.perf_counter()
            with cache.use(shelf, manifest) as voice:
                swaps.setdefault("a voice in hand, processor", []).append(time.thread_time() - worked)
                swaps.setdefault("a voice in hand, by the clock", []).append(time.perf_counter() - passed)
                if index < 200:
                    for which in ("first tick of one lane after it, processor", "second tick, processor"):
                        worked = time.thread_time()
                        ticker.tick(voice)
                        swaps.setdefault(which, []).append(time.thread_time() - worked)
        print("\n| change of voice, ms | median | p95 | most |\n|---|---|---|---|")
        print(told("opened the first time, from the shelf, processor", opened))
        for which, seconds in swaps.items():
            print(told(which, seconds))
        cache.close()


if __name__ == "__main__":
    main()
