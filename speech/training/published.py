"""What was learnt, under upstream's names and in half precision: as voices stand on the shelf.

The rules below turn the names of `speech.networks` round. Every name they give is read back by the rules that
loading uses, so a rule that is wrong cannot publish a file that nobody can load.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from speech.errors import VoiceError
from speech.networks import decoder, posterior, semantic, spectral
from speech.networks.decoder import Decoder
from speech.networks.discriminators import Discriminators
from speech.networks.posterior import Posterior
from speech.networks.semantic import SemanticModel
from speech.networks.weights import Names, rename
from speech.training.normed import PAIR_NAMES

_WEIGHT_NORM: Final[Names] = tuple((ours, theirs) for theirs, ours in PAIR_NAMES)

_WAVENET: Final[Names] = (
    ("wavenet.gates.#.", "enc.in_layers.#."),
    ("wavenet.outs.#.", "enc.res_skip_layers.#."),
    ("wavenet.style_in.", "enc.cond_layer."),
)
_ATTENTION: Final[Names] = tuple(
    (f"{before}{ours}.", f"{before}conv_{theirs}.")
    for before in ("attn_layers.#.", "cross_attention.")
    for ours, theirs in (("query", "q"), ("key", "k"), ("value", "v"), ("out", "o"))
)
_ENCODER: Final[Names] = (
    ("layers.#.attention.relative_keys", "attn_layers.#.emb_rel_k"),
    ("layers.#.attention.relative_values", "attn_layers.#.emb_rel_v"),
    ("layers.#.attention.", "attn_layers.#."),
    *(
        (f"layers.#.norm_{i}.{ours}", f"norm_layers_{i}.#.{theirs}")
        for i in (1, 2)
        for ours, theirs in (("weight", "gamma"), ("bias", "beta"))
    ),
    ("layers.#.feed_forward.expand.", "ffn_layers.#.conv_1."),
    ("layers.#.feed_forward.contract.", "ffn_layers.#.conv_2."),
)
_DECODER: Final[Names] = (
    *_WEIGHT_NORM,
    ("prior.content_in.", "enc_p.ssl_proj."),
    ("prior.content_encoder.", "enc_p.encoder_ssl."),
    ("prior.phoneme_encoder.", "enc_p.encoder_text."),
    ("prior.phoneme_embedding.", "enc_p.text_embedding."),
    ("prior.crossing.content_in.", "enc_p.mrte.c_pre."),
    ("prior.crossing.phonemes_in.", "enc_p.mrte.text_pre."),
    ("prior.crossing.joint_out.", "enc_p.mrte.c_post."),
    ("prior.crossing.", "enc_p.mrte.cross_attention."),
    ("prior.joint_encoder.", "enc_p.encoder2."),
    ("prior.latents_out.", "enc_p.proj."),
    *_ENCODER,
    *_ATTENTION,
    *((f"flow.couplings.{i}.", f"flow.flows.{2 * i}.") for i in range(4)),
    *_WAVENET,
    ("generator.latents_in.", "dec.conv_pre."),
    ("generator.style_in.", "dec.cond."),
    ("generator.upsamplers.#.", "dec.ups.#."),
    ("generator.blocks.#.dilated.#.", "dec.resblocks.#.convs1.#."),
    ("generator.blocks.#.plain.#.", "dec.resblocks.#.convs2.#."),
    ("generator.sound_out.", "dec.conv_post."),
    *((ours, theirs) for theirs, ours in spectral.UPSTREAM_NAMES),
    ("style.spectral_1.", "ref_enc.spectral.0.fc."),
    ("style.spectral_2.", "ref_enc.spectral.3.fc."),
    ("style.temporal.#.", "ref_enc.temporal.#.conv1.conv."),
    ("style.query.", "ref_enc.slf_attn.w_qs."),
    ("style.key.", "ref_enc.slf_attn.w_ks."),
    ("style.value.", "ref_enc.slf_attn.w_vs."),
    ("style.attention_out.", "ref_enc.slf_attn.fc."),
    ("style.style_out.", "ref_enc.fc.fc."),
    ("style.speaker_in.", "sv_emb."),
    ("style.bend.", "prelu."),
    ("style.crossing_out.", "ge_to512."),
    ("quantiser.content_in.", "ssl_proj."),
    ("quantiser.codebook", "quantizer.vq.layers.0._codebook.embed"),
)
_SEMANTIC: Final[Names] = (
    ("linguistic_in.", "bert_proj."),
    ("phoneme_embedding.", "ar_text_embedding.word_embeddings."),
    ("phoneme_position.", "ar_text_position."),
    ("token_embedding.", "ar_audio_embedding.word_embeddings."),
    ("token_position.", "ar_audio_position."),
    ("head.", "ar_predict_layer."),
    ("blocks.#.qkv.", "blocks.#.self_attn.in_proj_"),
    ("blocks.#.out.", "blocks.#.self_attn.out_proj."),
    ("blocks.#.expand.", "blocks.#.linear1."),
    ("blocks.#.contract.", "blocks.#.linear2."),
    ("blocks.#.norm_1.", "blocks.#.norm1."),
    ("blocks.#.norm_2.", "blocks.#.norm2."),
    ("blocks.#.", "h.layers.#."),
    (".scale", ".alpha"),
)


def decoder_tensors(network: Decoder, latents: Posterior) -> dict[str, Tensor]:
    """The decoder with its posterior (`enc_q.*`), weight norm unfolded: what another training can start from.

    Raises:
        VoiceError: a weight is too large for half precision or not finite; the message names it.
    """
    published = _publish(network, _DECODER, "", (*PAIR_NAMES, *decoder.UPSTREAM_NAMES))
    published |= _publish(latents, (*_WEIGHT_NORM, *_WAVENET), "enc_q.", posterior.UPSTREAM_NAMES)
    codebook = published["quantizer.vq.layers.0._codebook.embed"]
    return published | {  # what upstream's codebook asks for when it is loaded; it was learnt long ago
        "quantizer.vq.layers.0._codebook.inited": torch.ones(1, dtype=torch.half),
        "quantizer.vq.layers.0._codebook.cluster_size": torch.ones(len(codebook), dtype=torch.half),
        "quantizer.vq.layers.0._codebook.embed_avg": codebook.clone(),
    }


def judge_tensors(network: Discriminators) -> dict[str, Tensor]:
    """The discriminators, weight norm unfolded: no voice, but what another training can start from.

    Raises:
        VoiceError: a weight is too large for half precision or not finite; the message names it.
    """
    return _publish(network, _WEIGHT_NORM, "", ())


def semantic_tensors(network: SemanticModel) -> dict[str, Tensor]:
    """The semantic model, whole; one with adapters has to be merged first.

    Raises:
        VoiceError: a weight is too large for half precision or not finite; the message names it.
    """
    return _publish(network, _SEMANTIC, "model.", semantic.UPSTREAM_NAMES)


def _publish(network: nn.Module, rules: Names, prefix: str, loading: Names) -> dict[str, Tensor]:
    published: dict[str, Tensor] = {}
    for ours, tensor in network.state_dict().items():
        theirs = prefix + rename(ours, rules)
        if rename(rename(theirs, loading), PAIR_NAMES) != ours:
            raise VoiceError(f"weight {ours} has no name in upstream's files")
        published[theirs] = halve(ours, tensor)
    return published


def halve(name: str, tensor: Tensor) -> Tensor:
    """`tensor` in half precision, on the CPU.

    Raises:
        VoiceError: it does not fit; the message names it.
    """
    half = tensor.detach().to("cpu", torch.half, copy=True)
    if not torch.isfinite(half).all():
        raise VoiceError(f"weight {name} is not finite in half precision")
    return half
