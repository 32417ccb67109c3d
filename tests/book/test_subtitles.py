from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from book.subtitles import shifted, srt, vtt
from book.track import Cue

CUES = (Cue(0.0, 1.2345, "Call me Ishmael."), Cue(2.5, 3.0, "Some years ago—"))


def test_srt_numbers_and_times_each_cue() -> None:
    first = "1\n00:00:00,000 --> 00:00:01,234\nCall me Ishmael.\n"
    second = "2\n00:00:02,500 --> 00:00:03,000\nSome years ago—\n"
    assert srt(CUES) == f"{first}\n{second}"


def test_vtt_begins_with_its_name_and_uses_points() -> None:
    assert vtt(CUES).startswith("WEBVTT\n\n00:00:00.000 --> 00:00:01.234\nCall me Ishmael.\n\n")


def test_subtitles_may_be_empty() -> None:
    assert srt(()) == ""
    assert vtt(()) == "WEBVTT\n"


def test_subtitles_count_hours_beyond_99() -> None:
    late = shifted(CUES, 100 * 3600.0)
    assert "100:00:02,500 --> 100:00:03,000" in srt(late)
    assert "100:00:02.500 --> 100:00:03.000" in vtt(late)


def test_shifted_keeps_text_and_boundary() -> None:
    assert shifted([Cue(1.0, 2.0, "x", "paragraph")], 10.5) == (Cue(11.5, 12.5, "x", "paragraph"),)


def test_vtt_escapes_what_would_be_markup_or_a_time_line() -> None:
    text = vtt([Cue(0, 1, "a <b>bold</b> & --> claim")])
    assert "a &lt;b&gt;bold&lt;/b&gt; &amp; --&gt; claim" in text
    assert text.count("-->") == 1


def test_srt_leaves_no_tag_and_no_arrow_in_the_text() -> None:
    text = srt([Cue(0, 1, r"a <i>word</i> {\an8} --> x, 3 < 4")])
    assert text.count("-->") == 1
    assert not re.search(r"<[/a-zA-Z]|\{\\", text)
    assert "3 < 4" in text


def test_subtitles_put_a_cue_in_one_line() -> None:
    assert "one two three" in srt([Cue(0, 1, "one\n\ntwo\r\n  three ")])
    assert "one two three" in vtt([Cue(0, 1, "one\n\ntwo\r\n  three ")])


def test_a_cue_without_length_still_lasts_a_millisecond() -> None:
    assert "00:00:01,000 --> 00:00:01,001" in srt([Cue(1.0, 1.0, "x")])


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 60), st.text(min_size=1)), max_size=5))
def test_subtitles_have_one_time_line_for_each_cue_whatever_the_text(
    drawn: list[tuple[float, float, str]],
) -> None:
    cues = [Cue(start, start + length, text) for start, length, text in drawn]
    for text in (srt(cues), vtt(cues)):
        assert len(
            re.findall(r"^\d{2,}:\d\d:\d\d[.,]\d{3} --> \d{2,}:\d\d:\d\d[.,]\d{3}$", text, re.MULTILINE)
        ) == len(cues)
        assert text.count("-->") == len(cues)
