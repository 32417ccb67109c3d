"""The draft voice: every language, the same bits in any order."""

from __future__ import annotations

import concurrent.futures
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from speech import draft
from speech.draft import ESPEAK_VERSION, NARRATORS, DraftVoice, open_voice
from speech.errors import BadTakeError, UnreadableTextError, VoiceError
from speech.languages import LANGUAGES
from speech.text.lexicon import Entry
from speech.text.utterance import Span, Utterance
from speech.units import SAMPLE_RATE
from speech.voice import Request, Samples, Sampling, Take, Voice, VoiceSource


@pytest.fixture(scope="module")
def voice() -> Iterator[DraftVoice]:
    voice = DraftVoice()
    yield voice
    voice.close()


def request(*spans: tuple[str, str], key: str = "", speed: float = 1.0) -> Request:
    utterance = Utterance(tuple(Span(*span) for span in spans))
    return Request(key or utterance.text, utterance, Sampling(speed=speed))


def speak(voice: Voice, *requests: Request) -> list[Take]:
    return list(voice.speak(iter(requests)))


def say(voice: Voice, text: str, language: str = "en", speed: float = 1.0) -> Samples:
    (take,) = speak(voice, request((text, language), speed=speed))
    return take.samples


def rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def test_draft_voice_speaks(voice: DraftVoice) -> None:
    (take,) = speak(voice, request(("The quick brown fox jumps over the lazy dog.", "en"), key="k"))
    assert take.key == "k"
    assert take.samples.dtype == np.float32
    assert 1.5 < take.samples.size / SAMPLE_RATE < 4.5
    assert rms(take.samples) > 0.02
    assert np.abs(take.samples).max() <= 1.0
    assert isinstance(voice, Voice)
    assert voice.n_lanes == 1


def test_draft_voice_says_words_as_they_are_respelt(voice: DraftVoice) -> None:
    def said(text: str, *entries: Entry) -> bytes:
        (take,) = speak(voice, replace(request((text, "en-gb"), key="k"), lexicon=entries))
        return take.samples.tobytes()

    as_spelt = said("The Cholmondeley estate.")
    respelt = said("The Cholmondeley estate.", Entry("cholmondeley", "en", respelling="Chumley"))
    assert respelt == said("The Chumley estate.") != as_spelt
    german = Entry("Cholmondeley", "de", respelling="Chumley")
    assert said("The Cholmondeley estate.", german) == as_spelt


def test_draft_voice_takes_no_phonemes(voice: DraftVoice) -> None:
    entry = Entry("fox", "en", phonemes=("F", "AA1", "K", "S"))
    with pytest.raises(
        UnreadableTextError, match="'fox': phonemes: a draft voice takes a respelling"
    ) as caught:
        speak(voice, replace(request(("A fox.", "en"), key="k"), lexicon=(entry,)))
    assert caught.value.__notes__ == ["k"]


ODD_TEXTS = [
    ("Sharks swim; she sells 1,234 fish for $5.60 at 3:45 on 21/11/2026.", "en"),
    ("Shh! Psst — a whisper… (really?)", "en"),
    ("Yes 😀 no 🎉 maybe", "en"),
    ("智に働けば角が立つ。カタカナとひらがな", "ja"),
    ("此开卷第一回也。作者自云：今风尘碌碌", "zh"),
    ("안녕하세요. 커피 두 잔에 9,000원이에요.", "ko"),
    ("Am 3. Oktober 1990 – „endlich“ – war's so weit.", "de"),
    ("C'est l'été à Paris, n'est-ce pas ?", "fr"),
    ("<speak>[[h@'loU]] &amp; \x0150S \x01+10P</speak>", "en"),
]


def test_takes_are_the_same_bits_in_any_order_and_beside_any_neighbour(voice: DraftVoice) -> None:
    requests = [request(span) for span in ODD_TEXTS]
    requests.append(request(("He said ", "en"), ("Guten Tag", "de"), (" and ", "en"), ("再见。", "zh")))
    alone = {}
    for asked in requests:
        fresh = DraftVoice()
        alone[asked.key] = speak(fresh, asked)[0].samples
        fresh.close()
    chance = random.Random(3)
    for _ in range(4):
        chance.shuffle(requests)
        for take in voice.speak(iter(requests)):
            assert np.array_equal(take.samples, alone[take.key])


def test_takes_are_the_same_bits_from_many_threads(voice: DraftVoice) -> None:
    requests = [request(span) for span in ODD_TEXTS] * 3
    expected = [take.samples for take in speak(voice, *requests)]
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        heard = list(threads.map(lambda asked: speak(voice, asked)[0].samples, requests))
    assert all(map(np.array_equal, heard, expected))


def test_another_key_draws_other_noise_where_a_narrator_has_any() -> None:
    breathy = DraftVoice("f2")
    one, two, again = (speak(breathy, request(("Shells.", "en"), key=key))[0].samples for key in "aba")
    breathy.close()
    assert not np.array_equal(one, two)
    assert np.array_equal(one, again)


def test_narrators_sound_different() -> None:
    heard = set()
    for narrator in NARRATORS.values():
        voice = DraftVoice(narrator)
        heard.add(say(voice, "Hello there.").tobytes())
        voice.close()
    assert len(heard) == len(NARRATORS)


def test_speed_changes_the_length_only_in_proportion(voice: DraftVoice) -> None:
    text = "The quick brown fox jumps over the lazy dog, and sleeps the whole long day."
    slow, plain, fast = (say(voice, text, speed=speed).size for speed in (0.5, 1.0, 2.0))
    assert 1.6 < slow / plain < 2.4
    assert 1.6 < plain / fast < 2.4


@pytest.mark.parametrize("speed", [0.4, 2.5, float("nan")])
def test_a_speed_out_of_range_is_refused(voice: DraftVoice, speed: float) -> None:
    with pytest.raises(VoiceError, match="speed"):
        say(voice, "Hello.", speed=speed)


def test_spans_are_spoken_in_turn_each_in_its_language(voice: DraftVoice) -> None:
    both = speak(voice, request(("Wagen. ", "en"), ("Wagen.", "de"), key="k"))[0].samples
    english = speak(voice, request(("Wagen. ", "en"), key="k"))[0].samples
    assert np.array_equal(both[: english.size], english)
    german = both[english.size :]
    assert rms(german) > 0.02
    assert abs(german.size - english.size) > 100


@pytest.mark.parametrize("language", sorted(set(LANGUAGES)))
def test_every_language_of_the_list_is_spoken(voice: DraftVoice, language: str) -> None:
    text = {"cmn": "你好", "yue": "你好", "hak": "ngi hó"}.get(LANGUAGES[language], "papa 12")
    assert rms(say(voice, text, language)) > 0.005


def test_the_list_holds_every_language_of_the_library() -> None:
    import espeakng_loader

    folder = Path(espeakng_loader.get_data_path()) / "lang"
    names = {path.name.lower() for path in folder.rglob("*") if path.is_file()}
    without_dictionary = {"fo", "kaa", "xex"}
    assert names - without_dictionary - {"yue-latn-jyutping"} == set(LANGUAGES.values())
    dictionaries = Path(espeakng_loader.get_data_path())
    assert not [name for name in without_dictionary if (dictionaries / f"{name}_dict").exists()]


@pytest.mark.parametrize(
    ("language", "same"),
    [
        ("de-AT", "de"),
        ("zh-Hant-TW", "cmn"),
        ("zh-HK", "yue"),
        ("pt-BR", "pt-br"),
        ("en", "en-us"),
        ("EN_gb", "en-gb"),
        ("en-gb-oxendict", "en-gb"),
    ],
)
def test_a_regional_language_is_spoken_as_its_nearest(voice: DraftVoice, language: str, same: str) -> None:
    spoken = [speak(voice, request(("Taxi 12", tag), key="k"))[0].samples for tag in (language, same)]
    assert np.array_equal(*spoken)


@pytest.mark.parametrize("language", ["und", "xx", "bo", "", "english"])
def test_an_unknown_language_is_an_error_and_never_english(voice: DraftVoice, language: str) -> None:
    with pytest.raises(
        UnreadableTextError, match=f"language '{language}': espeak-ng does not speak it"
    ) as caught:
        speak(voice, request(("Hello.", language), key="the key"))
    assert caught.value.__notes__ == ["the key"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Hello\0there", r"character 5 is '\\x00'"),
        ("Hello \ud83d", r"character 6 is '\\ud83d'"),
        ("word " * 2000, "10000 characters in one utterance"),
        ("  ", "the utterance is empty"),
    ],
)
def test_what_is_no_text_is_refused(voice: DraftVoice, text: str, message: str) -> None:
    with pytest.raises(UnreadableTextError, match=message):
        say(voice, text)


def test_letters_that_come_out_silent_are_a_bad_take(voice: DraftVoice) -> None:
    with pytest.raises(BadTakeError, match="espeak-ng says nothing for") as caught:
        speak(voice, request(("\u0b72 \u0b73", "en"), key="the key"))
    assert caught.value.__notes__ == ["the key"]
    assert rms(say(voice, "And the voice goes on.")) > 0.02


def test_markup_and_commands_are_read_as_text(voice: DraftVoice) -> None:
    plain = say(voice, "Hello there my friend")
    for hostile in ["\x01200SHello there my friend", "<prosody rate='9'>Hello there my friend</prosody>"]:
        assert say(voice, hostile).size > plain.size


@pytest.mark.parametrize(
    "text", ["..", ".. ..", "a" * 3000, "'" * 500 + "a", "1" * 400, "\u0301a", "a\u200b\ufeff b"]
)
def test_odd_texts_end(voice: DraftVoice, text: str) -> None:
    started = time.monotonic()
    try:
        samples = say(voice, text)
    except BadTakeError:
        return
    finally:
        assert time.monotonic() - started < 30
    assert np.isfinite(samples).all()


def test_a_closed_voice_says_so() -> None:
    voice = DraftVoice()
    voice.close()
    voice.close()
    with pytest.raises(VoiceError, match="the draft voice is closed"):
        say(voice, "Hello.")


def test_a_killed_engine_is_an_error_in_the_caller() -> None:
    voice = DraftVoice()
    children = psutil.Process().children()
    engine = max(children, key=lambda child: child.create_time())
    os.killpg(engine.pid, signal.SIGKILL)
    with pytest.raises(VoiceError, match="engine has gone"):
        say(voice, "Hello.")
    voice.close()


def test_an_utterance_that_kills_espeak_harms_no_other() -> None:
    voice = DraftVoice()
    engine = max(psutil.Process().children(), key=lambda child: child.create_time())
    before = say(voice, "Hello.")
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        long = thread.submit(say, voice, "long " * 900)
        while not (forks := engine.children()):
            time.sleep(0.001)
        forks[0].send_signal(signal.SIGSEGV)
        with pytest.raises(BadTakeError, match="espeak-ng died of SIGSEGV on this text"):
            long.result()
    assert np.array_equal(say(voice, "Hello."), before)
    voice.close()


def test_a_voice_does_not_speak_in_a_fork() -> None:
    code = """
import os
from speech.draft import DraftVoice
from speech.errors import VoiceError
from speech.text.utterance import Span, Utterance
from speech.voice import Request, VoiceSource
voice = DraftVoice()
if os.fork() == 0:
    try:
        list(voice.speak(iter([Request("k", Utterance((Span("Hello.", "en"),)))])))
    except VoiceError as error:
        print(error, flush=True)
    os._exit(0)
os.wait()
voice.close()
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout == "a draft voice speaks only in the process that opened it, not in a fork of that\n"
    assert not ran.stderr


def test_the_engine_ends_with_a_process_that_is_killed() -> None:
    code = "from speech.draft import DraftVoice; v = DraftVoice(); print('up', flush=True); input()"
    owner = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"up\n"
        family = psutil.Process(owner.pid).children(recursive=True)
        assert family
        owner.kill()
    _, alive = psutil.wait_procs(family, timeout=60)
    assert not alive


def test_without_the_package_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(VoiceError, match=r"pip install 'lectorium\[draft\]'"):
        DraftVoice()


def test_another_version_of_espeak_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draft, "ESPEAK_VERSION", "9.99")
    with pytest.raises(
        VoiceError, match=rf"needs espeak-ng 9.99; espeakng-loader has: espeak-ng {ESPEAK_VERSION}"
    ):
        DraftVoice()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"parameters": {"narator": "f1"}}, "parameters.narator: unknown"),
        ({"parameters": {"narrator": "Mr serious"}}, "narrator: 'Mr serious' is no draft narrator"),
        ({"weights_digest": "00"}, "weights_digest: 00 is not espeak-ng"),
        ({"folder": Path("/")}, "a draft voice has no files"),
    ],
)
def test_open_voice_refuses_what_is_no_draft(wrong: dict[str, object], message: str) -> None:
    right: dict[str, object] = {"weights_digest": draft.WEIGHTS_DIGEST}
    with pytest.raises(VoiceError, match=message):
        open_voice(VoiceSource(**{**right, **wrong}))  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.slow
def test_memory_stays_flat_over_thousands_of_utterances() -> None:
    voice = DraftVoice()
    engine = max(psutil.Process().children(), key=lambda child: child.create_time())
    us = psutil.Process()

    def resident() -> int:
        return int(us.memory_info().rss + engine.memory_info().rss)

    def read_aloud(n_utterances: int) -> None:
        for number in range(n_utterances):
            say(voice, *random.Random(number).choice(ODD_TEXTS))

    read_aloud(300)
    before = resident()
    read_aloud(2000)
    assert resident() - before < 24 << 20, "a leak of 100 kB each would be 200 MB"
    voice.close()
