"""What is measured of tokens: a model that always says one thing is told from one that is right."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from speech.networks.semantic import SemanticModel
from speech.sampling import TokenSampling
from starter import flite
from starter.corpus import Entry
from starter.diction import foresee, measure, phones_of_codes, request_of, spell
from starter.phones import PHONES, SILENCE
from tests.starter.test_semantic import SEMANTIC, sentence

GREEDY = TokenSampling(top_k=1, repetition_penalty=1.0, min_tokens=0, max_tokens=20)


def saying(token: int) -> SemanticModel:
    """A model that holds one token for the likeliest, and the next one for the next likely."""
    model = SemanticModel(SEMANTIC.model).eval()
    with torch.no_grad():
        model.head.weight.zero_()
        model.blocks[-1].norm_2.weight.zero_()
        model.blocks[-1].norm_2.bias.fill_(1.0)
        model.head.weight[token] = 3 / model.config.width
        model.head.weight[(token + 1) % model.config.n_tokens] = 2 / model.config.width
    return model


def test_a_code_is_the_phone_it_stands_for_most_often() -> None:
    spoken = flite.Spoken(torch.zeros(3200), torch.tensor([0, 5, 7]), torch.tensor([640, 2560, 3200]))
    entry = Entry("00000:00", "?", "rms", False, spoken)
    found = phones_of_codes([entry], {entry.name: torch.tensor([2, 3, 3, 1, 3])}, 5)
    assert found.tolist() == [SILENCE, 5, 0, 5, SILENCE]
    assert spell(found[torch.tensor([2, 3, 3, 0, 1])]) == [PHONES[5], PHONES[5]]


def test_what_is_foreseen_is_counted_with_the_end() -> None:
    one = replace(sentence(0, "rms"), tokens=torch.tensor([4, 4, 5, 1, 4]))
    found = foresee(saying(4), [one])
    assert found.n_tokens == 5  # the last token gives way to the end
    assert found.right == pytest.approx(2 / 5)  # 4 and 4, not 5, 1 and the end
    scores = [3.0, 2.0, *[0.0] * 7]
    total = math.log(sum(math.exp(score) for score in scores))
    mean = (total - 3 + total - 3 + total - 2 + total + total) / 5
    assert found.perplexity == pytest.approx(math.exp(mean), rel=1e-3)
    assert found.perplexity_of_codes == pytest.approx(4 / 2**0.5, rel=1e-5)  # of 4, 4, 5, 1


def test_who_never_ends_and_says_one_phone_is_told() -> None:
    sentences = [sentence(0, "rms"), sentence(1, "rms")]
    spoken = {one.name: torch.tensor([0, 5, 7, 0]) for one in sentences}
    phones = torch.zeros(9, dtype=torch.int64)
    phones[4] = 5
    found = measure(saying(4), sentences, spoken, {}, phones, GREEDY)
    assert found.ended == 0
    assert found.length == pytest.approx((20 / 12 + 20 / 13) / 2)
    assert (found.said.n_words, found.said.lost, found.said.n_sentences) == (4, 2, 2)
    ending = measure(saying(SEMANTIC.model.end_token), sentences, spoken, {}, phones, GREEDY)
    assert (ending.ended, ending.length, ending.spread) == (1, 0, 1)
    assert ending.report()["said"]["phone_error_rate"] == 1.0  # type: ignore[index]


def test_a_prompt_stands_before_the_sentence() -> None:
    prompt, one = sentence(0, "rms"), sentence(1, "rms")
    model = saying(4)
    request = request_of(one, prompt, model, GREEDY)
    assert request.phonemes.tolist() == [*prompt.phonemes.tolist(), *one.phonemes.tolist()]
    assert request.prompt.tolist() == [*prompt.tokens.tolist(), *[7] * 15]
    assert request_of(one, None, model, GREEDY).prompt.tolist() == []
