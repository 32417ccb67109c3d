import re

from hypothesis import given
from hypothesis import strategies as st

from speech.text.traced import Place, TracedText


def test_sub_lets_new_characters_stand_for_what_they_replace() -> None:
    text = TracedText.read("in 1984.").sub(re.compile(r"\d+"), "nineteen")
    assert text.text == "in nineteen."
    assert text.places[3] == text.places[10] == Place(3, 7)
    assert text.places[-1] == Place(7, 8)


def test_sub_keeps_the_places_of_common_ends() -> None:
    text = TracedText.read("don’t", 10).sub(re.compile("don’t"), "don't")
    assert text.places == tuple(Place(at, at + 1) for at in range(10, 15))


def test_sub_keeps_a_place_for_letters_that_only_go() -> None:
    text = TracedText.read("x_abc_y").sub(re.compile("_abc_"), "__")
    assert text.span(1, 3) == Place(1, 6)


def test_span_of_nothing_is_the_point_between() -> None:
    text = TracedText.read("ab", 5)
    assert (text.span(1, 1), text.span(2, 2)) == (Place(6, 6), Place(7, 7))


@given(st.text("ab1 "), st.sampled_from(["a", "b+", r"\d", "", "^", "a b"]), st.text("abxy", max_size=3))
def test_sub_writes_what_re_sub_writes(text: str, pattern: str, by: str) -> None:
    traced = TracedText.read(text).sub(re.compile(pattern), by)
    assert traced.text == re.sub(pattern, by, text)
    assert len(traced.places) == len(traced.text)
    assert all(0 <= place.start <= place.stop <= len(text) for place in traced.places)
    starts = [place.start for place in traced.places]
    assert starts == sorted(starts)
