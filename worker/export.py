"""The export step: a voice's weights as the pair of files that GPT-SoVITS itself loads, to be downloaded."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from jobs.ledger.values import Claim, Stored
from jobs.messages import Knock
from jobs.voice_specs import ExportSpec
from models_store.exporting import exportable, require_own
from speech.errors import VoiceError
from worker.files import store
from worker.workshop import Workshop

MEDIA_TYPE: Final = "application/octet-stream"


def export(workshop: Workshop, claim: Claim) -> list[Knock]:
    """Does the step; returns the knocks now due.

    Raises:
        VoiceError: the voice is gone, may not be taken away or is broken; or there is no PyTorch here.
    """
    if find_spec("torch") is None:
        raise VoiceError("an export needs PyTorch on its worker: pip install 'lectorium[neural]'")
    from models_store.upstream.export import export as write_pair  # torch: where the first one is asked for
    from models_store.upstream.merging import whole_weights

    shelf = workshop.shelf.of(claim.tenant_id)
    manifest = shelf.resolve(ExportSpec.model_validate(claim.spec).voice)
    require_own(shelf, manifest)  # consent may have been taken back since it was asked for
    stem = f"{manifest.name}-{manifest.version[:12]}"
    with workshop.scratch() as folder:
        gpt, sovits = folder / f"{stem}.ckpt", folder / f"{stem}.pth"
        with whole_weights(exportable(shelf, manifest)) as weights:
            write_pair(weights, gpt, sovits)
        pair: list[Stored] = [
            store(
                workshop.objects,
                path,
                folder=f"t/{claim.tenant_id}/jobs/{claim.job_id}",
                kind="voice",
                media_type=MEDIA_TYPE,
                name=path.name,
            )
            for path in (gpt, sovits)
        ]
    return workshop.insist(lambda: workshop.ledger.steps.finish(claim, artefacts=pair))
