from __future__ import annotations

import math

import pytest

from book.pauses import DEFAULT_PAUSES, Pauses


def test_pauses_rise_from_a_cut_in_a_sentence_to_a_section_break() -> None:
    boundaries = ("clause", "sentence", "paragraph", "heading", "break")
    seconds = [DEFAULT_PAUSES.after(boundary) for boundary in boundaries]
    assert seconds == sorted(set(seconds))


@pytest.mark.parametrize("seconds", [-0.1, math.nan, math.inf, 11.0])
def test_pauses_refuse_what_is_no_pause_and_name_the_field(seconds: float) -> None:
    with pytest.raises(ValueError, match=r"pauses\.paragraph"):
        Pauses(paragraph=seconds)


def test_pauses_refuse_an_unknown_boundary() -> None:
    with pytest.raises(ValueError, match="'comma' is not one of"):
        DEFAULT_PAUSES.after("comma")
