"""Networks of the published size, with random weights in the published formats, against upstream's outputs.

The tool that makes the checkpoints and the golden files lie beside the checkout; where they do not, these are
skipped. The toy goldens hold everywhere.
"""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from speech.decode import Pace, SemanticRequest, decode
from speech.networks import semantic, speaker
from speech.networks.config import SemanticConfig, SpeakerConfig
from speech.networks.decoder import Decoder, SoundRequest
from speech.networks.masks import pad_lanes
from speech.networks.semantic import SemanticModel
from speech.networks.speaker import SpeakerEncoder
from speech.networks.spectrogram import linear_spectrogram
from speech.networks.weights import load
from speech.sampling import TokenSampling
from tests.speech.networks.networks import seeded

pytestmark = pytest.mark.slow

SHARED = Path(__file__).resolve().parents[4] / "shared"
GOLDEN = SHARED / "reference" / "gpt-sovits" / "golden"
TOOL = SHARED / "tools" / "random_checkpoints" / "make_random_checkpoints.py"
NEAR_TIE = 1e-4


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of random checkpoints in the published formats."""
    if not (TOOL.is_file() and GOLDEN.is_dir()):
        pytest.skip("no tool for random checkpoints beside the checkout")
    folder = tmp_path_factory.mktemp("checkpoints")
    subprocess.run([sys.executable, TOOL, folder, "--only", "gpt,v2,v2Pro,v2ProPlus,sv"], check=True)
    return folder


def checkpoint(path: Path) -> dict[str, Any]:
    content = bytearray(path.read_bytes())
    content[:2] = b"PK"  # v2Pro and v2ProPlus write their tag there
    loaded: dict[str, Any] = torch.load(io.BytesIO(bytes(content)), weights_only=True)
    return loaded


def decoder(path: Path) -> Decoder:
    file = checkpoint(path)
    return Decoder.of_upstream(file["config"]["model"], file["weight"])


@pytest.fixture(scope="session")
def semantic_model(checkpoints: Path) -> SemanticModel:
    file = checkpoint(checkpoints / "gpt_s1longer_v2.ckpt")
    model = SemanticModel(SemanticConfig.of_upstream(file["config"]["model"]))
    load(model, file["weight"], semantic.UPSTREAM_NAMES)
    return model.eval()


@pytest.mark.parametrize("penalty", [1.0, 1.35])
@pytest.mark.parametrize(("together", "texts"), [("single", (0,)), ("batch", (0, 1, 2, 3))])
def test_greedy_tokens_equal_upstreams(
    semantic_model: SemanticModel, together: str, texts: tuple[int, ...], penalty: float
) -> None:
    with np.load(GOLDEN / "ar.npz") as golden:
        prompt, phonemes = torch.from_numpy(golden["prompt_semantic"]), golden["prompt_phones"]
        requests = [
            SemanticRequest(
                str(text),
                torch.from_numpy(np.concatenate([phonemes, golden[f"text_phones{text}"]])),
                torch.zeros(len(phonemes) + len(golden[f"text_phones{text}"]), 1024),
                prompt,
                TokenSampling(top_k=1, repetition_penalty=penalty, max_tokens=120),
            )
            for text in texts
        ]
        for take in decode(semantic_model, iter(requests), Pace(len(texts), 512), poison=True):
            name = f"{together}_rp{penalty}_zero" + (f"_{take.key}" if together == "batch" else "")
            assert take.tokens.tolist() == golden[name].tolist()


@torch.inference_mode()
def test_decoder_equals_upstreams(checkpoints: Path) -> None:
    speaks = decoder(checkpoints / "sovits_v2.pth")
    with np.load(GOLDEN / "sovits_v2_decode.npz") as golden, np.load(GOLDEN / "ref.npz") as reference:
        recording = torch.from_numpy(reference["wav_int16"].astype(np.float32) / 32768)[None]
        spectrogram = linear_spectrogram(recording)
        # Equal to the bit with as many threads as made it; a transform cut otherwise rounds otherwise.
        difference = spectrogram[0, :, :60].numpy() - reference["spec_first60"]  # of values up to 50
        assert np.abs(difference).max() < 5e-5
        style = speaks.style(spectrogram, torch.tensor([spectrogram.shape[2]]))[0]
        assert np.abs(style.numpy() - golden["ge"]).max() < 1e-5
        tokens, phonemes = torch.from_numpy(golden["codes"]), torch.from_numpy(golden["phones"])
        [sound] = speaks.speak([SoundRequest("", tokens, phonemes, style, noise_scale=0)])
        assert np.abs(sound.numpy() - golden["wave"]).max() <= 1e-4
        assert np.corrcoef(sound.numpy(), golden["wave"])[0, 1] >= 0.99999


@torch.inference_mode()
def test_quantiser_equals_upstreams(checkpoints: Path) -> None:
    quantiser = decoder(checkpoints / "sovits_v2.pth").quantiser
    with np.load(GOLDEN / "quantizer.npz") as golden:
        generator = np.random.Generator(np.random.Philox(int(golden["ssl_seed"])))
        content = torch.from_numpy(generator.standard_normal((1, 768, 201))).float()
        assert quantiser(content)[0].tolist() == golden["codes"].tolist()


@pytest.mark.parametrize("version", ["v2", "v2Pro", "v2ProPlus"])
def test_sixteen_together_sound_as_they_do_alone(checkpoints: Path, version: str) -> None:
    speaks, generator = decoder(checkpoints / f"sovits_{version}.pth"), seeded(1)
    style = torch.randn(speaks.config.style_width, generator=generator)
    requests = [
        SoundRequest(
            str(i),
            torch.randint(
                0, 1024, (int(torch.randint(5, 60, (), generator=generator)),), generator=generator
            ),
            torch.randint(0, 732, (int(torch.randint(3, 40, (), generator=generator)),), generator=generator),
            style,
        )
        for i in range(16)
    ]
    for request, sound in zip(requests, speaks.speak(requests), strict=True):
        [alone] = speaks.speak([request])
        assert (sound - alone).abs().max() <= 1e-4


def test_sixteen_together_draw_the_tokens_they_draw_alone(semantic_model: SemanticModel) -> None:
    """With upstream's default sampling; a near-tie may fall either way, and none is seen."""
    generator = seeded(2)
    requests = []
    for i in range(16):
        n = int(torch.randint(20, 60, (), generator=generator))
        phonemes = torch.randint(0, 732, (n,), generator=generator)
        prompt = torch.randint(0, 1024, (30 + i,), generator=generator)
        sampling = TokenSampling(max_tokens=8 + i)
        requests.append(SemanticRequest(str(i), phonemes, torch.zeros(n, 1024), prompt, sampling))
    together = {
        take.key: take.tokens for take in decode(semantic_model, iter(requests), Pace(16, 256), poison=True)
    }
    for request in requests:
        [alone] = decode(semantic_model, iter([request]), Pace(1, 256))
        assert torch.equal(together[request.key], alone.tokens), request.key


@torch.inference_mode()
def test_speaker_encoder_loads_the_published_layout(checkpoints: Path) -> None:
    file = torch.load(checkpoints / "sv" / "pretrained_eres2netv2w24s4ep4.ckpt", weights_only=True)
    network = SpeakerEncoder(SpeakerConfig()).eval()
    load(network, file, unused=speaker.UPSTREAM_UNUSED)
    energies, _ = pad_lanes([torch.randn(98, 80, generator=seeded(3))])
    assert network(energies).shape == (1, 20480)
