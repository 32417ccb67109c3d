"""A Whisper in small, in the published format, that says one sentence whatever it hears."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from transformers import WhisperConfig, WhisperForConditionalGeneration

SENTENCE = "The old house was quiet, and nobody came to the door."
END, BEGIN, EN, ZH, TRANSCRIBE, TRANSLATE, NO_TIMES = range(256, 263)
_N_TOKENS = 264
_N_PROMPT = 4


def letters() -> list[str]:
    """GPT-2's letter for each byte."""
    printed = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printed else chr(next(others)) for byte in range(256)]


def write_recogniser(folder: Path, says: str | None = SENTENCE) -> Path:
    """The network and its files; without a sentence its weights are random, and so is what it says."""
    config = WhisperConfig(
        vocab_size=_N_TOKENS, num_mel_bins=8, d_model=64, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=8, decoder_ffn_dim=8,
        max_source_positions=1500, max_target_positions=160 if says else 48, pad_token_id=END,
        bos_token_id=END, eos_token_id=END, decoder_start_token_id=BEGIN, suppress_tokens=None,
        begin_suppress_tokens=None,
        dropout=0.0,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = WhisperForConditionalGeneration(config)
        decoder = network.model.decoder
        with torch.no_grad():
            torch.nn.init.normal_(decoder.embed_tokens.weight)
            if says is None:  # what is heard and what was said both count
                torch.nn.init.normal_(decoder.embed_positions.weight, std=3.0)
                for name, weight in network.named_parameters():
                    if "_proj.weight" in name or "conv" in name:
                        weight.mul_(30)
            else:
                decoder.embed_tokens.weight.div_(decoder.embed_tokens.weight.norm(dim=1, keepdim=True))
                tokens = [*says.encode(), END]
                places = slice(_N_PROMPT - 1, _N_PROMPT - 1 + len(tokens))
                decoder.embed_positions.weight[places] = 100 * decoder.embed_tokens.weight[tokens]
    network.half().save_pretrained(folder)
    decoding = {
        "decoder_start_token_id": BEGIN,
        "lang_to_id": {"<|en|>": EN, "<|zh|>": ZH},
        "task_to_id": {"transcribe": TRANSCRIBE, "translate": TRANSLATE},
        "no_timestamps_token_id": NO_TIMES,
        "suppress_tokens": [1, 2],
        "begin_suppress_tokens": [220, END],
    }
    (folder / "generation_config.json").write_text(json.dumps(decoding))
    vocabulary = {letter: byte for byte, letter in enumerate(letters())}
    (folder / "vocab.json").write_text(json.dumps({**vocabulary, "<|endoftext|>": END}))
    return folder
