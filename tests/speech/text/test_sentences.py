"""Our own sentences: all can be read, and what people have judged of their sound holds.

`sentences/` has them by language, `verdicts.tsv` each place where upstream reads them otherwise, and who is
right; `python -m bench.upstream phonemes` finds such places.
"""

from pathlib import Path
from typing import NamedTuple

import pytest

pytest.importorskip("pypinyin")

from speech.text.phonemes import phonemise
from speech.text.symbols import SYMBOLS
from speech.text.utterance import Span

HERE = Path(__file__).parent


class Verdict(NamedTuple):
    language: str
    text: str
    right: str
    here: str
    upstream: str
    why: str


def rows(name: str) -> list[list[str]]:
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


def symbols(language: str, text: str) -> str:
    phonemes = phonemise([Span(text, language)], symbols_version="v2")
    return " ".join(SYMBOLS["v2"][index] for index in phonemes.ids)


@pytest.mark.parametrize("language", ["zh", "en", "ja", "ko", "yue", "mixed"])
def test_every_sentence_is_read_to_its_end(language: str) -> None:
    found = rows(f"sentences/{language}.txt")
    assert len(found) >= 50
    for row in found:
        said = symbols(row[0] if language == "mixed" else language, row[-1])
        assert len(said.split()) > len(row[-1]) // 4
        assert said[-1] in "!,-.?…"
        if language in {"zh", "en", "ko"}:  # Japanese writes the borders of accent phrases so
            assert "UNK" not in said


VERDICTS = [Verdict(*row) for row in rows("verdicts.tsv")]


def test_verdicts_are_whole() -> None:
    assert {verdict.right for verdict in VERDICTS} <= {"here", "either", "upstream"}
    assert all(verdict.why for verdict in VERDICTS)
    upstream_right = [verdict.text for verdict in VERDICTS if verdict.right == "upstream"]
    assert len(upstream_right) <= 3, "repair it, or say in docs/phonemes.md why not"


@pytest.mark.parametrize("verdict", [v for v in VERDICTS if v.right == "here"], ids=lambda v: v.here)
def test_what_was_judged_right_is_still_said(verdict: Verdict) -> None:
    said = f" {symbols(verdict.language, verdict.text)} "
    assert f" {verdict.here} " in said, f"{verdict.why}: {said}"
