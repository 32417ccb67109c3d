"""How busy a GPU says it is while the bench runs. Needs nvidia-ml-py."""

from __future__ import annotations

import importlib
import importlib.util
import threading
from types import TracebackType
from typing import Any, Self

_LOOK_SECONDS = 0.1


class GpuWatch:
    """Watches device 0 while it is entered; off, or without NVML, the figure stays None."""

    def __init__(self, *, is_on: bool) -> None:
        self.busy: float | None = None
        """Share of time with a kernel running."""
        self._nvml: Any = (
            importlib.import_module("pynvml") if is_on and importlib.util.find_spec("pynvml") else None
        )
        self._stop = threading.Event()
        self._looks: list[int] = []

    def __enter__(self) -> Self:
        if self._nvml is not None:
            self._nvml.nvmlInit()
            self._handle = self._nvml.nvmlDeviceGetHandleByIndex(0)
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._nvml is not None:
            self._stop.set()
            self._thread.join()
            self.busy = sum(self._looks) / len(self._looks) / 100 if self._looks else None
            self._nvml.nvmlShutdown()

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            self._looks.append(self._nvml.nvmlDeviceGetUtilizationRates(self._handle).gpu)
