from __future__ import annotations

import pytest

from speech.errors import VoiceError
from speech.networks.config import DecoderConfig, GeneratorConfig, SemanticConfig, SpeakerConfig
from speech.units import HOP
from tests.speech.networks.golden import golden


def test_published_shapes_are_the_defaults() -> None:
    published = {
        "hidden_dim": 512, "embedding_dim": 512, "head": 16, "n_layer": 24, "vocab_size": 1025,
        "phoneme_vocab_size": 732, "EOS": 1024, "linear_units": 2048, "dropout": 0,
    }  # fmt: skip
    assert SemanticConfig.of_upstream(published) == SemanticConfig()
    rates = GeneratorConfig().rates
    assert rates[0] * rates[1] * rates[2] * rates[3] * rates[4] == HOP
    assert SpeakerConfig().embedding_width == 20480


@pytest.mark.parametrize("version", ["v2", "v2pro"])
def test_decoder_config_reads_shapes_off_the_tensors(version: str) -> None:
    file = golden(f"decoder_{version}")
    config = DecoderConfig.of_upstream(file.config, file.weights)
    assert (config.n_phonemes, config.codebook_size, config.style_bins) == (30, 32, 20)
    assert config.speaker_width == (14 if version == "v2pro" else 0)


def test_missing_field_is_named() -> None:
    with pytest.raises(VoiceError, match="'n_layer'"):
        SemanticConfig.of_upstream(
            {"hidden_dim": 8, "embedding_dim": 8, "head": 2, "vocab_size": 9, "EOS": 8}
        )
    with pytest.raises(VoiceError, match=r"enc_p\.text_embedding\.weight"):
        DecoderConfig.of_upstream({"resblock": "1", "semantic_frame_rate": "25hz"}, {})


def test_end_token_must_be_last() -> None:
    with pytest.raises(VoiceError, match="EOS"):
        SemanticConfig.of_upstream(
            {"hidden_dim": 8, "embedding_dim": 8, "head": 2, "vocab_size": 9, "EOS": 0}
        )


@pytest.mark.parametrize("shape", [{"rates": (10,), "kernels": (16, 8)}, {"rates": (3,), "kernels": (4,)}])
def test_generator_that_would_not_give_whole_frames_is_refused(shape: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(VoiceError):
        GeneratorConfig(**shape)  # type: ignore[arg-type]  # tuples, by name


def test_width_that_heads_cannot_share_is_refused() -> None:
    with pytest.raises(VoiceError, match="n_heads"):
        SemanticConfig(width=10, n_heads=4)
