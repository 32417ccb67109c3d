from __future__ import annotations

from pathlib import Path

import pytest
import torch

from speech.energy import Meter


class Hours:
    """A processor's time, set by hand."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def package(folder: Path, number: int, microjoules: int, highest: int = 1_000_000_000) -> Path:
    zone = folder / f"intel-rapl:{number}"
    zone.mkdir(parents=True)
    (zone / "max_energy_range_uj").write_text(f"{highest}\n")
    (zone / "energy_uj").write_text(f"{microjoules}\n")
    return zone


def test_without_a_counter_it_is_an_estimate_and_says_so(tmp_path: Path) -> None:
    hours = Hours()
    meter = Meter(core_watts=20, powercap=tmp_path, processor_seconds=hours)
    hours.seconds = 7200
    energy = meter.take()
    assert (energy.kwh, energy.source) == (pytest.approx(0.04), "estimate")
    assert meter.read().kwh == 0


def test_packages_are_added_up_and_their_parts_left_out(tmp_path: Path) -> None:
    first, second = package(tmp_path, 0, 100), package(tmp_path, 1, 999_999_000)
    core = package(tmp_path, 2, 5).rename(tmp_path / "intel-rapl:0:0")
    meter = Meter(powercap=tmp_path)
    (first / "energy_uj").write_text("360000100")
    (second / "energy_uj").write_text("1000")  # it began anew
    (core / "energy_uj").write_text("900000000")
    energy = meter.read()
    assert energy.source == "rapl"
    assert energy.kwh == pytest.approx((360 + 0.002) / 3.6e6)


def test_a_counter_that_may_not_be_read_is_none(tmp_path: Path) -> None:
    (package(tmp_path, 0, 1) / "energy_uj").write_text("secret")
    assert Meter(powercap=tmp_path).read().source == "estimate"


def test_this_process_takes_some(tmp_path: Path) -> None:
    meter = Meter(powercap=tmp_path)
    sum(range(2_000_000))
    assert 0 < meter.read().kwh < 0.001


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_counts_itself() -> None:
    meter = Meter(gpu=0)
    x = torch.randn(4096, 4096, device="cuda")
    for _ in range(200):
        x = torch.tanh(x @ x)
    torch.cuda.synchronize()
    energy = meter.read()
    assert energy.source == "nvml"
    assert energy.kwh > 0
