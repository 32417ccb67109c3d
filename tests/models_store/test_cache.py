from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from jobs.errors import LedgerUnavailableError
from models_store.ahead import VoiceAhead
from models_store.apart import Apart
from models_store.cache import MOST_VOICES, VoiceCache
from models_store.manifest import ManifestFile, VoiceManifest
from speech import stub
from speech.errors import BadTakeError, VoiceError
from speech.stub import StubVoice
from speech.voice import Parameter, Voice, VoiceSource, Weights


class Heavy:
    """Weights of a hundred bytes that say what becomes of them; stub voices speak with them."""

    def __init__(self, digest: str) -> None:
        self.digest = digest
        self.is_closed = False

    n_bytes = 100

    def voice(self, source: VoiceSource) -> Voice:
        return StubVoice(weights_digest=source.weights_digest)

    def close(self) -> None:
        self.is_closed = True


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Stage:
    """A cache of 250 bytes, hence of two weights, and all that was ever loaded."""

    def __init__(self, budget_bytes: int = 250) -> None:
        self.clock = Clock()
        self.loaded: list[Heavy] = []
        self.n_opened = 0
        self.faults: list[Exception] = []
        self.gate = threading.Event()
        self.gate.set()
        self.cache = VoiceCache(budget_bytes=budget_bytes, idle_seconds=60, check=self._check, now=self.clock)

    def open_weights(self, manifest: VoiceManifest) -> Weights:
        self.gate.wait()
        if self.faults:
            raise self.faults.pop()
        self.loaded.append(Heavy(manifest.weights_digest))
        return self.loaded[-1]

    def open_on(self, weights: Weights, manifest: VoiceManifest) -> Voice:
        self.n_opened += 1
        return weights.voice(VoiceSource(manifest.weights_digest))

    def _check(self, _manifest: VoiceManifest, _voice: Voice) -> None:
        if self.faults:
            raise self.faults.pop()

    def use(self, *names: str) -> None:
        for name in names:
            with self.cache.use(self, voice(name)):
                pass

    @property
    def at_hand(self) -> list[str]:
        return [name for name in "abcde" if self.cache.holds(voice(name))]


def digest_of(name: str) -> str:
    return name[0] * 64


def voice(name: str, **parameters: Parameter) -> VoiceManifest:
    """A manifest; the weights are those of the first letter."""
    return VoiceManifest(
        name=name,
        family="stub",
        weights_digest=digest_of(name),
        languages="any",
        licence="MIT",
        parameters=parameters,
    )


def large(name: str) -> VoiceManifest:
    """The same, with a file of a hundred bytes."""
    file = ManifestFile(sha256="0" * 64, bytes=100)
    return voice(name).model_copy(update={"files": {"decoder.safetensors": file}})


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.gate.set()
    made.cache.close()
    assert all(heavy.is_closed for heavy in made.loaded)


def test_a_voice_is_loaded_once(stage: Stage) -> None:
    stage.use("a", "a", "a")
    assert (len(stage.loaded), stage.n_opened) == (1, 1)
    assert (stage.cache.figures.n_loads, stage.cache.figures.n_hits) == (1, 2)


def test_voices_of_one_base_share_its_weights(stage: Stage) -> None:
    stage.use("a-ada", "a-bert", "a-ada")
    assert (len(stage.loaded), stage.n_opened) == (1, 2)


def test_voices_that_are_opened_otherwise_do_not(stage: Stage) -> None:
    stage.use("a")
    with stage.cache.use(stage, voice("a", n_lanes=2)):
        assert len(stage.loaded) == 2


def test_the_least_recently_used_makes_room(stage: Stage) -> None:
    stage.use("a", "b", "a", "c")
    assert stage.at_hand == ["a", "c"]
    assert [heavy.is_closed for heavy in stage.loaded] == [False, True, False]
    assert stage.cache.used_bytes == 200
    assert stage.cache.figures.n_evictions == {"room": 1}


def test_what_is_in_use_stays(stage: Stage) -> None:
    with ExitStack() as stack:
        for name in "abc":
            stack.enter_context(stage.cache.use(stage, voice(name)))
        assert stage.at_hand == ["a", "b", "c"]
        stage.clock.seconds = 1000
        stage.cache.expire()
        assert stage.at_hand == ["a", "b", "c"]
    assert len(stage.at_hand) == 2


def test_one_that_is_larger_than_the_budget_is_alone() -> None:
    stage = Stage(budget_bytes=50)
    with stage.cache.use(stage, voice("a")):
        assert stage.at_hand == ["a"]
    assert stage.at_hand == []


def test_idle_weights_leave(stage: Stage) -> None:
    stage.use("a")
    stage.clock.seconds = 30
    stage.use("b")
    stage.clock.seconds = 60
    stage.cache.expire()
    assert stage.at_hand == ["b"]


def test_many_who_ask_at_once_load_once(stage: Stage) -> None:
    stage.gate.clear()
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(stage.use, "a") for _ in range(8)]
        stage.gate.set()
        for each in asked:
            each.result()
    assert len(stage.loaded) == 1


def test_loading_one_keeps_nobody_from_another(stage: Stage) -> None:
    stage.use("b")
    stage.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(stage.use, "a")
        stage.use("b")
        stage.gate.set()
        slow.result()
    assert stage.at_hand == ["a", "b"]


def test_a_failed_load_is_told_to_all_and_tried_again(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.faults.append(VoiceError("decoder.safetensors is not there"))
    with pytest.raises(VoiceError, match="is not there"):
        stage.use("a")
    assert "voice a cannot be loaded: decoder.safetensors is not there" in caplog.text
    stage.use("a")
    assert (stage.at_hand, stage.cache.figures.n_failures) == (["a"], 1)


def test_a_voice_that_is_not_well_is_refused_by_name(stage: Stage) -> None:
    stage.use("a-well")
    stage.faults.append(BadTakeError("its sound is silent"))
    with pytest.raises(VoiceError, match="'a-ill': its sound is silent"):
        stage.use("a-ill")
    stage.use("a-well")
    assert len(stage.loaded) == 1


def test_what_fails_ahead_is_only_logged(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.faults.append(VoiceError("no such file"))
    stage.cache.prefetch(stage, voice("a"))
    assert "voice a could not be fetched ahead: no such file" in caplog.text
    stage.cache.prefetch(stage, voice("a"))
    stage.use("a")
    assert len(stage.loaded) == 1


def test_resident_weights_are_told_once_each_and_the_last_used_first() -> None:
    stage = Stage(budget_bytes=300)
    stage.use("a", "b", "a")
    assert stage.cache.resident() == [digest_of("a"), digest_of("b")]
    with stage.cache.use(stage, voice("b", n_lanes=2)):
        assert stage.cache.resident() == [digest_of("b"), digest_of("a")]


def test_a_voice_fetched_ahead_is_there_when_its_turn_comes(stage: Stage) -> None:
    ahead = VoiceAhead(stage.cache)
    with stage.cache.use(stage, voice("b")):
        stage.gate.clear()
        ahead.fetch(lambda: (stage, voice("a")))
        ahead.fetch(lambda: (stage, voice("c")))  # one at a time
        stage.gate.set()
        ahead.wait()
        assert stage.at_hand == ["a", "b"]
    stage.use("a")
    assert (len(stage.loaded), stage.n_opened) == (2, 2)
    assert (stage.cache.figures.n_loads_ahead, stage.cache.figures.n_hits) == (1, 1)
    ahead.close()


def test_what_was_fetched_ahead_stays_until_it_makes_way(stage: Stage) -> None:
    ahead = VoiceAhead(stage.cache)
    ahead.fetch(lambda: (stage, voice("a")))
    ahead.wait()
    ahead.make_way(voice("a"))
    stage.use("b", "c", "d")
    assert stage.at_hand == ["a", "d"]
    ahead.make_way(voice("b"))
    stage.use("b")
    assert stage.at_hand == ["b", "d"]
    ahead.close()


def test_nothing_in_use_leaves_for_a_voice_ahead(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    ahead = VoiceAhead(stage.cache)
    with stage.cache.use(stage, voice("a")), stage.cache.use(stage, voice("b")):
        ahead.fetch(lambda: (stage, large("c")))
        ahead.wait()
        assert stage.at_hand == ["a", "b"]
    assert "voice c is not fetched ahead: there is no room for it" in caplog.text
    ahead.close()


def test_a_voice_ahead_that_cannot_be_found_is_only_logged(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    def find() -> tuple[Stage, VoiceManifest]:
        raise LedgerUnavailableError("the ledger does not answer")

    ahead = VoiceAhead(stage.cache)
    ahead.fetch(find)
    ahead.wait()
    assert "could not be fetched ahead" in caplog.text
    ahead.fetch(lambda: None)
    ahead.fetch(lambda: (stage, voice("a")))
    ahead.close()


def test_voices_that_share_nothing_are_opened_apart_and_closed_together() -> None:
    weights = Apart(stub.open_voice)
    first, second = (weights.voice(VoiceSource("ab" * 32, {"n_lanes": n})) for n in (1, 2))
    assert (first.n_lanes, second.n_lanes) == (1, 2)
    weights.close()


def test_what_happened_is_counted_once_for_the_operator(stage: Stage) -> None:
    stage.use("a", "b", "a", "c")
    stage.faults.append(VoiceError("no such file"))
    with pytest.raises(VoiceError):
        stage.use("d")
    counted = {(name, sort): amount for name, sort, amount in stage.cache.take_counts()}
    assert counted.pop(("voice_load_seconds", "")) > 0
    assert counted == {
        ("voice_loads", "asked"): 3,
        ("voice_hits", ""): 1,
        ("voice_evictions", "room"): 1,
        ("voice_failures", ""): 1,
    }
    assert stage.cache.take_counts() == []


def test_no_voice_is_let_go_while_somebody_speaks_with_it(stage: Stage) -> None:
    """One base, more voices in use at once than are kept otherwise."""
    names = [f"a{number}" for number in range(MOST_VOICES + 6)]
    with ExitStack() as in_use:
        for name in names:
            in_use.enter_context(stage.cache.use(stage, voice(name)))
        stage.use(*names)
        assert stage.n_opened == len(names), "all of them are still there"
        assert len(stage.loaded) == 1
    stage.use("after")
    assert stage.n_opened == len(names) + 1
    stage.use("a0")
    assert stage.n_opened == len(names) + 2, "the oldest has gone by now"
