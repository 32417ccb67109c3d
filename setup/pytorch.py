"""Installs the PyTorch this machine can use: CUDA's build beside an NVIDIA GPU, the CPU build elsewhere.

The CPU build is taken from where pip looks anyway, failing that from PyTorch's own index. torchaudio comes
as one wheel for both, and its compiled files link CUDA: beside a CPU build those that cannot be loaded are
removed, and its Python parts work without them. Run it with the virtual environment's Python; a second run
changes nothing.
"""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
GPUS = Path("/proc/driver/nvidia/gpus")


def say(line: str) -> None:
    """One line for whoever runs make."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def pinned(name: str) -> str:
    """The version `pyproject.toml` pins exactly."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in project["optional-dependencies"]["neural"]:
        if requirement.startswith(f"{name}=="):
            return str(requirement.removeprefix(f"{name}=="))
    raise SystemExit(f"pyproject.toml: the extra `neural` does not pin {name}")


def installed(name: str) -> str | None:
    """The installed version, its local part (`+cpu`) included, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def pip_install(*arguments: str) -> bool:
    """Whether pip did it, dependencies at their pinned versions included."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--constraint", str(ROOT / "constraints.txt")]
    command = [*pip, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode == 0


def runs(code: str) -> bool:
    """Whether a fresh interpreter gets through the code."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    return done.returncode == 0


def install_torch() -> None:
    """torch, in the build for this machine."""
    version = pinned("torch")
    if (installed("torch") or "").split("+")[0] == version:
        return
    if platform.system() == "Linux" and not (GPUS.is_dir() and any(GPUS.iterdir())):
        say(f"no NVIDIA GPU here: installing the CPU build of torch {version}")
        cpu = f"torch=={version}+cpu"
        if pip_install(cpu) or pip_install("--retries=1", "--extra-index-url", CPU_INDEX, cpu):
            return
        say("PyTorch's CPU build cannot be had from here; the default build follows, which is large")
    if not pip_install(f"torch=={version}"):
        raise SystemExit(
            f"torch {version} cannot be installed: no build for this Python and system, or no network"
        )


def install_torchaudio() -> None:
    """torchaudio, able to be imported."""
    version = pinned("torchaudio")
    if (installed("torchaudio") or "").split("+")[0] != version and not pip_install(f"torchaudio=={version}"):
        raise SystemExit(
            f"torchaudio {version} cannot be installed: no build for this Python and system, or no network"
        )
    if not runs("import torch"):
        raise SystemExit(f"torch {installed('torch')} is installed and cannot be imported")
    if runs("import torch, sys; sys.exit(torch.version.cuda is None)"):
        return
    files = importlib.metadata.files("torchaudio") or []
    for file in files:
        path = Path(str(file.locate()))
        if (
            path.suffix == ".so"
            and path.exists()
            and not runs(f"import torch; torch.ops.load_library({str(path)!r})")
        ):
            path.unlink()
            say(f"removed torchaudio/{path.parent.name}/{path.name}: it needs CUDA, and this torch has none")
    if not runs("import torchaudio"):
        raise SystemExit(f"torchaudio {version} cannot be imported beside torch {installed('torch')}")


if __name__ == "__main__":
    install_torch()
    install_torchaudio()
