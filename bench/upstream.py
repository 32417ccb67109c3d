"""Ours beside upstream's, on the same texts and weights: phonemes, sound, speed.

    python -m bench.upstream phonemes --upstream FOLDER --python INTERPRETER
    python -m bench.upstream sound    --upstream FOLDER --python INTERPRETER --weights FOLDER
    python -m bench.upstream speed    --upstream FOLDER --python INTERPRETER --weights FOLDER

FOLDER is a checkout of RVC-Boss/GPT-SoVITS that the user has, INTERPRETER a Python in which its requirements
are installed (its NLTK data too, found by NLTK_DATA). The weights' folder holds `gpt.ckpt`, `sovits.pth` and
upstream's two folders of backbones; random ones will do. The prompt is a WAV file at 16 kHz, which neither
side need resample, with its transcript.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Final, NamedTuple

from speech.text.phonemes import phonemise
from speech.text.symbols import SYMBOLS
from speech.text.utterance import Span

_TEXTS: Final = Path(__file__).parents[1] / "tests/speech/text"
_SYMBOLS: Final = SYMBOLS["v2"]
ALONE: Final = {"zh": "all_zh", "en": "en", "ja": "all_ja", "ko": "all_ko", "yue": "all_yue"}
"""What upstream calls a text in one language."""
_NEAR: Final = 2
"""Differences with fewer equal phonemes than this between them are one."""


class Sentence(NamedTuple):
    """A sentence for both sides."""

    group: str
    """Its list: a language, or "mixed"."""
    language: str
    mode: str
    """What upstream calls its language."""
    text: str


class Difference(NamedTuple):
    """Where two readings part."""

    here: str
    upstream: str


class Side:
    """Upstream, in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, do: str, **request: object) -> dict[str, Any]:
        """Upstream's answer.

        Raises:
            SystemExit: it died; its own words stand above.
        """
        asked, answers = self._process.stdin, self._process.stdout
        assert asked is not None
        assert answers is not None
        asked.write(json.dumps({"do": do, **request}) + "\n")
        asked.flush()
        line = answers.readline()
        if not line:
            raise SystemExit("upstream's side ended without an answer")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def open_side(given: argparse.Namespace, log: Path, more: Mapping[str, str] | None = None) -> Iterator[Side]:
    """Upstream's side, until the end of the block; its chatter goes to `log`, `more` to its environment."""
    script = Path(__file__).with_name("upstream_side.py")
    weights = [given.weights] if given.weights else []
    with (
        log.open("w") as words,
        subprocess.Popen(
            [given.python, script, given.upstream, *weights],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=words,
            text=True,
            env={**os.environ, **(more or {})},  # noqa: TID251 - the child's
        ) as process,
    ):
        try:
            yield Side(process)
        except SystemExit:
            sys.stderr.write(log.read_text()[-2000:])
            raise
        finally:
            process.terminate()


def sentences() -> list[Sentence]:
    """Our own lists, in order."""
    found = []
    for group in (*ALONE, "mixed"):
        for line in (_TEXTS / f"sentences/{group}.txt").read_text(encoding="utf-8").splitlines():
            language, mode, text = line.split("\t") if group == "mixed" else (group, ALONE[group], line)
            found.append(Sentence(group, language, mode, text))
    return found


def read_here(sentence: Sentence) -> list[str]:
    """Our symbols."""
    ids = phonemise([Span(sentence.text, sentence.language)], symbols_version="v2").ids
    return [_SYMBOLS[index] for index in ids]


def differences(upstream: list[str], here: list[str]) -> list[Difference]:
    """Where the two part, near ones joined, each with a phoneme of what is equal on both sides."""
    parts: list[list[int]] = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, upstream, here, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        if parts and i1 - parts[-1][1] < _NEAR:
            parts[-1][1], parts[-1][3] = i2, j2
        else:
            parts.append([i1, i2, j1, j2])
    return [
        Difference(
            " ".join(here[max(0, j1 - 1) : j2 + 1]) or "nothing",
            " ".join(upstream[max(0, i1 - 1) : i2 + 1]) or "nothing",
        )
        for i1, i2, j1, j2 in parts
    ]


def verdicts() -> Mapping[tuple[str, Difference], str]:
    """Who is right, for each difference that somebody has judged: "here", "upstream" or "either"."""
    lines = (_TEXTS / "verdicts.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return {(text, Difference(here, upstream)): right for _, text, right, here, upstream, _ in rows}


def compare_phonemes(side: Side, *, known: Mapping[tuple[str, Difference], str]) -> int:
    """Prints a line for each list, and a row for each difference nobody has judged; how many those are."""
    rows: dict[str, Counter[str]] = {}
    n_new = 0
    for sentence in sentences():
        upstream = [_SYMBOLS[i] for i in side.ask("read", text=sentence.text, mode=sentence.mode)["ids"]]
        here = read_here(sentence)
        found = differences(upstream, here)
        judged = [known.get((sentence.text, difference), "new") for difference in found]
        for difference, right in zip(found, judged, strict=True):
            if right == "new":
                print(sentence.language, sentence.text, "?", difference.here, difference.upstream, sep="\t")
        n_new += judged.count("new")
        counts = rows.setdefault(sentence.group, Counter())
        matcher = SequenceMatcher(None, upstream, here, autojunk=False)
        n_equal = sum(block.size for block in matcher.get_matching_blocks())
        n_ours_wrong = sum(
            max(len(part.here.split()), len(part.upstream.split())) - 2
            for part, right in zip(found, judged, strict=True)
            if right in {"upstream", "new"}
        )
        worst = next((right for right in ("new", "upstream", "either", "here") if right in judged), "equal")
        counts.update(
            sentences=1, phonemes=len(upstream), equal=n_equal, wrong=n_ours_wrong, **{f"is {worst}": 1}
        )
    names = ("is equal", "is here", "is either", "is upstream", "is new")
    print(f"{'list':8}{'sentences':>10}{'equal':>7}{'here':>6}{'either':>8}{'upstream':>10}{'new':>5}"
          f"{'phonemes':>10}{'equal %':>9}{'not ours to mend %':>20}")  # fmt: skip
    for group, counts in rows.items():
        figures = [counts[name] for name in names]
        print(
            f"{group:8}{counts['sentences']:10}{figures[0]:7}{figures[1]:6}{figures[2]:8}{figures[3]:10}"
            f"{figures[4]:5}{counts['phonemes']:10}{100 * counts['equal'] / counts['phonemes']:9.2f}"
            f"{100 * (1 - counts['wrong'] / counts['phonemes']):20.2f}"
        )
    return n_new


def main() -> None:
    """Compares what the arguments ask for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="+", choices=("phonemes", "sound", "speed"))
    parser.add_argument("--upstream", required=True, help="a checkout of upstream")
    parser.add_argument("--python", required=True, help="the interpreter upstream runs in")
    parser.add_argument("--weights", help="folder of upstream's files, for sound and speed")
    parser.add_argument("--prompt", type=Path, help="WAV file, 16 kHz, 3 to 10 s, for sound and speed")
    parser.add_argument("--transcript", default="今天天气很好。", help="what it says, in Mandarin")
    parser.add_argument("--sentences", type=int, default=10, help="of each list, for sound and speed")
    parser.add_argument("--tokens", type=int, default=60, help="of each sentence: random weights never end")
    parser.add_argument("--rounds", type=int, default=3, help="of each side in turn, for speed")
    given = parser.parse_args()
    networks = [what for what in given.what if what != "phonemes"]
    if networks and not (given.weights and given.prompt):
        parser.error(f"{networks[0]} needs --weights and --prompt")
    if not networks:
        given.weights = None
    n_new = 0
    with tempfile.TemporaryDirectory() as folder, open_side(given, Path(folder) / "log") as side:
        if "phonemes" in given.what:
            n_new = compare_phonemes(side, known=verdicts())
        if networks:
            from bench.upstream_sound import Pair

            pair = Pair.open(side, Path(folder) / "weights", given.prompt, given.transcript)
            if "sound" in networks:
                pair.compare_sound(given.sentences, given.tokens)
            if "speed" in networks:
                pair.compare_speed(given.sentences, given.tokens, given.rounds)
    sys.exit(1 if n_new else 0)


if __name__ == "__main__":
    main()
