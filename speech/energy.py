"""How much electricity work took: measured where the machine tells, estimated where it does not."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

from speech.errors import SpeechError

Source = Literal["nvml", "rapl", "estimate"]

POWERCAP: Final = Path("/sys/class/powercap")
BUSY_WATTS: Final = 15.0
"""Of one processor core at work, with its share of memory and power supply: an assumption. A server's socket
of 200 to 300 W has 16 to 32 of them."""
_JOULES_PER_KWH: Final = 3.6e6


@dataclass(frozen=True, slots=True)
class Energy:
    """Electricity, and how we know."""

    kwh: float
    source: Source
    """"nvml": the GPU's own count, of the GPU alone. "rapl": the processor packages' own, of all that ran on
    them. "estimate": seconds of processor time, times an assumption."""


class Meter:
    """Counts from its making until it is read.

    Whichever counter there is when it is made is the one it reads at the end: a GPU's if the work runs on
    one, else the processor packages', else the processor time of this process.
    """

    def __init__(
        self,
        *,
        gpu: int | None = None,
        core_watts: float = BUSY_WATTS,
        powercap: Path = POWERCAP,
        processor_seconds: Callable[[], float] = time.process_time,
    ) -> None:
        """A meter that counts.

        Args:
            gpu: the index of the GPU that does the work; None for a CPU.
            core_watts: what a core is assumed to take, for an estimate.
            powercap: where Linux shows the packages' counters.
            processor_seconds: this process's processor time.
        """
        self._joules_per_second = core_watts
        self._processor_seconds = processor_seconds
        self._gpu = _GpuCounter.open(gpu) if gpu is not None else None
        self._packages = _packages_in(powercap) if gpu is None else []
        self._begin()

    def read(self) -> Energy:
        """What was taken since it began.

        A package's counter begins anew after some minutes at full power; one such turn is allowed for: take
        it more often than that.
        """
        if self._gpu is not None:
            return Energy((self._gpu.joules() - self._from_joules) / _JOULES_PER_KWH, "nvml")
        if self._packages:
            joules = sum(package.joules_since(at) for package, at in self._from_packages)
            return Energy(joules / _JOULES_PER_KWH, "rapl")
        seconds = self._processor_seconds() - self._from_seconds
        return Energy(seconds * self._joules_per_second / _JOULES_PER_KWH, "estimate")

    def take(self) -> Energy:
        """Likewise, and begins anew."""
        energy = self.read()
        self._begin()
        return energy

    def _begin(self) -> None:
        self._from_joules = self._gpu.joules() if self._gpu is not None else 0.0
        self._from_packages = [(package, package.microjoules()) for package in self._packages]
        self._from_seconds = self._processor_seconds()


@dataclass(frozen=True, slots=True)
class _Package:
    """A processor package's counter, in microjoules."""

    path: Path
    highest: int

    def microjoules(self) -> int:
        return int((self.path / "energy_uj").read_text())

    def joules_since(self, before: int) -> float:
        passed = self.microjoules() - before
        return (passed if passed >= 0 else passed + self.highest) / 1e6


def _packages_in(folder: Path) -> list[_Package]:
    """The packages whose counters may be read; parts of them (cores, memory) are not counted twice."""
    found = []
    for zone in sorted(folder.glob("intel-rapl:[0-9]*")):
        if zone.name.count(":") > 1:
            continue
        try:
            package = _Package(zone, int((zone / "max_energy_range_uj").read_text()))
            package.microjoules()
        except (OSError, ValueError):  # most kernels let only root read it
            continue
        found.append(package)
    return found


class _GpuCounter:
    """NVML's total energy of one GPU, in millijoules since the driver was loaded."""

    def __init__(self, library: Any, device: ctypes.c_void_p) -> None:
        self._library, self._device = library, device

    @classmethod
    def open(cls, index: int) -> Self | None:
        """The GPU's counter; None where there is no NVML, or it does not count (before Volta)."""
        try:
            library = ctypes.CDLL("libnvidia-ml.so.1")
        except OSError:
            return None
        device = ctypes.c_void_p()
        if library.nvmlInit_v2() or library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(device)):
            return None
        counter = cls(library, device)
        try:
            counter.joules()
        except SpeechError:
            return None
        return counter

    def joules(self) -> float:
        millijoules = ctypes.c_ulonglong()
        status = self._library.nvmlDeviceGetTotalEnergyConsumption(self._device, ctypes.byref(millijoules))
        if status:
            raise SpeechError(f"NVML does not tell the GPU's energy: error {status}")
        return millijoules.value / 1e3
