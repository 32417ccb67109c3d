from __future__ import annotations

import statistics

from speech.bench.corpus import N_SENTENCES, TOKENS_PER_PHONEME, sentences


def test_corpus_is_always_the_same_and_a_part_of_it_is_its_beginning() -> None:
    assert sentences(5) == sentences(N_SENTENCES)[:5]
    assert len(sentences()) == N_SENTENCES == 2000


def test_lengths_are_those_of_a_book() -> None:
    lengths = [sentence.n_phonemes for sentence in sentences()]
    mean = statistics.fmean(lengths)
    assert 55 < mean < 65, "about 5.4 seconds"
    assert 0.5 < statistics.pstdev(lengths) / mean < 0.7
    assert (min(lengths), max(lengths)) == (7, 220)


def test_sentence_has_text_and_tokens_for_its_phonemes() -> None:
    for sentence in sentences(200):
        assert sentence.n_tokens == round(TOKENS_PER_PHONEME * sentence.n_phonemes)
        letters = sentence.text.replace(" ", "")
        assert sentence.n_phonemes <= len(letters) < sentence.n_phonemes + 12
        assert sentence.text[0].isupper()
        assert sentence.text.endswith(".")
