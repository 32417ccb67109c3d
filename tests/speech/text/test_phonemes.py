import socket

import pytest

pytest.importorskip("pypinyin")

from hypothesis import given, settings
from hypothesis import strategies as st

from speech.errors import UnreadableTextError
from speech.text.phonemes import Phonemes, phonemise
from speech.text.symbols import SYMBOLS, SymbolsVersion
from speech.text.utterance import Span


def read(text: str, language: str, version: SymbolsVersion = "v2") -> Phonemes:
    return phonemise([Span(text, language)], symbols_version=version)


def symbols(phonemes: Phonemes, version: SymbolsVersion = "v2") -> str:
    return " ".join(SYMBOLS[version][index] for index in phonemes.ids)


def test_phonemise_reads_mixed_text() -> None:
    phonemes = phonemise([Span("我的iPhone", "zh"), Span("です。", "ja")], symbols_version="v2")
    assert symbols(phonemes) == "w o3 d e5 AY1 F OW2 N d e ] s u ."
    assert [(run.language, run.text, run.n_phonemes) for run in phonemes.runs] == [
        ("zh", "我的", 4),
        ("en", "iPhone", 4),
        ("ja", "です.", 6),
    ]
    assert phonemes.runs[0].word2ph == (2, 2)
    assert phonemes.runs[1].word2ph is None


def test_places_point_at_the_text_of_the_book() -> None:
    phonemes = read("It was 1984.", "en")
    places = dict(zip(symbols(phonemes).split(), phonemes.places, strict=True))
    assert places["AY1"] == (7, 11)  # nineteen
    assert places["."] == (11, 12)


def test_short_utterances_begin_with_marks() -> None:
    assert symbols(read("Hi", "en")) == ". HH AY1 ."
    assert symbols(read("好", "zh")) == ". h ao3 ."
    assert symbols(read("我看A股大涨。", "zh")).split()[4:6] == [",", "EY1"]


def test_a_blank_before_english_is_heard_in_korean() -> None:
    assert symbols(read("저는 Google에서 왔다.", "ko")).startswith("ㅈ ㅓ ㄴ ㅡ ㄴ 空 G UW1")
    assert symbols(read("안녕하세요. ", "ko")).endswith("ㅣ ㅗ .")


def test_an_utterance_that_ends_without_a_mark_gets_one() -> None:
    assert symbols(read("今天天气不错", "zh")).endswith(" .")
    assert symbols(read("今天天气不错？", "zh")).endswith(" ?")


def test_japanese_pitch_is_for_version_two() -> None:
    assert "[" in symbols(read("こんにちは。", "ja"))
    assert symbols(read("こんにちは。", "ja", "v1"), "v1") == "k o N n i ch i w a ."


@pytest.mark.parametrize(
    ("text", "language", "complaint"),
    [
        ("He said 😀.", "en", r"character 9: '😀' \(U\+1F600 GRINNING FACE\) cannot be read in 'en'"),
        ("你好д", "zh", "character 3: 'д'"),
        ("你𪛕好", "zh", "character 2: '𪛕'"),
        ("あ\ue123", "ja", "character 2: "),
        ("Bonjour", "fr", "language: .*'fr'; they read en, ja, ko, yue, zh"),
        ("“——”", "zh", "there is nothing to say"),
        ("", "en", "there is nothing to say"),
        ("…", "ko", "there is nothing to say"),
    ],
)
def test_phonemise_names_what_it_cannot_read(text: str, language: str, complaint: str) -> None:
    with pytest.raises(UnreadableTextError, match=complaint):
        read(text, language)


def test_phonemise_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a front end reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    for text, language in [
        ("Hello Zorblag.", "en"),
        ("你好呀。", "zh"),
        ("何ですか。", "ja"),
        ("안녕하세요.", "ko"),
        ("你好呀。", "yue"),
    ]:
        assert read(text, language).ids


_ALPHABETS = {
    "en": "abcdeIST'’-–—,.;:!?\"“”()0123456789$£%&@#/+=°½é \n…*",
    "zh": (
        "我们的一不了个儿好看行长重地得着还你吗,。！？、；：“”《》（）—…"
        "0123456789.%￥$-~/:+=年月日个号℃後Abk "
    ),
    "ja": "私は今日行くの食べ何人一二年月カタナーっゃ々、。！？「」（）…・0123456789.%￥-~/:kA ",
    "ko": "안녕하세요같이갑시닭값을를좋않의국민는학교 ,.!?“”()…·0123456789%₩-~/:ㄱㅏkA",
    "yue": "我哋佢係唔嘅喺咗嘢幾多錢一個,。！？、“”《》…0123456789.%$-~/:年月kA",
}


_SPANS = {
    language: st.builds(Span, st.text(alphabet, min_size=1, max_size=30), st.just(language))
    for language, alphabet in _ALPHABETS.items()
}
_EVERYTHING = st.builds(
    Span, st.text("".join(_ALPHABETS.values()), min_size=1, max_size=12), st.sampled_from(sorted(_ALPHABETS))
)
_UTTERANCES = {language: st.tuples(spans) for language, spans in _SPANS.items()} | {
    "mixed": st.lists(_EVERYTHING, min_size=1, max_size=4).map(tuple)
}


@pytest.mark.parametrize("name", sorted(_UTTERANCES))
def test_nothing_is_dropped_in_silence(name: str) -> None:
    refusals: list[tuple[str, str]] = []

    @settings(max_examples=100, deadline=None)
    @given(_UTTERANCES[name])
    def check(spans: tuple[Span, ...]) -> None:
        text = "".join(span.text for span in spans)
        try:
            phonemes = phonemise(spans, symbols_version="v2")
        except UnreadableTextError as error:
            refusals.append((text, str(error)))
            return
        assert all(0 <= index < len(SYMBOLS["v2"]) for index in phonemes.ids)
        assert len(phonemes.places) == len(phonemes.ids) == sum(run.n_phonemes for run in phonemes.runs)
        for run in phonemes.runs:
            if run.word2ph is not None:
                assert len(run.word2ph) == len(run.text)
                assert sum(run.word2ph) == run.n_phonemes
        covered = {at for place in phonemes.places for at in range(place.start, place.stop)}
        heard = [at for at in range(len(text)) if text[at].isalnum() and text[at] != "ー"]  # may be a dash
        unread = [(at, text[at]) for at in heard if at not in covered]
        assert not unread

    check()
    for text, message in refusals:
        assert message.startswith("character ") or not any(map(str.isalnum, text.replace("ー", ""))), message
