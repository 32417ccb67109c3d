from __future__ import annotations

import pytest
import torch
from torch.nn.functional import conv1d, conv_transpose1d

from speech.networks.conv import Conv, Upsampler, side_by_side
from tests.speech.networks.networks import seeded

LAYOUTS = {"apart": torch.Tensor.contiguous, "side by side": side_by_side}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (3, 5), (7, 1)])
@torch.inference_mode()
def test_convolution_equals_torchs(layout: str, kernel: int, dilation: int) -> None:
    conv = Conv(4, 6, kernel, dilation=dilation)
    x = torch.randn(2, 4, 30, generator=seeded(1))
    expected = conv1d(x, conv.weight, conv.bias, padding=dilation * (kernel // 2), dilation=dilation)
    torch.testing.assert_close(conv(LAYOUTS[layout](x)), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("kernel", "rate"), [(16, 10), (2, 2), (9, 5)])
@torch.inference_mode()
def test_upsampling_equals_torchs(layout: str, kernel: int, rate: int) -> None:
    upsampler = Upsampler(4, 6, kernel, rate)
    x = torch.randn(2, 4, 11, generator=seeded(1))
    expected = conv_transpose1d(
        x, upsampler.weight, upsampler.bias, stride=rate, padding=(kernel - rate) // 2
    )
    assert expected.shape[2] == 11 * rate
    torch.testing.assert_close(upsampler(LAYOUTS[layout](x)), expected, atol=1e-6, rtol=1e-5)


@torch.inference_mode()
def test_layout_is_kept() -> None:
    x = side_by_side(torch.randn(1, 4, 9))
    assert Conv(4, 6, 3)(x).stride(1) == 1
    assert Upsampler(4, 6, 4, 2)(x).stride(1) == 1


def test_kernel_without_a_middle_is_refused() -> None:
    with pytest.raises(AssertionError, match="a kernel of 4 has no middle"):
        Conv(1, 1, 4)
