from itertools import pairwise

import pytest

pytest.importorskip("pypinyin")

from hypothesis import given
from hypothesis import strategies as st

from speech.errors import UnreadableTextError
from speech.text.runs import language_of, split_runs
from speech.text.utterance import Span


def runs(text: str, language: str) -> list[tuple[str, str]]:
    return [(run.language, run.text) for run in split_runs([Span(text, language)], "v2")]


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("我的iPhone很好。", "zh", [("zh", "我的"), ("en", "iPhone"), ("zh", "很好。")]),
        ("Hello.こんにちは！", "ja", [("en", "Hello."), ("ja", "こんにちは！")]),
        ("你也喜欢まいご吗", "zh", [("zh", "你也喜欢"), ("ja", "まいご"), ("zh", "吗")]),
        ("저는 Samsung 폰", "ko", [("ko", "저는 "), ("en", "Samsung "), ("ko", "폰")]),
        ("He said 你好 to me", "en", [("en", "He said "), ("zh", "你好 "), ("en", "to me")]),
        ("重5kg，长3 cm", "zh", [("zh", "重5kg，长3 cm")]),
        ("“It was 1984, he said.”他说。", "zh", [("en", "“It was 1984, he said.”"), ("zh", "他说。")]),
        ("用GPT-4写", "zh", [("zh", "用"), ("en", "GPT-"), ("zh", "4写")]),
        ("水是H₂O", "zh", [("zh", "水是"), ("en", "H₂O")]),
        ("日本語とEnglish", "ja", [("ja", "日本語と"), ("en", "English")]),
        ("2024年", "ja", [("ja", "2024年")]),
        ("大韓民國", "ko", [("ko", "大韓民國")]),
    ],
)
def test_split_runs_by_script(text: str, language: str, expected: list[tuple[str, str]]) -> None:
    assert runs(text, language) == expected


def test_han_is_read_as_the_nearest_language_that_is_written_so() -> None:
    spans = [Span("A 東京 B", "en"), Span("です", "ja")]
    assert ("ja", "東京 ") in [(run.language, run.text) for run in split_runs(spans, "v2")]


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("en", "en"),
        ("en-GB", "en"),
        ("zh-Hant-TW", "zh"),
        ("cmn", "zh"),
        ("yue", "yue"),
        ("zh-yue", "yue"),
        ("ja-JP", "ja"),
    ],
)
def test_language_of_knows_tags(tag: str, name: str) -> None:
    assert language_of(tag, "v2") == name


@pytest.mark.parametrize(
    ("tag", "version"), [("fr", "v2"), ("", "v2"), ("english", "v2"), ("ko", "v1"), ("yue", "v1")]
)
def test_language_of_refuses_what_the_voice_does_not_read(tag: str, version: str) -> None:
    with pytest.raises(UnreadableTextError, match=r"^language: .* do not read .*; they read "):
        language_of(tag, version)  # type: ignore[arg-type]  # parametrised


def test_split_runs_refuses_a_run_the_voice_does_not_read() -> None:
    with pytest.raises(UnreadableTextError, match="character 3: '안녕' is in 'ko'"):
        split_runs([Span("你好안녕", "zh")], "v1")


@given(
    st.text("aB你好たカ안녕12。,!? -“”5kg\n", max_size=40), st.sampled_from(["en", "zh", "ja", "ko", "yue"])
)
def test_split_runs_loses_nothing(text: str, language: str) -> None:
    found = split_runs([Span(text, language)], "v2")
    assert "".join(run.text for run in found) == text
    assert all(text[run.offset : run.offset + len(run.text)] == run.text for run in found)
    assert all(first.language != second.language for first, second in pairwise(found))
