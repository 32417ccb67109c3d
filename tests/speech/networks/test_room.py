from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from importlib import import_module
from pkgutil import iter_modules
import speech.networks

for module in iter_modules(speech.networks.__path__, "speech.networks."):
    import_module(module.name)
import speech.decode
others = {"torchaudio", "transformers", "safetensors", "scipy", "librosa", "pydantic"}
print(sorted(others & set(sys.modules)))
"""


def test_networks_and_decode_loop_need_torch_alone() -> None:
    found = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True, text=True).stdout
    assert found.strip() == "[]"
