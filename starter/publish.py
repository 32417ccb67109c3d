"""Stage 6: four narrators become four voices of one set of weights, on a shelf that goes with the program.

The shelf holds the base `starter`, which is the weights and the content encoder they were learnt from, and a
voice for each narrator: a prompt of about four seconds, spoken by flite. Beside them lie the recipe, the
curves and what was measured.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from models_store.adding import NewVoice, add_voice
from models_store.manifest import ManifestFile, VoiceManifest, weights_digest
from models_store.shelf import Shelf
from speech.errors import TrainingError
from speech.gpt_sovits.files import DECODER, FAMILY, OWN_CONTENT, SEMANTIC
from speech.training.plots import plot_losses
from speech.wav import wav_bytes
from starter import decoder, semantic
from starter.corpus import Entry
from starter.decoder import CURVE, features_of
from starter.narrators import VOICES
from starter.recipe import Recipe
from starter.tokens import Reading, read_readings

BASE: Final = "starter"
EVALUATION: Final = "evaluation.json"
LICENCE: Final = "MIT"
MOST_BYTES: Final = 40_000_000
"""Of everything on the shelf."""

_PROMPT_SECONDS: Final = 4.0
_FULL_SCALE: Final = 32768
_CONSENT: Final = (
    "Nobody is cloned: flite's voice {voice} speaks in the prompt and in the whole corpus. It was made at "
    "Carnegie Mellon University, whose licence lets anyone use, change and pass on what it says."
)
_NOTE: Final = """\
# The starter voice

`starter` and its four narrators, trained from nothing by `make starter` (docs/starter.md). {n_bytes:.1f} MB.

- The weights are under the licence of Lectorium (MIT).
- They were learnt from what [flite](http://www.festvox.org/flite/) says with its voices {voices}. flite is
  Carnegie Mellon University's, under a licence of the BSD kind: anyone may use, change and pass on the
  program, if its notice stays with it. No part of the program is here; the prompts are recordings of it.
- The sentences are our own and of novels in the public domain.
"""


def publish(recipe: Recipe, entries: Iterable[Entry], folder: Path, target: Path) -> list[VoiceManifest]:
    """The base and its narrators, on the shelf in `target`, whose older versions go.

    Args:
        recipe: of all stages.
        entries: of the corpus.
        folder: where the stages left what they made.
        target: the shelf's folder.

    Raises:
        TrainingError: a stage is missing, or all together is more than `MOST_BYTES`.
        VoiceError: the shelf does not take it.
    """
    shelf = Shelf(target, shipped=target / "_none")  # as its own: what is shipped nobody can change
    with TemporaryDirectory(prefix="starter-") as scratch:
        weights, n_updates = gather(recipe, folder, Path(scratch))
        described = {name: ManifestFile.of(path) for name, path in weights.items()}
        base = VoiceManifest(
            name=BASE,
            family=FAMILY,
            weights_digest=weights_digest(described),
            languages=("en",),
            licence=LICENCE,
            description="a small network trained from nothing on flite's voices",
            files=described,
        )
        voices = [shelf.install(base, weights)]
        prompts = choose_prompts(entries, read_readings(folder / "tokens"))
        for voice, (entry, reading) in prompts.items():
            recording = Path(scratch) / f"{voice}.wav"
            sound = features_of(entry, reading).sound.float() / _FULL_SCALE
            recording.write_bytes(wav_bytes(sound.numpy()))
            narrator = NewVoice(
                name=f"{BASE}-{voice}",
                transcript=entry.text,
                language="en",
                consent=_CONSENT.format(voice=voice),
                base=f"{BASE}@{base.version}",
                description=f"the starter as flite's {voice}",
            )
            voices.append(add_voice(shelf, narrator, [recording]))
    _drop_older(shelf, voices)
    _write_notes(recipe, folder, target, n_updates)
    return voices


def gather(recipe: Recipe, folder: Path, scratch: Path) -> tuple[dict[str, Path], dict[str, int]]:
    """The base's files by their names on the shelf, and the updates each network has behind it.

    Both networks are written into `scratch`, as they were at their newest checkpoints: a voice may be heard
    before it has learnt all it will.

    Raises:
        TrainingError: a stage has not come so far.
    """
    content = folder / "content" / "content"
    if not content.is_dir():
        raise TrainingError(f"there is no {content}: first run the stage content")
    networks, n_decoder = decoder.newest(recipe, folder / "tokens", folder / "decoder")
    decoder.write(networks, scratch / DECODER)
    model, n_semantic = semantic.learnt(recipe.semantic, folder / "semantic")
    semantic.write(model, scratch / SEMANTIC)
    own = {f"{OWN_CONTENT}/{path.name}": path for path in sorted(content.iterdir())}
    weights = {DECODER: scratch / DECODER, SEMANTIC: scratch / SEMANTIC, **own}
    return weights, {"decoder": n_decoder, "semantic": n_semantic}


def choose_prompts(
    entries: Iterable[Entry], readings: Mapping[str, Reading]
) -> dict[str, tuple[Entry, Reading]]:
    """For each narrator the sentence it learnt, unchanged, that lasts closest to four seconds.

    Raises:
        TrainingError: a narrator has none.
    """
    found: dict[str, Entry] = {}
    for entry in entries:
        voice = entry.narrator
        if voice not in VOICES or entry.is_held_out or not entry.text.endswith("."):
            continue
        best = found.get(voice)
        if best is None or _off(entry) < _off(best):
            found[voice] = entry
    for voice in VOICES:
        if voice not in found:
            raise TrainingError(f"the corpus has no sentence that {voice} reads unchanged, for a prompt")
    return {voice: (found[voice], readings[found[voice].name]) for voice in VOICES}


def _off(entry: Entry) -> float:
    return abs(entry.seconds - _PROMPT_SECONDS)


def _drop_older(shelf: Shelf, kept: Sequence[VoiceManifest]) -> None:
    """Narrators first: a base goes when nobody speaks with it."""
    names = {manifest.name: manifest.version for manifest in reversed(kept)}
    for manifest in sorted(shelf.list(), key=lambda manifest: not manifest.base):
        if manifest.name in names and manifest.version != names[manifest.name]:
            shelf.remove(f"{manifest.name}@{manifest.version}")


def _write_notes(recipe: Recipe, folder: Path, target: Path, n_updates: Mapping[str, int]) -> None:
    rows: list[dict[str, Any]] = []
    curves = (("decoder", CURVE), ("decoder/polished", CURVE), ("semantic", "losses.jsonl"))
    for stage, curve in curves:
        path = folder / stage / curve
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        rows += [{"stage": stage, **json.loads(line)} for line in lines]
    said = {"updates": dict(n_updates), "recipe": asdict(recipe)}
    (target / "recipe.json").write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    (target / "curves.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    if rows:
        plot_losses(rows, target / "curves.png")
    if (folder / EVALUATION).is_file():
        shutil.copyfile(folder / EVALUATION, target / EVALUATION)
    n_bytes = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    note = _NOTE.format(n_bytes=n_bytes / 1e6, voices=", ".join(f"`{voice}`" for voice in VOICES))
    (target / "README.md").write_text(note, encoding="utf-8")
    if n_bytes > MOST_BYTES:
        raise TrainingError(f"{target}: {n_bytes} bytes are more than {MOST_BYTES}")
