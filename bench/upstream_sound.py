"""Sound and speed beside upstream's, on the same weights: the half of `bench.upstream` that needs torch."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch

from bench.upstream import ALONE, Sentence, Side, read_here, sentences
from speech.allocator import keep_freed_memory
from speech.decode import Pace, SemanticRequest, decode
from speech.gpt_sovits.company import Backbones
from speech.gpt_sovits.front import Front
from speech.gpt_sovits.prompt import Prompt, make_prompt
from speech.gpt_sovits.weights import load_decoder, load_semantic
from speech.networks.decoder import SoundRequest
from speech.sampling import TokenSampling
from speech.text.lexicon import Lexicon
from speech.text.symbols import SYMBOLS
from speech.text.utterance import Span
from speech.units import SAMPLE_RATE
from speech.voice import PromptFile

_N_SLOTS: Final = 1024


@dataclass(frozen=True, slots=True)
class Spoken:
    """One sentence as we speak it."""

    ids: list[int]
    tokens: list[int]
    sound: torch.Tensor


class Ours:
    """Our networks with upstream's weights, greedy and without noise, each sentence of the same length."""

    def __init__(self, weights: Path) -> None:
        keep_freed_memory()
        torch.set_num_threads(1)
        device = torch.device("cpu")
        self.backbones = Backbones(weights / "backbones", device)
        self.semantic = load_semantic(weights, device)
        self.decoder = load_decoder(weights, device)
        self.front = Front("v2", self.semantic.config.linguistic_width, self.backbones)

    def hear(self, file: PromptFile) -> Prompt:
        """The prompt all is spoken after."""
        return make_prompt([file], self.front, self.decoder, self.backbones, Lexicon())

    def speak(
        self, texts: Sequence[Sentence], prompt: Prompt, most: int, n_lanes: int
    ) -> Iterator[tuple[int, Spoken]]:
        """Each sentence, with its place among `texts`, in the order in which they are done."""
        read = [self.front.phonemise([Span(text.text, text.language)], Lexicon()) for text in texts]
        rows = self.front.linguistic(read)
        sampling = TokenSampling(top_k=1, max_tokens=most)
        requests = [
            SemanticRequest(
                str(index),
                torch.cat([prompt.phonemes, torch.tensor(phonemes.ids)]),
                torch.cat([prompt.linguistic, linguistic]),
                prompt.tokens,
                sampling,
            )
            for index, (phonemes, linguistic) in enumerate(zip(read, rows, strict=True))
        ]
        for take in decode(self.semantic, iter(requests), Pace(n_lanes, _N_SLOTS)):
            ids = read[int(take.key)].ids
            asked = SoundRequest(take.key, take.tokens, torch.tensor(ids), prompt.style, noise_scale=0.0)
            [sound] = self.decoder.speak([asked])
            yield int(take.key), Spoken(list(ids), take.tokens.tolist(), sound)


class Pair:
    """Both sides, with the same weights and the same prompt."""

    def __init__(self, side: Side, ours: Ours, prompt: Prompt, folder: Path) -> None:
        self._side = side
        self._ours = ours
        self._prompt = prompt
        self._folder = folder

    @classmethod
    def open(cls, side: Side, folder: Path, prompt: Path, transcript: str) -> Pair:
        """Takes over upstream's weights by way of `folder`; tells how far the prompt's tokens agree."""
        folder.mkdir()
        side.ask("settle", folder=str(folder))
        theirs = side.ask("hear", path=str(prompt), text=transcript, mode=ALONE["zh"])["tokens"]
        ours = Ours(folder)
        heard = ours.hear(PromptFile(prompt, transcript, "zh"))
        same = sum(a == b for a, b in zip(theirs, heard.tokens.tolist(), strict=True))
        print(f"prompt: {same} of {len(theirs)} tokens equal, {len(set(theirs))} kinds", flush=True)
        return cls(side, ours, heard, folder)

    def compare_sound(self, n_sentences: int, n_tokens: int) -> None:
        """Prints, for each list, how far tokens and sound of sentences with equal phonemes agree."""
        for group in (*ALONE, "mixed"):
            rows: list[tuple[bool, float, float]] = []
            for sentence in (sentence for sentence in sentences() if sentence.group == group):
                if len(rows) == n_sentences:
                    break
                read = self._side.ask("read", text=sentence.text, mode=sentence.mode)["ids"]
                if [SYMBOLS["v2"][index] for index in read] == read_here(
                    sentence
                ):  # else `phonemes` tells why
                    rows.append(self._compare(sentence, n_tokens))
            print(
                f"{group:6} {len(rows):3} sentences, tokens equal in {sum(row[0] for row in rows)}, "
                f"greatest difference {max(row[1] for row in rows):.2e}, "
                f"least correlation {min(row[2] for row in rows):.12f}",
                flush=True,
            )

    def _compare(self, sentence: Sentence, n_tokens: int) -> tuple[bool, float, float]:
        """Whether the tokens are equal; the greatest difference and the correlation of the sound."""
        place = self._folder / "sound.npy"
        there = self._side.ask(
            "speak", text=sentence.text, mode=sentence.mode, most=n_tokens, path=str(place)
        )
        [(_, here)] = self._ours.speak([sentence], self._prompt, n_tokens, n_lanes=1)
        if here.tokens != there["tokens"]:
            print(f"tokens differ: {sentence.text} {here.tokens} {there['tokens']}", flush=True)
        mine, other = here.sound.numpy().astype(np.float64), np.load(place).astype(np.float64)
        greatest = float(np.abs(mine - other).max())
        return here.tokens == there["tokens"], greatest, float(np.corrcoef(mine, other)[0, 1])

    def compare_speed(self, n_sentences: int, n_tokens: int, n_rounds: int) -> None:
        """Prints audio seconds a processor second of both sides, in turn, one by one and all in one batch."""
        texts = [sentence for sentence in sentences() if sentence.group == "zh"][:n_sentences]
        seconds = len(texts) * n_tokens / 25
        figures: dict[str, list[tuple[float, float]]] = {}
        for batch in (1, len(texts)) * n_rounds:
            figures.setdefault(f"ours, {batch} lanes", []).append(self._time_ours(texts, n_tokens, batch))
            answer = self._side.ask(
                "run",
                texts=[text.text for text in texts],
                mode=ALONE["zh"],
                most=n_tokens,
                batch=batch,
                parallel=batch > 1,
            )
            assert abs(answer["n_samples"] / SAMPLE_RATE - seconds) < 1, answer
            spent = answer["cpu_seconds"], answer["seconds"]
            figures.setdefault(f"upstream, batch {batch}", []).append(spent)
            for name in (f"ours, {batch} lanes", f"upstream, batch {batch}"):
                print(f"{name:20} {figures[name][-1][0]:.2f} processor seconds", flush=True)
        print(f"{len(texts)} sentences, {seconds} s of sound, {n_rounds} rounds")
        for name, spent_by_round in figures.items():
            by_cpu, by_clock = zip(*spent_by_round, strict=True)
            print(
                f"{name:20} {seconds / statistics.median(by_cpu):6.2f} audio seconds a processor second "
                f"(best {seconds / min(by_cpu):.2f}), {seconds / min(by_clock):.2f} a second at best"
            )

    def _time_ours(self, texts: Sequence[Sentence], n_tokens: int, n_lanes: int) -> tuple[float, float]:
        """Processor seconds and seconds."""
        cpu, clock = time.process_time(), time.perf_counter()
        spoken = self._ours.speak(texts, self._prompt, n_tokens, n_lanes)
        n_samples = sum(len(sentence.sound) for _, sentence in spoken)
        assert n_samples * 25 == len(texts) * n_tokens * SAMPLE_RATE, n_samples
        return time.process_time() - cpu, time.perf_counter() - clock
