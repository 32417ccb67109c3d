"""Toy voices in the very files that real ones have: weights, prompt and backbones, with random numbers."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import BertConfig, BertForMaskedLM, HubertConfig, HubertModel

from speech.gpt_sovits.files import CONTAINER, DECODER, SEMANTIC
from speech.text.utterance import Span, Utterance
from speech.voice import PromptFile, Request, Sampling, VoiceSource
from tests.speech.networks.golden import golden
from tests.speech.networks.networks import seeded

TRANSCRIPT = "The house was quiet again."
CHARACTERS = "今天气很好我们去公园散步吧他说昨晚下雨了，。！？,.!?"

_N_SYMBOLS = {"v1": (322, 512), "v2": (732, 732), "v2Pro": (732, 732), "v2ProPlus": (732, 732)}
_FIRST_KERNEL = {"v1": 16, "v2": 16, "v2Pro": 16, "v2ProPlus": 20}
_CONTENT_WIDTH, _SPEAKER_WIDTH = 12, 640


def write_weights(
    folder: Path, version: str, *, seed: int = 0, loudness: float = 0.1, ends: bool = True
) -> Path:
    """The two files of a toy voice of this version, 640 samples a frame; what upstream's own toys held.

    Args:
        folder: where they go.
        version: "v1", "v2", "v2Pro" or "v2ProPlus".
        seed: of the numbers that are not upstream's.
        loudness: how loud its sound is: 0 is silent, 100 clips.
        ends: whether its utterances ever end by themselves.
    """
    folder.mkdir(parents=True, exist_ok=True)
    generator = seeded(seed)

    def random(*shape: int, scale: float = 1.0) -> Tensor:
        return (torch.randn(shape, generator=generator) * scale).half()

    n_decoder, n_semantic = _N_SYMBOLS[version]
    toy = golden("semantic")
    toy.weights["model.ar_text_embedding.word_embeddings.weight"] = random(n_semantic, 32)
    if not ends:
        toy.weights["model.ar_predict_layer.weight"][-1] = 0  # the likeliest of the others is above 0
    _write(folder / SEMANTIC, toy.weights, {**toy.config, "phoneme_vocab_size": n_semantic})

    toy = golden("decoder_v2pro" if "Pro" in version else "decoder_v2")
    weights = {name: tensor for name, tensor in toy.weights.items() if not name.startswith("enc_q")}
    kernels = [_FIRST_KERNEL[version], 40]
    weights["enc_p.text_embedding.weight"] = random(n_decoder, 8)
    weights["dec.ups.0.weight_v"] = random(16, 8, kernels[0])
    weights["dec.ups.1.weight_v"] = random(8, 4, kernels[1])
    weights["dec.conv_post.weight"] = weights["dec.conv_post.weight"] * loudness
    if "Pro" in version:
        weights["sv_emb.weight"] = random(10, _SPEAKER_WIDTH, scale=0.01)
    model = {**toy.config, "upsample_rates": [16, 40], "upsample_kernel_sizes": kernels}
    _write(folder / DECODER, weights, model)
    return folder


def _write(path: Path, weights: dict[str, Tensor], model: dict[str, object]) -> None:
    container = {"config": {"model": model}, "info": "toy", "tag": "PK"}
    contiguous = {name: tensor.contiguous() for name, tensor in weights.items()}
    save_file(contiguous, path, metadata={CONTAINER: json.dumps(container)})


def write_backbones(folder: Path) -> Path:
    """The three backbones."""
    torch.manual_seed(1)
    hubert = HubertConfig(
        hidden_size=_CONTENT_WIDTH, num_hidden_layers=1, num_attention_heads=2, intermediate_size=12,
        conv_dim=[4] * 7, num_conv_pos_embeddings=6, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    HubertModel(hubert).half().save_pretrained(folder / "content")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *CHARACTERS]
    roberta = BertConfig(  # 1024 wide as upstream's, whatever else is small
        hidden_size=1024, num_hidden_layers=3, num_attention_heads=2, intermediate_size=12,
        vocab_size=len(words), max_position_embeddings=514,
    )  # fmt: skip
    BertForMaskedLM(roberta).half().save_pretrained(folder / "linguistic")
    (folder / "linguistic" / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    (folder / "speaker").mkdir()
    save_file(
        {name: tensor.contiguous() for name, tensor in golden("speaker").weights.items()},
        folder / "speaker" / "model.safetensors",
    )
    return folder


def write_recording(path: Path, *, seconds: float = 3.2, rate: int = 32_000, seed: int = 0) -> Path:
    """Noise in the rhythm of syllables, as a mono WAV of 16-bit samples."""
    path.parent.mkdir(parents=True, exist_ok=True)
    n = round(seconds * rate)
    rhythm = 0.2 * np.abs(np.sin(np.arange(n) * (4 * np.pi / rate)))
    noise = np.random.default_rng(seed).standard_normal(n)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.clip(rhythm * noise * 2**15, -(2**15), 2**15 - 1).astype("<i2").tobytes())
    return path


def source_of(shelf: Path, version: str = "v2", *, name: str = "toy", **parameters: str | int) -> VoiceSource:
    """A source whose weights, backbones and prompt stand in `shelf`, written where they are not there yet."""
    folder = shelf / name / version
    if not (folder / DECODER).is_file():
        write_weights(folder, version)
    prompt = folder / "prompt.wav"
    if not prompt.is_file():
        write_recording(prompt)
    if not (shelf / "_backbones").is_dir():
        write_backbones(shelf / "_backbones")
    return VoiceSource(
        weights_digest=version.encode().hex().ljust(64, "0"),
        parameters={"device": "cpu", "n_lanes": 4, **parameters},
        folder=folder,
        weights=folder,
        prompts=(PromptFile(prompt, TRANSCRIPT, "en"),),
        backbones=shelf / "_backbones",
    )


def request(
    text: str, language: str = "en", key: str = "", *, speed: float = 1.0, **settings: float
) -> Request:
    """One utterance asked of a voice, under its own text as key."""
    sampling = Sampling(speed, tuple(sorted(settings.items())))
    return Request(key or f"{text} {speed} {settings}", Utterance((Span(text, language),)), sampling)


SENTENCES = (
    ("Good morning.", "en"),
    ("今天天气很好。", "zh"),
    ("He opened the door and looked out into the rain for a while.", "en"),
    ("我们去公园散步吧。", "zh"),
    ("She said 你好 to him.", "en"),
    ("Yes.", "en"),
    ("他说 hello, 我们走吧。", "zh"),
    ("Nobody knew who had built the old stone bridge.", "en"),
    ("昨晚下雨了！", "zh"),
    ("It was late.", "en"),
    ("The letter came on a Tuesday, and nobody read it.", "en"),
    ("好。", "zh"),
    ("Where are you going?", "en"),
    ("今晚 John 去公园。", "zh"),
    ("I do not know.", "en"),
    ("Three men sat by the fire.", "en"),
)
"""Sixteen of mixed length, in English, in Mandarin and mixed."""
