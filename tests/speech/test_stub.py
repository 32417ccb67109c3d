"""The stub voice: repeatable sound for benchmarks, real harm for chaos tests."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import psutil
import pytest

from speech.errors import UnreadableTextError, VoiceError
from speech.stub import WEIGHTS_DIGEST, Poison, StubVoice, make_sound, open_voice
from speech.text.utterance import Span, Utterance
from speech.units import SAMPLE_RATE
from speech.voice import Request, Sampling, Take, Voice, VoiceSource

TEXT = "The quick brown fox jumps over the lazy dog."


def request(text: str = TEXT, *, key: str = "key", speed: float = 1.0) -> Request:
    return Request(key, Utterance((Span(text, "en"),)), Sampling(speed=speed))


def speak(voice: StubVoice, *requests: Request) -> list[Take]:
    return list(voice.speak(iter(requests)))


def test_stub_speaks_as_long_as_the_text_would_take() -> None:
    (take,) = speak(StubVoice(0), request())
    assert take.key == "key"
    assert take.samples.dtype == np.float32
    assert take.samples.size == round(35 / 12.5 * SAMPLE_RATE)
    assert isinstance(StubVoice(), Voice)
    assert speak(StubVoice(0), request(speed=2.0))[0].samples.size == take.samples.size // 2


def test_stub_says_the_same_for_the_same_key_and_other_things_for_others() -> None:
    requests = [request(key=key) for key in "abcabc"]
    takes = speak(StubVoice(0), *requests)
    for one, two in zip(takes[:3], takes[3:], strict=True):
        assert np.array_equal(one.samples, two.samples)
    assert len({take.samples.tobytes() for take in takes}) == 3


def test_sound_never_changes() -> None:
    sound = make_sound("key", 32_000)
    assert [float(sample) * 2**23 for sample in sound[5000:5003]] == [316416.0, 239616.0, 65536.0]
    assert make_sound("key", 32_000).tobytes() == sound.tobytes()


def test_sound_is_heard_and_rests_between_syllables() -> None:
    sound = make_sound("key", 10 * SAMPLE_RATE)
    assert 0.02 < float(np.sqrt(np.mean(np.square(sound)))) < 0.2
    assert 0.05 < np.abs(sound).max() <= 0.25
    assert not sound[6144:8192].any()


def test_stub_sleeps_as_long_as_told() -> None:
    started = time.monotonic()
    speak(StubVoice(0.05), *[request()] * 4)
    assert 0.2 <= time.monotonic() - started < 1.0


def test_stub_pulls_one_request_at_a_time() -> None:
    pulled = []

    def requests() -> Iterator[Request]:
        for number in range(3):
            pulled.append(number)
            yield request()

    takes = StubVoice(0).speak(requests())
    next(takes)
    assert pulled == [0]


@pytest.mark.parametrize("word", Poison)
def test_poison_is_only_a_word_unless_asked_for(word: Poison) -> None:
    assert speak(StubVoice(0), request(f"He said {word} twice."))


def test_doubtful_text_gives_a_take_with_its_doubt() -> None:
    poisoned = StubVoice(0, poison=True)
    doubtful, good = speak(poisoned, request("A poison-doubt."), request("A lamp."))
    assert doubtful.doubts == ("says 'poison-doubt'",)
    assert good.doubts == ()
    (harmless,) = speak(StubVoice(0), request("A poison-doubt."))
    assert harmless.doubts == ()
    assert np.array_equal(harmless.samples, doubtful.samples)


def test_refused_text_is_an_error_with_the_key() -> None:
    with pytest.raises(UnreadableTextError, match="'poison-refuse' cannot be spoken") as caught:
        speak(StubVoice(0, poison=True), request("A poison-refuse."))
    assert caught.value.__notes__ == ["key"]


POISONED = """
import sys, threading, time
from speech.stub import StubVoice
from speech.text.utterance import Span, Utterance
from speech.voice import Request, VoiceSource

def tick():
    while True:
        print("tick", flush=True)
        time.sleep(0.02)

threading.Thread(target=tick, daemon=True).start()
time.sleep(0.1)
print("swallow", flush=True)
voice = StubVoice(0, poison=True, appetite_bytes=200 << 20)
list(voice.speak(iter([Request("k", Utterance((Span("A %s here.", "en"),)))])))
print("survived", flush=True)
"""


class Poisoned:
    """A process that has swallowed a poison."""

    def __init__(self, word: Poison) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler=0", "-c", POISONED % word.value],
            stdout=subprocess.PIPE,
            text=True,
        )
        while self.read_line() != "swallow":
            pass

    def read_line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def count_ticks(self, seconds: float) -> int:
        """Lines its other thread writes from now on."""
        time.sleep(seconds)
        self.process.kill()
        assert self.process.stdout is not None
        lines = self.process.stdout.read().split()
        assert "survived" not in lines
        return lines.count("tick")


@pytest.fixture
def poisoned() -> Iterator[type[Poisoned]]:
    started: list[Poisoned] = []

    class Kept(Poisoned):
        def __init__(self, word: Poison) -> None:
            started.append(self)
            super().__init__(word)

    yield Kept
    for poisoned in started:
        poisoned.process.kill()
        poisoned.process.communicate()


def test_segfault_is_a_real_one(poisoned: type[Poisoned]) -> None:
    assert poisoned(Poison.SEGFAULT).process.wait(timeout=60) == -signal.SIGSEGV


def test_hang_blocks_one_thread_and_leaves_the_others(poisoned: type[Poisoned]) -> None:
    process = poisoned(Poison.HANG)
    used = sum(psutil.Process(process.process.pid).cpu_times()[:2])
    assert process.process.poll() is None
    ticks = process.count_ticks(1.0)
    assert ticks >= 10
    assert used < 10


def test_hang_is_not_ended_by_a_signal(poisoned: type[Poisoned]) -> None:
    process = poisoned(Poison.HANG)
    time.sleep(0.2)
    process.process.send_signal(signal.SIGINT)  # Python's own handler cannot run: the thread is in C
    assert process.count_ticks(0.5) >= 5
    assert process.process.wait(timeout=60) == -signal.SIGKILL


def test_freeze_stops_every_thread(poisoned: type[Poisoned]) -> None:
    process = poisoned(Poison.FREEZE)
    time.sleep(0.3)
    assert process.process.poll() is None
    assert process.count_ticks(1.0) <= 10, "those written before it froze"


def test_glutton_eats_its_fill_and_stays(poisoned: type[Poisoned]) -> None:
    process = poisoned(Poison.GLUTTON)
    resident = psutil.Process(process.process.pid).memory_info
    deadline = time.monotonic() + 60
    while resident().rss < 200 << 20 and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.2)
    assert 200 << 20 <= resident().rss < 400 << 20
    assert process.count_ticks(0.5) >= 5


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"seconds_per_utterance": -1.0}, "seconds_per_utterance: -1.0"), ({"n_lanes": 0}, "n_lanes: 0")],
)
def test_stub_refuses(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StubVoice(**wrong)  # type: ignore[arg-type]  # wrong on purpose


def test_open_voice_reads_its_parameters() -> None:
    voice = open_voice(
        VoiceSource("ab" * 32, parameters={"seconds_per_utterance": 0, "n_lanes": 4, "poison": True})
    )
    assert (voice.weights_digest, voice.n_lanes) == ("ab" * 32, 4)
    with pytest.raises(UnreadableTextError):
        speak(voice, request("poison-refuse"))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"lanes": 1}, "parameters.lanes: unknown to the stub voice; known are appetite_bytes, n_lanes"),
        ({"n_lanes": 0}, "parameters.n_lanes: 0 is not 1 or more"),
    ],
)
def test_open_voice_refuses(parameters: dict[str, int], message: str) -> None:
    with pytest.raises(VoiceError, match=message):
        open_voice(VoiceSource(WEIGHTS_DIGEST, parameters=parameters))
