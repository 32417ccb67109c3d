"""A voice's whole training: its decoder and then its semantic model learn, as far as time goes.

A folder holds all there is to it: the checkpoints of what is being learnt, the finished files of what was,
and the losses. Who carries it elsewhere (`pack`, `unpack`) goes on there, to the same bits.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save_file
from torch import Tensor

from speech.gpt_sovits.files import ADAPTERS, CONTAINER, DECODER, JUDGES, SEMANTIC
from speech.gpt_sovits.weights import decoder_hparams, read_weights, semantic_of
from speech.training import checkpoint, loop
from speech.training.corpus import Corpus
from speech.training.decoder import DecoderStep, Networks
from speech.training.kinds import train_decoder, train_semantic
from speech.training.loop import Outcome, Pace
from speech.training.lora import adapter_tensors, merge
from speech.training.options import DecoderOptions, SemanticOptions
from speech.training.published import decoder_tensors, semantic_tensors
from speech.training.semantic import SemanticStep
from speech.training.trainer import Trainer, order_of

DECODER_STAGE: Final = "decoder"
SEMANTIC_STAGE: Final = "semantic"
LOSSES: Final = "losses.jsonl"
_PUBLISHED: Final = "published"
_PACE: Final = Pace()


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a course has come."""

    stage: str
    """What learns."""
    n_done: int
    """Updates done, of all stages."""
    n_updates: int
    """Updates of all stages; fewer if one of them ends early."""


class Course:
    """The training of one voice.

    A voice whose semantic model gets adapters and whose decoder does not learn is published as those adapters
    alone, and speaks with its base's weights; every other one has weights of its own.
    """

    def __init__(
        self,
        base: Path,
        base_digest: str,
        corpus: Corpus,
        folder: Path,
        *,
        decoder: DecoderOptions | None,
        semantic: SemanticOptions,
        device: torch.device,
    ) -> None:
        """A course that begins, or goes on from what stands in its folder.

        Args:
            base: the folder of the weights it starts from.
            base_digest: of these weights.
            corpus: what it learns from.
            folder: of this course alone; made if need be.
            decoder: how the decoder learns; None leaves it as it is.
            semantic: how the semantic model learns.
            device: where.
        """
        self._base, self._base_digest, self._corpus, self._folder = base, base_digest, corpus, folder
        self._decoder, self._semantic, self._device = decoder, semantic, device
        self._stages = [DECODER_STAGE, SEMANTIC_STAGE] if decoder else [SEMANTIC_STAGE]
        folder.mkdir(parents=True, exist_ok=True)

    def run(
        self,
        *,
        must_stop: Callable[[], bool] = lambda: False,
        report: Callable[[Reached, dict[str, float]], None] = lambda _reached, _losses: None,
        saved: Callable[[], None] = lambda: None,
        pace: Pace = _PACE,
    ) -> Outcome:
        """Goes on until all is learnt or it must stop; the arguments are those of `loop.run`.

        Raises:
            TrainingError: a recording does not fit the networks, or a gradient is not finite.
            VoiceError: the base is none.
        """
        for stage in self._stages:
            if stage in self._done():
                continue
            if must_stop():  # loading alone takes its time
                return Outcome.STOPPED
            trainer = self._trainer_of(stage)
            outcome = self._learn(stage, trainer, must_stop, report, saved, pace)
            if outcome is Outcome.STOPPED:
                return outcome
            self._finish(stage, trainer)
            saved()
        return Outcome.DONE

    @property
    def published(self) -> dict[str, Path]:
        """The voice's files, once all is learnt, by the names they have on the shelf."""
        return {path.name: path for path in sorted((self._folder / _PUBLISHED).glob("*.safetensors"))}

    @property
    def losses(self) -> list[dict[str, Any]]:
        """The losses of every update so far: `stage`, `update`, and each loss by name."""
        path = self._folder / LOSSES
        return [json.loads(row) for row in path.read_text().splitlines()] if path.exists() else []

    def _done(self) -> list[str]:
        files = {DECODER_STAGE: (DECODER,), SEMANTIC_STAGE: (SEMANTIC, ADAPTERS)}
        return [stage for stage in self._stages if any(name in self.published for name in files[stage])]

    def _trainer_of(self, stage: str) -> Trainer[Any]:
        with torch.random.fork_rng():
            torch.manual_seed(self._semantic.seed)
            return self._decoder_trainer() if stage == DECODER_STAGE else self._semantic_trainer()

    def _decoder_trainer(self) -> Trainer[Any]:
        assert self._decoder is not None, "the decoder does not learn"
        tensors, container = read_weights(self._base / DECODER)
        judges = read_weights(self._base / JUDGES)[0] if (self._base / JUDGES).is_file() else None
        networks = Networks.of_upstream(decoder_hparams(container), tensors, judges)
        for network in (networks.decoder, networks.posterior, networks.discriminators):
            network.to(self._device)
        step = DecoderStep(networks, self._decoder)
        return train_decoder(step, self._corpus.learnt, self._corpus.held_out, base=self._base_digest)

    def _semantic_trainer(self) -> Trainer[Any]:
        tensors, container = read_weights(self._base / SEMANTIC)
        model = semantic_of(container, tensors).to(self._device)
        step = SemanticStep(model, self._semantic)
        return train_semantic(step, self._corpus.learnt, self._corpus.held_out, base=self._base_digest)

    def _learn(
        self,
        stage: str,
        trainer: Trainer[Any],
        must_stop: Callable[[], bool],
        report: Callable[[Reached, dict[str, float]], None],
        saved: Callable[[], None],
        pace: Pace,
    ) -> Outcome:
        folder = self._folder / stage
        found = checkpoint.latest(folder)
        n_kept = found.progress.update if found else 0
        rows = [row for row in self.losses if row["stage"] != stage or row["update"] <= n_kept]
        with (self._folder / LOSSES).open("w") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
            before = sum(row["stage"] != stage for row in rows)
            n_updates = before + trainer.order.n_updates + self._later(stage)

            def note(number: int, losses: dict[str, float]) -> None:
                file.write(json.dumps({"stage": stage, "update": number, **losses}) + "\n")
                report(Reached(stage, before + number, n_updates), losses)

            def keep() -> None:
                file.flush()
                saved()

            return loop.run(trainer, folder, must_stop=must_stop, report=note, saved=keep, pace=pace)

    def _later(self, stage: str) -> int:
        """Updates of the stages after this one."""
        if stage != DECODER_STAGE:
            return 0
        return order_of(self._semantic, self._corpus.learnt).n_updates

    def _finish(self, stage: str, trainer: Trainer[Any]) -> None:
        """Writes what was learnt: the best look's weights where a look could end it early."""
        best = loop.best(self._folder / stage) if trainer.step.options.patience else None
        if best is not None:
            trainer.restore(best)
        step = trainer.step
        if isinstance(step, DecoderStep):
            self._publish(DECODER, decoder_tensors(step.networks.decoder, step.networks.posterior))
        elif isinstance(step, SemanticStep) and step.options.adapter_rank and not self._decoder:
            self._publish(ADAPTERS, adapter_tensors(step.model))
        elif isinstance(step, SemanticStep):
            merge(step.model)
            self._publish(SEMANTIC, semantic_tensors(step.model))
        shutil.rmtree(self._folder / stage)

    def _publish(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        folder = self._folder / _PUBLISHED
        folder.mkdir(exist_ok=True)
        container: dict[str, Any] = {}
        if name != ADAPTERS:
            _, base = read_weights(self._base / name)
            container = {key: base[key] for key in ("config", "hparams", "tag") if key in base}
            container["info"] = "trained with Lectorium"
        half_written = folder / f"{name}.part"
        save_file(
            {key: tensor.contiguous() for key, tensor in tensors.items()},
            half_written,
            {CONTAINER: json.dumps(container)},
        )
        half_written.replace(folder / name)


def pack(folder: Path, target: Path) -> None:
    """A course's folder as one file: the newest checkpoint, what is finished, and the losses."""
    older = {place / name for place in folder.rglob("*") for name in sorted(checkpoint.names(place))[:-1]}
    with tarfile.open(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix != ".part" and path not in older:
                archive.add(path, str(path.relative_to(folder)))


def unpack(source: Path, folder: Path) -> None:
    """What `pack` packed, in a folder that is empty so far."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(source) as archive:
        archive.extractall(folder, filter="data")
