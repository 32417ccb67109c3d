from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM, HubertConfig, HubertModel

from speech.backbones import ContentBackbone, LinguisticBackbone, describe_content
from speech.errors import SpeechError, VoiceError
from speech.networks.config import ContentConfig
from speech.networks.content import ContentEncoder
from speech.networks.weights import fold_weight_norm
from tests.speech.networks.networks import seeded

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"一二三四五，。a"]


@pytest.fixture
def hubert(tmp_path: Path) -> Path:
    torch.manual_seed(1)
    config = HubertConfig(
        hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12, conv_dim=[4] * 7,
        num_conv_pos_embeddings=6, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    HubertModel(config).half().save_pretrained(tmp_path)
    return tmp_path


@pytest.fixture
def roberta(tmp_path: Path) -> Path:
    torch.manual_seed(1)
    config = BertConfig(
        hidden_size=8, num_hidden_layers=4, num_attention_heads=2, intermediate_size=12,
        vocab_size=len(VOCABULARY), max_position_embeddings=12,
    )  # fmt: skip
    BertForMaskedLM(config).half().save_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("n", [400, 719, 720, 5000])
def test_content_has_fifty_frames_a_second_in_single_precision(hubert: Path, n: int) -> None:
    features = ContentBackbone(hubert)(torch.randn(n, generator=seeded(1)))
    assert features.shape == (1, 8, (n - 400) // 320 + 1)
    assert features.dtype == torch.float32


def test_content_of_a_file_with_older_names_is_the_same(hubert: Path) -> None:
    sound = torch.randn(2000, generator=seeded(1))
    expected = ContentBackbone(hubert)(sound)
    newer, older = "parametrizations.weight.original", "weight_"
    tensors = load_file(hubert / "model.safetensors")
    renamed = {
        name.replace(newer + "0", older + "g").replace(newer + "1", older + "v"): t
        for name, t in tensors.items()
    }
    assert renamed.keys() != tensors.keys()
    assert fold_weight_norm(renamed)["encoder.pos_conv_embed.conv.weight"].shape == (8, 4, 6)
    save_file(renamed, hubert / "model.safetensors", metadata={"format": "pt"})
    torch.testing.assert_close(ContentBackbone(hubert)(sound), expected)


@torch.inference_mode()
def test_linguistic_rows_are_the_third_last_hidden_state(roberta: Path) -> None:
    network = BertForMaskedLM.from_pretrained(roberta, dtype=torch.float32).eval()
    ids = torch.tensor([[2, 4, 6, 10, 1, 3]])
    expected = network(ids, output_hidden_states=True).hidden_states[-3][0, 1:-1]
    [found] = LinguisticBackbone(roberta)(["一三。龙"])
    torch.testing.assert_close(found, expected)


def test_linguistic_rows_do_not_depend_on_neighbours(roberta: Path) -> None:
    backbone, texts = LinguisticBackbone(roberta), ["一", "二三四五一二三", "，。A"]
    for text, together in zip(texts, backbone(texts), strict=True):
        [alone] = backbone([text])
        assert together.shape == (len(text), 8)
        torch.testing.assert_close(together, alone)


def test_only_a_line_feed_ends_a_word_of_the_vocabulary(roberta: Path) -> None:
    [before] = LinguisticBackbone(roberta)(["一二三"])
    words = ["\u2028", *VOCABULARY[1:]]  # str.splitlines would break the first in two
    (roberta / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    [after] = LinguisticBackbone(roberta)(["一二三"])
    assert torch.equal(before, after)


def test_text_longer_than_the_backbone_is_refused(roberta: Path) -> None:
    with pytest.raises(SpeechError, match="11 characters from '一一"):
        LinguisticBackbone(roberta)(["一" * 11])


def test_missing_tensor_is_named(hubert: Path) -> None:
    tensors = load_file(hubert / "model.safetensors")
    del tensors["encoder.layers.1.attention.k_proj.bias"]
    save_file(tensors, hubert / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(VoiceError, match=r"lack encoder\.layers\.1\.attention\.k_proj\.bias"):
        ContentBackbone(hubert)


def test_folder_without_safetensors_is_refused_in_one_line(tmp_path: Path, hubert: Path) -> None:
    (hubert / "model.safetensors").unlink()
    (hubert / "pytorch_model.bin").write_bytes(b"a pickle that nobody shall open")
    with pytest.raises(VoiceError, match=r"has no model\.safetensors") as refusal:
        ContentBackbone(hubert)
    assert "\n" not in str(refusal.value)


def test_a_content_encoder_of_our_own_stands_in_the_place_of_hubert(tmp_path: Path) -> None:
    torch.manual_seed(1)
    encoder = ContentEncoder(ContentConfig(n_classes=4, n_mels=8, width=6, kernel=3, dilations=(1, 2))).eval()
    tensors = {name: tensor.contiguous() for name, tensor in encoder.state_dict().items()}
    save_file(tensors, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(describe_content(encoder.config), encoding="utf-8")
    sound = torch.randn(2000, generator=seeded(1))
    features = ContentBackbone(tmp_path)(sound)
    assert features.shape == (1, 6, 6)
    torch.testing.assert_close(features, encoder(sound[None]).detach())

    save_file(tensors | {"more": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(VoiceError, match="no use for more"):
        ContentBackbone(tmp_path)
    (tmp_path / "config.json").write_text(
        '{"model_type": "lectorium-content", "breadth": 3}', encoding="utf-8"
    )
    with pytest.raises(VoiceError, match=r"config\.json does not describe one"):
        ContentBackbone(tmp_path)
