"""The recogniser: Whisper writes down what is said in a recording, where nobody has.

Whisper (Radford et al. 2022) as transformers builds it, from a folder with safetensors, strictly and in
float32. Language and work are prescribed by the first tokens: it writes down what it hears in the language it
is told, and never translates or guesses which one it is. Decoding is greedy and without times; a recording is
one window of 30 seconds at most, so none is ever cut, and lanes of a batch do not hear one another. What it
writes may still be wrong: who learns from it checks that it fits the recording's length.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

from speech.errors import SpeechError, VoiceError
from speech.networks.weights import load
from speech.text.runs import language_of

SAMPLE_RATE: Final = 16_000
CONFIG: Final = "config.json"
DECODING: Final = "generation_config.json"
"""Which token stands for a language, and which are never said."""
VOCABULARY: Final = "vocab.json"
FILES: Final = (CONFIG, DECODING, VOCABULARY)
"""What stands beside the weights."""

_FRAMES_A_SECOND: Final = 100
_FRAMES_A_POSITION: Final = 2
_TIED: Final = "proj_out.weight"  # the head is the matrix of the token embeddings; the files hold it once


class Recogniser:
    """Whisper, ready to listen."""

    def __init__(self, folder: Path, device: torch.device | None = None) -> None:
        """The network in `folder`: `model.safetensors` and the three files of `FILES`, as they are published.

        Raises:
            VoiceError: a file is missing or is none of Whisper's.
        """
        self._device = device or torch.device("cpu")
        shape = _json_of(folder / CONFIG)
        config = WhisperConfig.from_dict(shape)
        decoding = _json_of(folder / DECODING)
        try:
            self._languages: dict[str, int] = decoding["lang_to_id"]
            self._begin: int = decoding["decoder_start_token_id"]
            self._end: int = shape["eos_token_id"]
            self._then: tuple[int, int] = (
                decoding["task_to_id"]["transcribe"],
                decoding["no_timestamps_token_id"],
            )
        except KeyError as missing:
            raise VoiceError(
                f"the recogniser in {folder} knows no {missing}: take a multilingual Whisper"
            ) from None
        silent = [*decoding.get("suppress_tokens", ()), *range(self._end + 1, config.vocab_size)]
        self._never = torch.tensor(silent, device=self._device)
        self._never_first = torch.tensor(decoding.get("begin_suppress_tokens", ()), dtype=torch.int64).to(
            self._device
        )
        self._most_tokens = config.max_target_positions // 2  # the other half is for what was said before
        self._most_seconds = config.max_source_positions * _FRAMES_A_POSITION / _FRAMES_A_SECOND
        listener: Any = WhisperFeatureExtractor
        self._hear = listener(config.num_mel_bins, chunk_length=round(self._most_seconds))
        self._network = _network_of(config, folder).to(self._device)
        self._words = _words_of(_json_of(folder / VOCABULARY))

    def knows(self, language: str) -> bool:
        """Whether it has learnt a language, BCP 47."""
        return _token_of(language) in self._languages

    @torch.inference_mode()
    def __call__(self, sounds: Sequence[Tensor], language: str) -> list[str]:
        """What is said in these recordings, `[N]` each at 16 kHz; "" where it hears nothing.

        Args:
            sounds: of 30 seconds at most each; all in one batch.
            language: of all of them, BCP 47.

        Raises:
            SpeechError: one is longer, or the recogniser has not learnt the language.
        """
        if not self.knows(language):
            raise SpeechError(f"the recogniser has not learnt the language {language!r}")
        for sound in sounds:
            seconds = len(sound) / SAMPLE_RATE
            if seconds > self._most_seconds:
                raise SpeechError(f"{seconds:.1f} s; the recogniser hears {self._most_seconds:g} s at once")
        if not sounds:
            return []
        waves = [sound.cpu().numpy() for sound in sounds]
        heard = self._hear(waves, sampling_rate=SAMPLE_RATE, return_tensors="pt")["input_features"]
        encoded = self._network.model.encoder(heard.to(self._device)).last_hidden_state  # [B, T, D]
        begin = [self._begin, self._languages[_token_of(language)], *self._then]
        return [self._spell(row) for row in self._write(encoded, begin)]

    def _write(self, encoded: Tensor, begin: Sequence[int]) -> list[list[int]]:
        """The tokens of each lane of `[B, T, D]`, each the likeliest after those before it."""
        lanes: list[list[int]] = [[] for _ in encoded]
        is_done = [False] * len(lanes)
        given = torch.tensor([begin] * len(lanes), device=self._device)  # [B, S]
        cache: Any = None
        for place in range(self._most_tokens):
            out = self._network(
                encoder_outputs=(encoded,), decoder_input_ids=given, past_key_values=cache, use_cache=True
            )
            cache, logits = out.past_key_values, out.logits[:, -1]  # [B, V]
            logits[:, self._never] = -torch.inf
            if place == 0:
                logits[:, self._never_first] = -torch.inf
            said = logits.argmax(dim=-1)  # [B]
            for lane, token in enumerate(said.tolist()):
                is_done[lane] |= token == self._end
                if not is_done[lane]:
                    lanes[lane].append(token)
            if all(is_done):
                break
            given = said[:, None]
        return lanes

    def _spell(self, tokens: Sequence[int]) -> str:
        """The text of some tokens; a character whose bytes are not whole is left out."""
        return " ".join(b"".join(self._words[token] for token in tokens).decode(errors="ignore").split())


def _network_of(config: WhisperConfig, folder: Path) -> Any:
    path = folder / "model.safetensors"
    if not path.is_file():
        raise VoiceError(f"the recogniser in {folder} has no {path.name}")
    network: Any = WhisperForConditionalGeneration(config)
    tensors = load_file(path)
    tensors.setdefault(_TIED, tensors.get("model.decoder.embed_tokens.weight", torch.empty(0)))
    load(network, tensors)
    return network.eval()


def _token_of(language: str) -> str:
    return f"<|{language_of(language, 'v2')}|>"


def _words_of(vocabulary: Mapping[str, int]) -> dict[int, bytes]:
    """The bytes each token stands for: its letters are those of GPT-2, one for each byte.

    Bytes that can be printed in Latin 1 stand for themselves, the others for the letters from U+0100 on.
    """
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in set(shown)]
    byte_of = {chr(byte): byte for byte in shown}
    byte_of |= {chr(0x100 + number): byte for number, byte in enumerate(hidden)}
    return {
        token: bytes(byte_of[letter] for letter in word)
        for word, token in vocabulary.items()
        if all(letter in byte_of for letter in word)
    }


def _json_of(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise VoiceError(f"the recogniser in {path.parent} has no {path.name}") from error
    except ValueError as error:
        raise VoiceError(f"the recogniser's {path.name} is not JSON") from error
    if not isinstance(content, dict):
        raise VoiceError(f"the recogniser's {path.name} holds something other than settings by name")
    return content
