"""What the training has come to so far, small enough to lie in the repository, and to be gone on from.

A folder `starter/begun`: both networks in half precision, the content encoder and the codebook as they are.
The corpus is not there, nor are the optimisers: flite makes the one again, the others warm up anew.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from speech.errors import TrainingError
from speech.gpt_sovits.files import DECODER, OWN_CONTENT
from starter.publish import gather
from starter.recipe import Recipe
from starter.tokens import QUANTISER

BEGUN: Final = Path(__file__).parent / "begun"
UPDATES: Final = "updates.json"


def keep(recipe: Recipe, folder: Path, begun: Path = BEGUN) -> dict[str, int]:
    """Puts the newest networks in `folder` into `begun`, over those that are there; the updates behind each.

    Raises:
        TrainingError: a stage has not come so far.
    """
    with TemporaryDirectory(prefix="starter-") as scratch:
        files, n_updates = gather(recipe, folder, Path(scratch))
        for name, source in {**files, QUANTISER: folder / "tokens" / QUANTISER}.items():
            target = begun / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    (begun / UPDATES).write_text(json.dumps(n_updates, indent=1) + "\n", encoding="utf-8")
    return n_updates


def take_up(folder: Path, begun: Path = BEGUN) -> None:
    """Puts content encoder, codebook and decoder into a `folder` without them, as their stages leave them.

    What is left to make there is the corpus and its readings; then the decoder is polished, and the semantic
    model goes on with `--resume-from`.

    Raises:
        TrainingError: nothing has been kept, or `folder` holds a training of its own.
    """
    if not (begun / UPDATES).is_file():
        raise TrainingError(f"{begun} holds no networks to go on from")
    places = {
        begun / OWN_CONTENT: folder / "content" / "content",
        begun / QUANTISER: folder / "tokens" / QUANTISER,
        begun / DECODER: folder / "decoder" / DECODER,
    }
    for target in places.values():
        if target.exists():
            raise TrainingError(f"{target} is there already: take up what was kept in another folder")
    for source, target in places.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)
