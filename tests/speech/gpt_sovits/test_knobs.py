from __future__ import annotations

import re
import subprocess
import sys

import pytest
import torch

from speech.gpt_sovits.knobs import KNOBS, SPEED, SettingError, read_knobs
from speech.gpt_sovits.settings import Settings
from speech.networks.decoder import SoundRequest
from speech.sampling import TokenSampling
from speech.voice import Sampling


def test_settings_not_given_are_upstreams() -> None:
    settings = Settings.of(Sampling())
    nothing = torch.zeros(0)
    assert settings.tokens == TokenSampling()
    assert settings.noise_scale == SoundRequest("", nothing, nothing, nothing).noise_scale
    assert (settings.speed, settings.seed) == (1.0, 0)


def test_settings_given_are_taken() -> None:
    settings = Settings.of(Sampling(1.5, (("noise_scale", 0.0), ("seed", 7.0), ("top_k", 1.0))))
    assert (settings.tokens.top_k, settings.noise_scale, settings.speed, settings.seed) == (1, 0.0, 1.5, 7)
    assert settings.noise_key("key") != "key" == Settings.of(Sampling()).noise_key("key")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ((("temprature", 1.0),), "'temprature' is unknown to GPT-SoVITS voices; did you mean 'temperature'?"),
        ((("vibrato", 1.0),), "'vibrato' is unknown to GPT-SoVITS voices; known are noise_scale, "),
        ((("top_k", 0.0),), "top_k is 0, not within 1 to 1024"),
        ((("top_k", 2.5),), "top_k is 2.5, not a whole number"),
        ((("top_p", 1.1),), "top_p is 1.1, not within 0 to 1"),
        ((("temperature", float("nan")),), "temperature is nan, not within"),
        ((("seed", float("inf")),), "seed is inf, not a whole number"),
        ((("seed", 1.0), ("seed", 2.0)), "'seed' is given twice"),
    ],
)
def test_setting_that_cannot_be_is_refused_in_one_line(
    settings: tuple[tuple[str, float], ...], complaint: str
) -> None:
    with pytest.raises(SettingError, match=re.escape(complaint)) as refusal:
        read_knobs(settings)
    assert "\n" not in str(refusal.value)


def test_speed_out_of_range_is_refused() -> None:
    with pytest.raises(SettingError, match=r"speed is 3, not within 0\.5 to 2"):
        Settings.of(Sampling(3.0))


def test_every_default_and_both_ends_are_within_range() -> None:
    for name, knob in {**KNOBS, "speed": SPEED}.items():
        for value in (knob.low, knob.default, knob.high):
            assert knob.check(name, value) == value
        if name != "speed":
            Settings.of(Sampling(settings=((name, knob.low),)))  # the decode loop agrees
            Settings.of(Sampling(settings=((name, knob.high),)))


def test_table_needs_no_torch() -> None:
    code = "import sys, speech.gpt_sovits.knobs; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
