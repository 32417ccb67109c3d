from __future__ import annotations

import pytest

from speech.errors import TrainingError
from speech.training.recordings import Line, parse_list


def test_upstreams_lists_are_read_as_they_are() -> None:
    content = (
        "\ufeffoutput/slicer/a.wav_0000000000_0000160000.wav|slicer|EN|Fifty % of it.\n\n"
        "D:\\voices\\b.wav|me|jp| こんにちは。 \n"
        "c.wav||ZH|你好￥吗\n"
    )
    assert parse_list(content) == [
        Line(1, "a.wav_0000000000_0000160000.wav", "slicer", "en", "Fifty - of it."),
        Line(3, "b.wav", "me", "ja", "こんにちは。"),
        Line(4, "c.wav", "", "zh", "你好,吗"),
    ]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("a.wav|me|en", r"line 1: 3 fields, not the four path\|speaker\|language\|text"),
        ("a.wav|me|en|x\nb.wav|me|en|one|two", "line 2: 5 fields"),
        ("a.wav|me|de|Hallo", "line 1: language 'de' is none of en, ja, ko, yue, zh"),
        ("a.wav|me|en| ", "line 1: text is empty"),
        ("|me|en|x", "line 1: path is empty"),
        ("x/a.wav|me|en|x\n\ny/a.wav|me|en|y", "line 3: a.wav was named in line 1 already"),
        ("\n \n", "the list is empty"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(content: str, complaint: str) -> None:
    with pytest.raises(TrainingError, match=complaint) as raised:
        parse_list(content)
    assert "\n" not in str(raised.value)
