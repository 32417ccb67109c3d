"""Two workers against one, on the same corpus: what the second adds.

    python -m bench.pair                        # simulated devices and their clock, the real claim code
    python -m bench.pair --real                 # real workers of this machine, with the draft voice

Simulated: each device decodes as `speech.schedule` says, one token in every busy lane in a tick, and claims
more when a lane runs free; the ledger is SQLite in a fresh folder. What is lost to double is the end of the
corpus, when one device still has something to do. Real: from the first claim to the last chunk finished, by
the ledger; on a machine that does other work too, compare the processor seconds.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import func, select

from bench.fleet import do_not_sync
from bench.real_pair import measure as real
from jobs.clock import SetClock
from jobs.ledger import Ledger
from jobs.ledger.values import Claim, PlannedChapter, Stored
from jobs.migrate import upgrade
from jobs.settings import Settings
from jobs.states import JobKind, StepKind
from jobs.tables import Step
from speech.bench.corpus import Sentence, sentences
from speech.schedule import Schedule, Waiting

CHUNK: Final = 16
CLAIM: Final = 4
N_PREFIX: Final = 185
"""Slots of a prompt: 60 phonemes and 125 tokens."""
BUDGET_SLOTS: Final = 10**9
START: Final = 1_000_000.0


def main() -> None:
    """Measures what the arguments ask for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sentences", type=int, help="default: 8,000 simulated, 2,000 real")
    parser.add_argument("--lanes", type=int, default=64, help="of each simulated device")
    parser.add_argument("--real", action="store_true", help="real workers, one process each")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    given = parser.parse_args()
    figures = (
        real(given.sentences or 2_000) if given.real else simulate(given.sentences or 8_000, given.lanes)
    )
    if given.json:
        sys.stdout.write(json.dumps(figures) + "\n")
        return
    for name, figure in figures.items():
        sys.stdout.write(
            f"{name:34} {figure:,.3f}\n" if isinstance(figure, float) else f"{name:34} {figure}\n"
        )


@dataclass(slots=True)
class Machine:
    """A device with its lanes, and the chunks it holds."""

    ledger: Ledger
    corpus: list[Sentence]
    owner: str
    n_lanes: int
    now: float = START
    schedule: Schedule = field(default_factory=lambda: Schedule(BUDGET_SLOTS))
    left: dict[str, int] = field(default_factory=dict)
    """Utterance -> tokens still to be drawn."""
    open: dict[int, tuple[Claim, int]] = field(default_factory=dict)
    """Step id -> its claim, and utterances not spoken yet."""
    may_claim: bool = True

    def turn(self) -> bool:
        """Fills the lanes and decodes until the next one runs free; False where nothing is left to do."""
        while len(self.left) < self.n_lanes:
            waiting = self.schedule.admit(self.now)
            if waiting is not None:
                self.left[waiting.key] = waiting.n_expected
            elif not self._claim():
                break
        if not self.left:
            return False
        n_ticks = min(self.left.values())
        self.now += n_ticks * (0.001 + 0.00005 * len(self.left))
        for key in list(self.left):
            self.left[key] -= n_ticks
            if not self.left[key]:
                self._retire(key)
        return True

    def _claim(self) -> bool:
        if not self.may_claim:
            return False
        claims = self.ledger.steps.claim(
            [StepKind.SYNTHESIZE], owner=self.owner, lease_seconds=1e6, most=CLAIM
        )
        self.may_claim = bool(claims)  # the corpus is planned whole: nothing comes after the last chunk
        for claim in claims:
            first, n = claim.first_utterance or 0, claim.n_utterances or 0
            self.open[claim.step_id] = (claim, n)
            self.schedule.add(
                Waiting(
                    f"{claim.step_id}/{index}",
                    claim.job_id,
                    N_PREFIX + self.corpus[index].n_phonemes,
                    self.corpus[index].n_tokens,
                    since_seconds=self.now,
                )
                for index in range(first, first + n)
            )
        return bool(claims)

    def _retire(self, key: str) -> None:
        del self.left[key]
        self.schedule.retire(key)
        step_id = int(key.partition("/")[0])
        claim, n_left = self.open.pop(step_id)
        if n_left > 1:
            self.open[step_id] = (claim, n_left - 1)
        else:
            self.ledger.steps.finish(claim, audio_seconds=1.0)


def simulate(n_sentences: int, n_lanes: int) -> dict[str, Any]:
    """Tokens a second of simulated time, of one machine and of two."""
    corpus = sentences(n_sentences)
    alone, together = (_rate(corpus, n_lanes, n_machines) for n_machines in (1, 2))
    return {
        "sentences": n_sentences,
        "lanes": n_lanes,
        "tokens_per_second_one": alone,
        "tokens_per_second_two": together,
        "share_of_double": together / (2 * alone),
    }


def _rate(corpus: list[Sentence], n_lanes: int, n_machines: int) -> float:
    clock = SetClock(START)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        upgrade(settings.ledger_url)
        with Ledger(settings, clock=clock) as ledger:
            do_not_sync(ledger)
            _plan(ledger, len(corpus))
            machines = [Machine(ledger, corpus, f"machine-{n}", n_lanes) for n in range(n_machines)]
            at_work = list(machines)
            while at_work:
                machine = min(at_work, key=lambda machine: machine.now)
                clock.seconds = machine.now
                if not machine.turn():
                    at_work.remove(machine)
            chunks = select(func.count()).where(Step.kind == StepKind.SYNTHESIZE, Step.state != "succeeded")
            with ledger.database.read() as tx:
                assert tx.execute(chunks).scalar_one() == 0, "every chunk is spoken"
    seconds = max(machine.now for machine in machines) - START
    return sum(sentence.n_tokens for sentence in corpus) / seconds


def _plan(ledger: Ledger, n_sentences: int) -> None:
    """A book of one chapter with so many utterances, all of it in line."""
    ledger.jobs.submit(ledger.keys.create_tenant("bench"), JobKind.NARRATION, {"voice": "draft"})
    (claim,) = ledger.steps.claim([StepKind.PLAN], owner="bench", lease_seconds=60)
    script = Stored("script", "script", "0" * 64, 1, "application/json")
    chapter = PlannedChapter("Chapter 1", 10 * n_sentences, n_sentences, script)
    ledger.steps.plan(claim, title="", chapters=[chapter], weights_digest="a" * 64, chunk_utterances=CHUNK)


if __name__ == "__main__":
    main()
