"""Two voice versions side by side: what they are made of, what that took, and how they were judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from models_store.manifest import VoiceManifest
from speech.gpt_sovits.files import ADAPTERS

NOT_KNOWN = "-"


@dataclass(frozen=True, slots=True)
class Compared:
    """One property of two versions."""

    what: str
    first: str
    second: str

    @property
    def is_same(self) -> bool:
        """Whether both are alike in it."""
        return self.first == self.second


def compare(first: VoiceManifest, second: VoiceManifest) -> list[Compared]:
    """Every property that at least one of them has, in a fixed order."""
    one, other = dict(_told(first)), dict(_told(second))
    names = [*one, *(name for name in other if name not in one)]
    return [Compared(name, one.get(name, NOT_KNOWN), other.get(name, NOT_KNOWN)) for name in names]


def _told(manifest: VoiceManifest) -> Iterator[tuple[str, str]]:
    yield "version", manifest.version[:12]
    yield "languages", "any" if manifest.languages == "any" else " ".join(manifest.languages)
    yield "weights", manifest.weights_digest[:12]
    yield "adapters", manifest.files[ADAPTERS].sha256[:12] if ADAPTERS in manifest.files else "none"
    yield (
        "prompts",
        " ".join(manifest.files[prompt.file].sha256[:12] for prompt in manifest.prompts) or "none",
    )
    yield "megabytes", f"{sum(file.bytes for file in manifest.files.values()) / 1e6:.1f}"
    lineage = manifest.training
    if lineage is None:
        return
    yield "trained from", lineage.base
    yield "recordings", str(sum(not recording.is_held_out for recording in lineage.recordings))
    yield "seconds of speech", f"{lineage.seconds:.1f}"
    yield "updates", str(lineage.n_updates)
    for name, value in sorted(lineage.options.items()):
        yield name, str(value)
    yield "energy, kWh", f"{lineage.energy_kwh:.4f} ({lineage.energy_source})"
    if lineage.energy_grams is not None:
        yield "gCO2e", f"{lineage.energy_grams:.1f}"
    if lineage.energy_cost is not None:
        yield "energy, cost", f"{lineage.energy_cost:.4f}"
    for name, figure in lineage.evaluation.items():
        yield name, f"{figure:.3f}"
