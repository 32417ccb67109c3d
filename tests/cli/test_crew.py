from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from cli import crew as crews
from cli.crew import ALL_BUT_SYNTHESIZE, ALL_KINDS, Crew, Post, worker_posts
from cli.errors import CrewError
from jobs.settings import Settings
from tests.cli.waiting import is_gone, pids_in, until


def make(tmp_path: Path, how: str, n_posts: int = 1) -> Crew:
    arguments = (how, str(tmp_path / "pids"))
    posts = [Post(f"child {n}", "tests.cli.children", arguments) for n in range(n_posts)]
    return Crew(posts, Settings(home=tmp_path), tmp_path / "logs")


def test_every_post_is_filled_and_emptied_at_the_end(tmp_path: Path) -> None:
    with make(tmp_path, "stay", n_posts=3) as crew:
        pids = pids_in(tmp_path / "pids", 3)
        assert sorted(crew.pids().values()) == sorted(pids)
    assert all(is_gone(pid) for pid in pids)
    assert crew.pids() == {}


def test_who_dies_is_replaced(tmp_path: Path) -> None:
    with make(tmp_path, "stay") as crew:
        (first,) = pids_in(tmp_path / "pids")
        os.kill(first, signal.SIGKILL)
        lines: list[str] = []
        until(lambda: lines.extend(crew.tend()) or crew.pids().get("child 0", first) != first)
        assert lines == ["child 0 was killed by SIGKILL; it is started again"]
        assert len(pids_in(tmp_path / "pids", 2)) == 2


def test_who_keeps_dying_is_replaced_ever_later_and_then_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crews, "WAITS", (0.0, 0.1, 0.2, 0.3, 0.4, 0.5))
    began = time.monotonic()
    with make(tmp_path, "fail") as crew:
        with pytest.raises(
            CrewError, match=r"status 3, for the 6th time.*the reason of the failure.*child-0\.log"
        ):
            until(lambda: crew.tend() and False)
        assert time.monotonic() - began > 1.0
        assert len(pids_in(tmp_path / "pids")) == crews.MOST_EARLY_DEATHS


def test_praise_forgives_early_deaths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crews, "WAITS", (0.0,))
    with make(tmp_path, "fail") as crew:
        n_deaths = 0
        while n_deaths < crews.MOST_EARLY_DEATHS + 2:
            n_deaths += len(crew.tend())
            crew.praise()
            time.sleep(0.01)


def test_who_does_not_stop_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crews, "PATIENCE_SECONDS", 0.5)
    with make(tmp_path, "deaf"):
        (pid,) = pids_in(tmp_path / "pids")
        time.sleep(0.2)  # until it has closed its ears
    assert is_gone(pid)


def test_grandchildren_go_with_their_parent(tmp_path: Path) -> None:
    with make(tmp_path, "family"):
        pids = pids_in(tmp_path / "pids", 2)
    until(lambda: all(is_gone(pid) for pid in pids))


def test_grandchildren_of_a_crashed_child_are_not_left_behind(tmp_path: Path) -> None:
    with make(tmp_path, "family") as crew:
        child, grandchild = pids_in(tmp_path / "pids", 2)[:2]
        os.kill(child, signal.SIGKILL)
        until(crew.tend)
        until(lambda: is_gone(grandchild))


def test_children_get_the_settings_and_the_log(tmp_path: Path) -> None:
    crew = make(tmp_path, "setting")
    with crew:
        until(lambda: f"the home is {tmp_path}" in (crew.logs / "child-0.log").read_text(encoding="utf-8"))


def test_a_large_log_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crews, "LOG_BYTES", 10)
    log_path = tmp_path / "logs" / "child-0.log"
    log_path.parent.mkdir()
    log_path.write_text("what an earlier crew said", encoding="utf-8")
    with make(tmp_path, "stay"):
        pass
    assert (tmp_path / "logs" / "child-0.log.1").read_text(encoding="utf-8") == "what an earlier crew said"
    assert "earlier" not in log_path.read_text(encoding="utf-8")


@pytest.mark.parametrize("n_workers", [1, 2, 3])
def test_few_workers_do_everything_each(n_workers: int) -> None:
    posts = worker_posts(n_workers)
    assert [post.arguments for post in posts] == [("--kinds", ALL_KINDS)] * n_workers


def test_of_many_workers_one_keeps_its_hands_free() -> None:
    kinds = [post.arguments[1] for post in worker_posts(8)]
    assert kinds.count(ALL_BUT_SYNTHESIZE) == 1
    assert kinds.count(ALL_KINDS) == 7
