"""In which numbers a voice is computed: exactly, or faster where the machine multiplies bfloat16 itself."""

from __future__ import annotations

import enum

import torch

from speech.networks.decoder import Decoder
from speech.networks.semantic import SemanticModel


class Precision(enum.StrEnum):
    """What is computed in bfloat16. Noise, sampling, prior and flow are float32 in all of them."""

    FP32 = "fp32"
    """Nothing: the reference."""
    MIXED = "mixed"
    """The generator alone: the same tokens, the same latents, a sound that differs by rounding."""
    BF16 = "bf16"
    """The generator and the semantic model: other tokens, as likely."""

    def apply(self, semantic: SemanticModel, decoder: Decoder) -> None:
        """Brings both networks, in float32 so far, into these numbers."""
        if self is not Precision.FP32:
            decoder.generator.to(torch.bfloat16)
        if self is Precision.BF16:
            semantic.to(torch.bfloat16)
