"""Ours beside upstream's by the clock, each with all cores: the same weights, sentences and tokens, in turns.

    python -m bench.upstream_pace --upstream FOLDER --python INTERPRETER --weights FOLDER --prompt FILE.wav

The arguments are those of `bench.upstream`. Upstream may have a process for each core with one thread, in one
batch or sentence by sentence, or one process with a thread for each core, and its allocator keeps freed
memory, as ours does; we have a process for each core. Processes are loaded and warm before a clock starts,
and it stops when the last of them is done. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from bench.upstream import ALONE, Sentence, Side, open_side, sentences
from speech.units import SAMPLE_RATE

_KEEPS_FREED_MEMORY: Final = {
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
}
"""What `speech.allocator` tells glibc, for upstream's processes."""
_OURS: Final = 8  # lanes

Run = Callable[[], int]
"""Speaks; how many samples it made."""


def speak_ours(asked: Connection, weights: Path, prompt: Path, transcript: str) -> None:
    """One of our processes: loads, says so, and speaks the sentences it gets, so many tokens each."""
    from bench.upstream_sound import Ours
    from speech.voice import PromptFile

    ours = Ours(weights)
    heard = ours.hear(PromptFile(prompt, transcript, "zh"))
    asked.send(None)
    while (request := asked.recv()) is not None:
        texts, n_tokens = request
        spoken = ours.speak(texts, heard, n_tokens, min(_OURS, len(texts)))
        asked.send(sum(len(sentence.sound) for _, sentence in spoken))


@contextmanager
def ours_open(n: int, *given: Path | str) -> Iterator[list[Connection]]:
    """So many of our processes, loaded, until the end of the block."""
    spawn = multiprocessing.get_context("spawn")
    ends: list[Connection] = []
    processes = []
    for _ in range(n):
        mine, theirs = spawn.Pipe()
        processes.append(spawn.Process(target=speak_ours, args=(theirs, *given), daemon=True))
        processes[-1].start()
        ends.append(mine)
    for end in ends:
        end.recv()
    yield ends
    for end, process in zip(ends, processes, strict=True):
        end.send(None)
        process.join()


def upstream(side: Side, texts: Sequence[Sentence], n_tokens: int, batch: int, threads: int) -> int:
    """The samples that upstream made of these sentences."""
    answer = side.ask(
        "run", texts=[text.text for text in texts], mode=ALONE["zh"], most=n_tokens, batch=batch,
        parallel=batch > 1, threads=threads,
    )  # fmt: skip
    return int(answer["n_samples"])


def ours(end: Connection, texts: Sequence[Sentence], n_tokens: int) -> int:
    """The samples that one of our processes made of these sentences."""
    end.send((list(texts), n_tokens))
    return int(end.recv())


def together(runs: Sequence[Run]) -> tuple[float, int]:
    """Seconds until the last of them is done, and their samples."""
    with ThreadPoolExecutor(len(runs)) as pool:
        began = time.perf_counter()
        done = list(pool.map(lambda run: run(), runs))
        return time.perf_counter() - began, sum(done)


def compare(sides: Sequence[Side], ends: Sequence[Connection], given: argparse.Namespace) -> None:
    """Prints seconds of sound a second, a line for each way and round."""
    texts = [sentence for sentence in sentences() if sentence.group == "zh"][: given.sentences]
    n, most = len(sides), given.tokens
    shares = [texts[core::n] for core in range(n)]
    ways: dict[str, list[Run]] = {
        f"upstream, {n} processes, a batch each": [
            lambda side=side, share=share: upstream(side, share, most, len(share), 1)
            for side, share in zip(sides, shares, strict=True)
        ],
        f"upstream, {n} processes, one by one": [
            lambda side=side, share=share: upstream(side, share, most, 1, 1)
            for side, share in zip(sides, shares, strict=True)
        ],
        f"upstream, {n} threads, one batch": [lambda: upstream(sides[0], texts, most, len(texts), n)],
        f"ours, {n} processes, {_OURS} lanes": [
            lambda end=end, share=share: ours(end, share, most)
            for end, share in zip(ends, shares, strict=True)
        ],
    }
    warm_up = [lambda side=side: upstream(side, texts[:1], 10, 1, 1) for side in sides]
    together([*warm_up, *(lambda end=end: ours(end, texts[:1], 10) for end in ends)])
    for number in range(given.rounds):
        for name, runs in ways.items():
            seconds, n_samples = together(runs)
            sound = n_samples / SAMPLE_RATE
            assert abs(sound - len(texts) * most / 25) < len(texts), sound
            print(
                f"round {number + 1}  {name:40} {sound / seconds:5.2f} audio seconds a second "
                f"({sound:.1f} in {seconds:.1f} s)",
                flush=True,
            )


def main() -> None:
    """Compares what the arguments name."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--upstream", required=True, help="a checkout of upstream")
    parser.add_argument("--python", required=True, help="the interpreter upstream runs in")
    parser.add_argument("--weights", required=True, help="folder of upstream's files")
    parser.add_argument("--prompt", required=True, type=Path, help="WAV file, 16 kHz, 3 to 10 s")
    parser.add_argument("--transcript", default="今天天气很好。", help="what it says, in Mandarin")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--sentences", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=100, help="of each sentence: random weights never end")
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as opened:
        folder = Path(name)
        sides = [
            opened.enter_context(open_side(given, folder / f"log-{core}", _KEEPS_FREED_MEMORY))
            for core in range(given.cores)
        ]
        (folder / "weights").mkdir()
        sides[0].ask("settle", folder=str(folder / "weights"))
        for side in sides:
            side.ask("hear", path=str(given.prompt), text=given.transcript, mode=ALONE["zh"])
        ends = opened.enter_context(
            ours_open(given.cores, folder / "weights", given.prompt, given.transcript)
        )
        compare(sides, ends, given)


if __name__ == "__main__":
    main()
