from __future__ import annotations

import dataclasses
import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from speech.decode import Pace
from speech.errors import SpeechError, UnreadableTextError, VoiceError
from speech.gpt_sovits import open_voice
from speech.gpt_sovits.company import Backbones
from speech.gpt_sovits.doubt import limit_tokens
from speech.gpt_sovits.engine import Engine
from speech.gpt_sovits.voice import GptSovitsVoice, open_prompt
from speech.gpt_sovits.weights import load_semantic
from speech.lanes import Lanes
from speech.text.lexicon import Entry
from speech.text.phonemes import phonemise
from speech.text.utterance import Span
from speech.units import SAMPLE_RATE, TOKEN_RATE
from speech.voice import Request, Take, Voice, Working
from tests.speech.gpt_sovits.toys import SENTENCES, request, source_of, write_recording, write_weights

VERSIONS = ("v1", "v2", "v2Pro", "v2ProPlus")
SIXTEEN = [request(text, language) for text, language in SENTENCES]


@pytest.fixture(scope="module")
def voice(toy_shelf: Path) -> Iterator[GptSovitsVoice]:
    voice = open_voice(source_of(toy_shelf))
    yield voice
    voice.close()


def speak(voice: Voice, requests: Sequence[Request]) -> dict[str, Take]:
    takes = list(voice.speak(iter(requests)))
    assert len(takes) == len(requests), "exactly one take for each request"
    return {take.key: take for take in takes}


def say(voice: Voice, one: Request) -> Take:
    [take] = voice.speak(iter([one]))
    return take


def assert_same(first: Take, second: Take) -> None:
    assert first.samples.shape == second.samples.shape, first.key  # another token or another count shows here
    assert np.abs(first.samples - second.samples).max() <= 1e-4, first.key
    assert first.doubts == second.doubts


@pytest.mark.parametrize("version", VERSIONS)
def test_voice_of_each_version_speaks(toy_shelf: Path, version: str) -> None:
    voice = open_voice(source_of(toy_shelf, version))
    assert isinstance(voice, Voice)
    assert voice.weights_digest == source_of(toy_shelf, version).weights_digest
    takes = speak(voice, SIXTEEN[:6])
    assert takes.keys() == {one.key for one in SIXTEEN[:6]}
    for take in takes.values():
        assert take.samples.dtype == np.float32
        assert take.samples.size % (SAMPLE_RATE // TOKEN_RATE) == 0
        assert 0.01 < np.abs(take.samples).max() <= 1


def test_sixteen_together_sound_as_they_do_alone(toy_shelf: Path) -> None:
    together = speak(open_voice(source_of(toy_shelf, n_lanes=16)), SIXTEEN)
    single = open_voice(source_of(toy_shelf, n_lanes=1))
    assert len({take.samples.size for take in together.values()}) > 4
    assert {bool(take.doubts) for take in together.values()} == {True, False}, "some were taken again"
    for one in SIXTEEN:
        assert_same(together[one.key], say(single, one))


def test_a_voice_tells_that_it_gets_further_while_no_take_is_done(voice: GptSovitsVoice) -> None:
    assert isinstance(voice, Working)
    beats: list[int] = []  # how many takes were done at each
    seconds: list[float] = []
    before, voice.on_beat = voice.on_beat, lambda: beats.append(len(seconds))
    try:
        for take in voice.speak(iter(SIXTEEN[:2])):
            seconds.append(take.samples.size / SAMPLE_RATE)  # noqa: PERF401 - the beats count them meanwhile
    finally:
        voice.on_beat = before
    assert set(beats) == {0, 1}
    assert beats.count(0) > 1
    assert len(beats) >= max(seconds)


def test_order_and_company_do_not_matter(voice: GptSovitsVoice) -> None:
    in_order = speak(voice, SIXTEEN)
    some = random.Random(1).sample(SIXTEEN, 9)
    for key, take in speak(voice, some).items():
        assert_same(take, in_order[key])


def test_requests_are_pulled_only_as_lanes_run_free(voice: GptSovitsVoice) -> None:
    n_pulled = 0

    def pull() -> Iterator[Request]:
        nonlocal n_pulled
        for one in SIXTEEN:
            n_pulled += 1
            yield one

    n_taken = 0
    for _ in voice.speak(pull()):
        assert n_pulled - n_taken <= voice.n_lanes == 4
        n_taken += 1
    assert n_taken == 16


def test_run_away_is_taken_again_and_its_doubts_travel(toy_shelf: Path, tmp_path: Path) -> None:
    write_weights(tmp_path, "v2", ends=False)
    voice = open_voice(dataclasses.replace(source_of(toy_shelf), weights=tmp_path, folder=None))
    takes = speak(voice, [request("Yes.", top_k=3.0), request("No.", top_k=3.0)])
    for key, take in takes.items():
        text = Span(key.split()[0], "en")
        n_tokens = limit_tokens(len(phonemise([text], symbols_version="v2").ids))
        assert take.samples.size == n_tokens * SAMPLE_RATE // TOKEN_RATE
        assert take.doubts[0] == f"does not end within {n_tokens / TOKEN_RATE:.1f} s"
        assert take.doubts[1].startswith("runs away: ")


def test_silent_voice_says_so(toy_shelf: Path, tmp_path: Path) -> None:
    write_weights(tmp_path, "v2", loudness=0.0)
    voice = open_voice(dataclasses.replace(source_of(toy_shelf), weights=tmp_path, folder=None))
    assert "silent" in say(voice, request("Yes.")).doubts


def test_seed_and_take_change_the_sound_and_nothing_else_does(voice: GptSovitsVoice) -> None:
    plain = request("Good morning.", key="key")
    first, again = say(voice, plain), say(voice, plain)
    assert np.array_equal(first.samples, again.samples)
    seeded = request("Good morning.", key="key", seed=1.0)
    assert _differ(first, say(voice, seeded))
    assert _differ(first, say(voice, dataclasses.replace(plain, take=7)))
    assert _differ(first, say(voice, dataclasses.replace(plain, key="other")))


def _differ(first: Take, second: Take) -> bool:
    return first.samples.shape != second.samples.shape or bool(
        np.abs(first.samples - second.samples).max() > 1e-3
    )


def test_noise_scale_0_makes_seeds_alike_to_the_decoder(voice: GptSovitsVoice) -> None:
    """Greedy tokens and no noise: nothing is left for the seed to change."""
    first, second = (
        say(voice, request("It was late.", key="key", top_k=1.0, noise_scale=0.0, seed=seed))
        for seed in (1.0, 2.0)
    )
    assert_same(first, second)


def test_speed_changes_the_length(voice: GptSovitsVoice) -> None:
    normal = say(voice, request("Good morning.", key="key"))
    n_frames = normal.samples.size // 640
    for speed in (0.5, 2.0):
        changed = say(voice, request("Good morning.", key="key", speed=speed))
        assert changed.samples.size // 640 == int(n_frames / speed) + 1


def test_lexicon_of_the_job_changes_what_is_said(voice: GptSovitsVoice) -> None:
    plain = request("Good morning.", key="key")
    respelt = dataclasses.replace(plain, lexicon=(Entry("morning", "en", respelling="evening"),))
    evening = request("Good evening.", key="key")
    assert _differ(say(voice, plain), say(voice, respelt))
    assert_same(say(voice, respelt), say(voice, evening))


def test_unreadable_text_names_its_place_and_the_others_are_spoken(voice: GptSovitsVoice) -> None:
    texts = ("Good morning.", "Say \u0e01 now.", "Good evening.")
    takes = voice.speak(request(text, key=text) for text in texts)
    taken = [next(takes).key, next(takes).key]
    with pytest.raises(UnreadableTextError, match="character 5: '\u0e01'") as refusal:
        next(takes)
    assert refusal.value.__notes__ == ["Say \u0e01 now."]
    assert sorted(taken) == ["Good evening.", "Good morning."]
    assert "\n" not in str(refusal.value)


def test_unknown_setting_is_refused_by_its_request(voice: GptSovitsVoice) -> None:
    with pytest.raises(SpeechError, match="did you mean 'top_k'") as refusal:
        say(voice, request("Good morning.", key="key", top_kk=3.0))
    assert refusal.value.__notes__ == ["key"]


def test_mandarin_without_its_backbone_is_an_error_and_never_zeros(toy_shelf: Path, tmp_path: Path) -> None:
    source = source_of(toy_shelf)
    assert source.backbones is not None
    shutil.copytree(source.backbones, tmp_path / "backbones")
    shutil.rmtree(tmp_path / "backbones" / "linguistic")
    voice = open_voice(dataclasses.replace(source, backbones=tmp_path / "backbones", folder=None))
    say(voice, request("Good morning."))
    with pytest.raises(VoiceError, match="without the linguistic backbone no Chinese can be read") as refusal:
        say(voice, request("你好。", "zh", key="key"))
    assert refusal.value.__notes__ == ["key"]
    assert "\n" not in str(refusal.value)


def test_voices_that_share_weights_share_the_lanes(toy_shelf: Path, tmp_path: Path) -> None:
    source = source_of(toy_shelf)
    assert source.weights is not None
    other = dataclasses.replace(source.prompts[0], path=write_recording(tmp_path / "other.wav", seed=9))
    backbones = Backbones(source.backbones, torch.device("cpu"))
    engine = Engine.open(source.weights, backbones, torch.device("cpu"), 4)
    prompts = [
        open_prompt(one, engine, backbones)
        for one in (source, dataclasses.replace(source, prompts=(other,), folder=None))
    ]
    asked = [
        (dataclasses.replace(one, key=f"{one.key} {n}"), prompts[n % 2]) for n, one in enumerate(SIXTEEN[:6])
    ]
    together = {take.key: take for take in engine.speak(iter(asked))}
    for one, prompt in asked:
        [alone] = engine.speak(iter([(one, prompt)]))
        assert_same(together[one.key], alone)


def test_sounding_together_changes_nothing(toy_shelf: Path, voice: GptSovitsVoice) -> None:
    """As on a GPU, where more may wait to be sounded than there are lanes."""
    source = source_of(toy_shelf)
    assert source.weights is not None
    backbones = Backbones(source.backbones, torch.device("cpu"))
    one = Engine.open(source.weights, backbones, torch.device("cpu"), 1)
    prompt = open_prompt(source, one, backbones)
    semantic = load_semantic(source.weights, torch.device("cpu"))
    together = Engine(semantic, one.decoder, one.front, Pace(2, n_prefill=2, look_every=8), n_together=5)
    takes = {take.key: take for take in together.speak((one, prompt) for one in SIXTEEN)}
    for key, expected in speak(voice, SIXTEEN).items():
        assert_same(takes[key], expected)


def test_engine_that_captures_speaks_again_in_the_lanes_it_has(
    toy_shelf: Path, voice: GptSovitsVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with graphs on a GPU, which would be captured anew with every new set of lanes."""
    source, made = source_of(toy_shelf), []
    assert source.weights is not None
    backbones = Backbones(source.backbones, torch.device("cpu"))
    one = Engine.open(source.weights, backbones, torch.device("cpu"), 1)
    prompt = open_prompt(source, one, backbones)
    empty = Lanes.empty
    monkeypatch.setattr(Lanes, "empty", lambda *a, **k: made.append(empty(*a, **k)) or made[-1])
    for in_buckets, n_made in ((True, 1), (False, 3)):
        made.clear()
        semantic = load_semantic(source.weights, torch.device("cpu"))
        engine = Engine(semantic, one.decoder, one.front, Pace(2, in_buckets=in_buckets))
        for some in (SIXTEEN[:3], SIXTEEN[:1], SIXTEEN[1:4]):
            takes = {take.key: take for take in engine.speak((asked, prompt) for asked in some)}
            for key, expected in speak(voice, some).items():
                assert_same(takes[key], expected)
        assert len([lanes for lanes in made if len(lanes) == 2]) == n_made


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"devise": "cpu"}, "parameters.devise: unknown to GPT-SoVITS voices; did you mean 'device'?"),
        ({"device": "tpu"}, "parameters.device: 'tpu' is no device; cpu and cuda are"),
        ({"device": "meta"}, "parameters.device: 'meta' is not supported"),
        ({"device": "cuda:99"}, "parameters.device: there is no 'cuda:99' on this machine"),
        ({"device": "cpu", "n_lanes": 0}, "parameters.n_lanes: 0 is not a whole number from 1"),
        (
            {"device": "cpu", "precision": "fp8"},
            "parameters.precision: 'fp8' is unknown; known are fp32, mixed",
        ),
        ({"device": "cpu", "threads": "two"}, "parameters.threads: 'two' is not a whole number from 1"),
    ],
)
def test_wrong_parameter_is_refused_in_one_line(
    toy_shelf: Path, parameters: dict[str, str | int], complaint: str
) -> None:
    with pytest.raises(VoiceError) as refusal:
        open_voice(dataclasses.replace(source_of(toy_shelf), parameters=parameters))
    assert complaint in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("precision", ["mixed", "bf16"])
def test_voice_speaks_in_other_precisions(toy_shelf: Path, voice: GptSovitsVoice, precision: str) -> None:
    one = request("Good morning.", key="key")
    expected, found = say(voice, one), say(open_voice(source_of(toy_shelf, precision=precision)), one)
    assert np.isfinite(found.samples).all()
    if precision == "mixed":
        assert found.samples.shape == expected.samples.shape, "the same tokens"
        assert 0 < np.abs(found.samples - expected.samples).max() < 0.05


def test_weights_of_two_versions_are_refused(toy_shelf: Path, tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        write_weights(tmp_path / version, version)
    shutil.copy(tmp_path / "v1" / "semantic.safetensors", tmp_path / "v2")
    with pytest.raises(VoiceError, match="512 phonemes, the decoder 732: they are not of one version"):
        open_voice(dataclasses.replace(source_of(toy_shelf), weights=tmp_path / "v2"))


def test_closed_voice_says_so(toy_shelf: Path) -> None:
    voice = open_voice(source_of(toy_shelf))
    voice.close()
    with pytest.raises(VoiceError, match="closed"):
        list(voice.speak(iter(SIXTEEN)))
