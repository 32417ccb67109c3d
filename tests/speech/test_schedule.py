"""The schedule under a simulated clock: one tick in every busy lane takes as long as the machine says."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.bench.corpus import sentences
from speech.errors import SpeechError
from speech.schedule import LengthBuckets, Schedule, Waiting


@dataclass
class Machine:
    """Lanes that draw one token each in a tick, as the decode loop does."""

    schedule: Schedule
    n_lanes: int
    tick_seconds: Callable[[int], float] = lambda n_busy: 0.001 + 0.00005 * n_busy
    now: float = 0.0
    left: dict[str, int] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)
    idle: float = 0.0
    admitted: list[Waiting] = field(default_factory=list)
    n_tokens: Callable[[Waiting], int] = lambda utterance: utterance.n_expected

    def step(self) -> bool:
        """One tick; False where there is nothing to do."""
        while len(self.left) < self.n_lanes and (utterance := self.schedule.admit(self.now)):
            self.left[utterance.key] = self.n_tokens(utterance)
            self.admitted.append(utterance)
        if not self.left:
            return False
        seconds = self.tick_seconds(len(self.left))
        self.now += seconds
        self.idle += seconds * (self.n_lanes - len(self.left))
        for key in list(self.left):
            self.left[key] -= 1
            if not self.left[key]:
                del self.left[key]
                self.ended[key] = self.now
                self.schedule.retire(key)
        return True

    def run(self) -> Machine:
        while self.step():
            pass
        return self

    @property
    def waste(self) -> float:
        """Share of lane seconds in which a lane had nothing to decode."""
        return self.idle / (self.now * self.n_lanes)


def corpus(job: str = "book", n: int = 2000, **fields: object) -> list[Waiting]:
    return [
        Waiting(f"{job} {i}", job, 185 + sentence.n_phonemes, sentence.n_tokens, **fields)  # type: ignore[arg-type]
        for i, sentence in enumerate(sentences(n))
    ]


def machine_with(
    *utterances: Iterable[Waiting],
    n_lanes: int = 128,
    budget_slots: int | None = None,
    patience_seconds: float = 60.0,
    n_compared: int | None = None,
) -> Machine:
    schedule = Schedule(budget_slots, patience_seconds, n_compared=n_compared)
    for some in utterances:
        schedule.add(some)
    return Machine(schedule, n_lanes)


@pytest.mark.parametrize("n_lanes", [16, 32, 128])
def test_at_most_a_twentieth_of_the_lanes_is_idle(n_lanes: int) -> None:
    machine = machine_with(corpus(), n_lanes=n_lanes).run()
    assert len(machine.ended) == 2000
    assert machine.waste <= 0.05


def test_expectations_may_be_wrong() -> None:
    """Off by up to a quarter, by turns too long and too short."""
    machine = machine_with(corpus(), n_lanes=128)
    wrong = {utterance.key: i % 51 - 25 for i, utterance in enumerate(corpus())}
    machine.n_tokens = lambda utterance: max(1, utterance.n_expected * (100 + wrong[utterance.key]) // 100)
    assert machine.run().waste <= 0.05


def test_longest_goes_first_within_a_job() -> None:
    admitted = machine_with(corpus(n=300), n_lanes=1).run().admitted
    assert [utterance.n_expected for utterance in admitted] == sorted(
        (utterance.n_expected for utterance in corpus(n=300)), reverse=True
    )


@pytest.mark.parametrize("n_lanes", [8, 12, 32, 128])
def test_comparing_twice_as_many_as_there_are_lanes_fills_the_end_as_well(n_lanes: int) -> None:
    """As a worker does, whose expectations are wrong by up to a quarter too."""
    machine = machine_with(corpus(), n_lanes=n_lanes, n_compared=2 * n_lanes)
    wrong = {utterance.key: i % 51 - 25 for i, utterance in enumerate(corpus())}
    machine.n_tokens = lambda utterance: max(1, utterance.n_expected * (100 + wrong[utterance.key]) // 100)
    assert machine.run().waste <= 0.05
    place = {utterance.key: i for i, utterance in enumerate(corpus())}
    assert all(place[each.key] < nth + 2 * n_lanes for nth, each in enumerate(machine.admitted)), (
        "the book is not begun everywhere at once"
    )


@given(st.lists(st.integers(1, 60), min_size=1, max_size=40), st.integers(1, 9))
def test_of_those_compared_the_longest_goes_first(lengths: list[int], n_compared: int) -> None:
    schedule = Schedule(n_compared=n_compared)
    schedule.add(Waiting(str(i), "book", 1, n) for i, n in enumerate(lengths))
    left = list(enumerate(lengths))
    for _ in lengths:
        expected = max(left[:n_compared], key=lambda entry: (entry[1], -entry[0]))
        waiting = schedule.admit(0.0)
        assert waiting is not None
        assert waiting.key == str(expected[0])
        left.remove(expected)
    assert schedule.admit(0.0) is None


def test_jobs_share_the_tokens_evenly_and_a_newcomer_starts_level() -> None:
    machine = machine_with(corpus("first"), corpus("second"), n_lanes=32)
    while sum(utterance.n_expected for utterance in machine.admitted) < 60_000:
        machine.step()
    machine.schedule.add(corpus("third", since_seconds=machine.now))
    n_before = len(machine.admitted)
    while sum(utterance.n_expected for utterance in machine.admitted[n_before:]) < 60_000:
        machine.step()

    def served(job: str, start: int, stop: int | None = None) -> int:
        return sum(each.n_expected for each in machine.admitted[start:stop] if each.job == job)

    assert served("first", 0, n_before) == pytest.approx(served("second", 0, n_before), rel=0.05)
    assert served("third", n_before) == pytest.approx(20_000, rel=0.1)


def test_higher_priority_goes_first_and_patience_has_an_end() -> None:
    book, calls = corpus("book", 40), corpus("calls", 400, priority=5)
    machine = machine_with(book, calls, n_lanes=1, patience_seconds=30.0).run()
    first_of_book = next(i for i, each in enumerate(machine.admitted) if each.job == "book")
    assert first_of_book > 20, "interactive work goes first"
    assert machine.now > 60, "long enough to try one's patience"
    assert min(ended for key, ended in machine.ended.items() if key.startswith("book")) < 35, "not for ever"
    assert machine.admitted[-1].job == "calls", "an overdue book does not wait for the last call"


def test_short_utterance_does_not_starve_behind_longer_ones_that_keep_coming() -> None:
    machine = machine_with([Waiting("short", "book", 10, 5)], n_lanes=1, patience_seconds=3.0)
    for i in range(200):
        machine.schedule.add([Waiting(f"long {i}", "book", 10, 500, since_seconds=machine.now)])
        for _ in range(500):
            machine.step()
    assert machine.ended["short"] < 5


@given(st.lists(st.integers(1, 100), min_size=1, max_size=40), st.integers(150, 400), st.integers(1, 8))
def test_budget_is_never_exceeded_and_all_get_done(lengths: list[int], budget: int, n_lanes: int) -> None:
    machine = machine_with(n_lanes=n_lanes, budget_slots=budget, patience_seconds=0.5)
    machine.schedule.add(Waiting(str(i), "book", 50, n) for i, n in enumerate(lengths))
    while machine.step():
        assert machine.schedule.n_reserved_slots <= budget
    assert len(machine.ended) == len(lengths)
    assert machine.schedule.n_reserved_slots == len(machine.schedule) == 0


def test_smaller_ones_pass_one_that_does_not_fit_until_it_has_waited_enough() -> None:
    schedule = Schedule(100, patience_seconds=10.0)
    schedule.add([Waiting("big", "a", 10, 60), Waiting("large", "a", 10, 50), Waiting("small", "b", 10, 10)])
    assert [each.key for each in (schedule.admit(0), schedule.admit(0)) if each] == ["big", "small"]
    schedule.add([Waiting("tiny", "b", 1, 1, since_seconds=11)])
    assert schedule.admit(11) is None, "the large one is next, however well the tiny one would fit"
    schedule.retire("big")
    assert schedule.admit(11) == Waiting("large", "a", 10, 50)


@pytest.mark.parametrize(
    ("again", "complaint"), [("one", "one: waits already"), ("huge", "huge: 101 slots are more than")]
)
def test_what_cannot_wait_is_refused_by_its_key(again: str, complaint: str) -> None:
    schedule = Schedule(100)
    schedule.add([Waiting("one", "book", 1, 1)])
    with pytest.raises(SpeechError, match=complaint):
        schedule.add([Waiting(again, "book", 1, 1 if again == "one" else 100)])


def test_two_workers_do_nearly_twice_as_much_as_one() -> None:
    """Each claims 64 utterances whenever fewer wait than it has lanes: the tail is all they lose."""

    def rate(n_workers: int) -> float:
        waiting = corpus(n=8000)
        chunks = iter([waiting[i : i + 64] for i in range(0, len(waiting), 64)])
        workers = [machine_with(n_lanes=64) for _ in range(n_workers)]
        while True:
            worker = min(workers, key=lambda worker: worker.now)
            while len(worker.schedule) < worker.n_lanes and (chunk := next(chunks, None)):
                worker.schedule.add(dataclasses.replace(each, since_seconds=worker.now) for each in chunk)
            if not worker.step():
                workers.remove(worker)
                finished.append(worker)
                if not workers:
                    break
        return sum(each.n_tokens for each in sentences(8000)) / max(worker.now for worker in finished)

    finished: list[Machine] = []
    alone = rate(1)
    finished.clear()
    assert rate(2) >= 0.97 * 2 * alone


@given(st.lists(st.integers(1, 300), max_size=60), st.integers(1, 8), st.integers(1, 30))
def test_buckets_give_back_every_key_once_in_batches_of_about_one_length(
    lengths: list[int], most: int, step: int
) -> None:
    buckets = LengthBuckets(step, most)
    full = [batch for i, n in enumerate(lengths) if (batch := buckets.add(str(i), n))]
    rest = list(buckets.flush())
    assert sorted(int(key) for batch in (*full, *rest) for key in batch) == list(range(len(lengths)))
    for batch in full:
        found = [lengths[int(key)] for key in batch]
        assert len(batch) == most
        assert max(found) - min(found) < step
    assert list(buckets.flush()) == []


def test_schedule_needs_no_torch() -> None:
    program = "import sys, speech.schedule, speech.bench.corpus; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
