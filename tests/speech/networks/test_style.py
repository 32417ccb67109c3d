from __future__ import annotations

import pytest
import torch

from speech.networks.decoder import Decoder
from speech.networks.masks import pad_lanes
from tests.speech.networks.golden import golden
from tests.speech.networks.networks import decoder, seeded


@pytest.mark.parametrize("version", ["v2", "v2pro"])
@torch.inference_mode()
def test_style_of_two_recordings_in_one_batch_equals_upstreams(version: str) -> None:
    file = golden(f"decoder_{version}")
    style = Decoder.of_upstream(file.config, file.weights).style
    spectrograms, n_frames = pad_lanes([file["spectrogram0"], file["spectrogram1"]], dim=1)
    spectrograms[0, :, n_frames[0] :] = 9  # what stands in the padding must not matter
    speaker = torch.stack([file["speaker0"], file["speaker1"]]) if version == "v2pro" else None
    expected = torch.stack([file["style0"], file["style1"]])
    torch.testing.assert_close(style(spectrograms, n_frames, speaker), expected, atol=1e-5, rtol=1e-5)


def test_speaker_embedding_is_wanted_just_where_the_config_has_it() -> None:
    file = golden("decoder_v2pro")
    spectrogram, n_frames = torch.zeros(1, 20, 5), torch.tensor([5])
    with pytest.raises(AssertionError, match="speaker embedding"):
        Decoder.of_upstream(file.config, file.weights).style(spectrogram, n_frames)
    with pytest.raises(AssertionError, match="speaker embedding"):
        decoder().style(spectrogram, n_frames, torch.zeros(1, 14))


@torch.inference_mode()
def test_bins_above_those_it_knows_do_not_matter() -> None:
    style, spectrogram = decoder().style, torch.rand(1, 11, 5, generator=seeded(1))
    other = spectrogram.clone()
    other[:, 9:] = 7
    n_frames = torch.tensor([5])
    assert torch.equal(style(spectrogram, n_frames), style(other, n_frames))
