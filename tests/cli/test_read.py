from __future__ import annotations

import json
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path

import av
import psutil
import pytest

from jobs.ledger import Ledger
from jobs.ledger.values import JobView
from jobs.settings import Settings
from jobs.states import JobState
from tests.cli.conftest import Shell
from tests.cli.waiting import is_gone, until

PLAIN = ("--profile", "none", "--workers", "1")
QUICK = ("--voice", "quick", *PLAIN)
SLOW = ("--voice", "slow", *PLAIN)
SMALL_CHUNKS = {"LECTORIUM_CHUNK_UTTERANCES": "2", "LECTORIUM_CLAIM_CHUNKS": "1"}


def jobs_in(home: Path) -> list[JobView]:
    if not (home / "ledger.sqlite3").exists():
        return []
    with Ledger(Settings(home=home)) as ledger:
        try:
            return ledger.jobs.page(ledger.keys.local().tenant_id)
        except Exception as error:
            if "no such table" in str(error):
                return []
            raise


def has_begun(home: Path) -> bool:
    return any(job.n_utterances_done > 1 for job in jobs_in(home))


def durations(path: Path) -> float:
    with av.open(str(path)) as container:
        assert container.duration is not None
        return container.duration / av.time_base


def test_a_book_becomes_an_m4b_and_the_same_call_again_only_fetches(
    shell: Shell, write_book: Callable[..., Path]
) -> None:
    call = ("read", str(write_book()), "-o", "out/story.m4b", "--title", "A Story", *QUICK)
    done = shell.run(*call)
    assert done.returncode == 0, done.stderr
    assert "reading A Story with the voice quick" in done.stderr
    assert "chapter 1 of 2 done: Chapter 1" in done.stderr
    file, length, loudness = done.stdout.splitlines()
    assert file.startswith("out/story.m4b (")
    assert length.startswith("2 chapters, 1:")
    assert "× real time" in length
    assert loudness.startswith("measured -")
    story = shell.folder / "out" / "story.m4b"
    assert durations(story) > 60
    assert [path.name for path in story.parent.iterdir()] == ["story.m4b"]

    story.unlink()
    again = shell.run(*call)
    assert "read before with these options: fetching the result" in again.stderr
    assert again.stdout.splitlines() == [file, length.partition(" in ")[0], loudness]
    assert story.exists()


def test_a_folder_gets_everything_in_every_format_and_json_says_what(
    shell: Shell, write_book: Callable[..., Path]
) -> None:
    formats = ("--format", "flac", "--format", "m4b")
    done = shell.run("read", str(write_book()), "-o", "all", "--chapters", "2", *formats, *QUICK, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["state"] == "succeeded"
    assert [chapter["title"] for chapter in told["chapters"]] == ["Chapter 2"]
    lengths = [chapter["audio_seconds"] for chapter in told["chapters"]]
    assert told["audio_seconds"] == pytest.approx(sum(lengths), abs=0.01)
    assert told["times_real_time"] > 0
    assert told["loudness"]["highest_true_peak_dbtp"] < 0
    assert sorted(told["files"]) == [
        "all/book (flac).zip",
        "all/book.m4b",
        "all/book.manifest.json",
        "all/book.srt",
        "all/book.vtt",
    ]
    with zipfile.ZipFile(shell.folder / "all" / "book (flac).zip") as archive:
        assert [name for name in archive.namelist() if name.endswith(".flac")] == ["01 - Chapter 2.flac"]


@pytest.mark.slow
@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_call_that_was_ended_goes_on_where_it_was(
    shell: Shell, write_book: Callable[..., Path], signal_number: signal.Signals
) -> None:
    call = ("read", str(write_book(2, 8)), "-o", "story.m4b", *SLOW, "--json")
    with shell.start(*call, **SMALL_CHUNKS) as process:
        until(lambda: has_begun(shell.home), seconds=60)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal_number)
        _, told = process.communicate(timeout=120)
    assert process.returncode == (-9 if signal_number == signal.SIGKILL else 128 + signal_number)
    until(lambda: all(is_gone(child.pid) for child in children), seconds=20)
    (job,) = jobs_in(shell.home)
    assert job.state is (JobState.RUNNING if signal_number == signal.SIGKILL else JobState.PAUSED)
    assert ("the same command goes on from there" in told) is (signal_number != signal.SIGKILL)

    again = shell.run(*call, **SMALL_CHUNKS)
    assert again.returncode == 0, again.stderr
    result = json.loads(again.stdout)
    assert result["job"] == job.id
    assert f"going on where it was: {job.n_utterances_done} of 18 utterances are done" in again.stderr
    assert durations(shell.folder / "story.m4b") == pytest.approx(result["audio_seconds"], abs=0.2)


@pytest.mark.slow
def test_what_a_killed_call_left_behind_does_not_take_turns_with_the_next(
    shell: Shell, write_book: Callable[..., Path]
) -> None:
    book = write_book(2, 30)
    with shell.start("read", str(book), "-o", "left.m4b", *SLOW, **SMALL_CHUNKS):
        until(lambda: has_begun(shell.home), seconds=60)
    (left,) = jobs_in(shell.home)
    other = shell.folder / "other.txt"
    other.write_text("Something else, and short.\n", encoding="utf-8")
    done = shell.run("read", str(other), "-o", "other.m4b", *QUICK, **SMALL_CHUNKS)
    assert done.returncode == 0, done.stderr
    assert "book was left unfinished by another call; it is paused" in done.stderr
    states = {job.id: job.state for job in jobs_in(shell.home)}
    assert states[left.id] is JobState.PAUSED


def test_a_cancelled_job_is_not_taken_up_again(shell: Shell, write_book: Callable[..., Path]) -> None:
    call = ("read", str(write_book(1, 2)), "-o", "story.m4b", "--voice", "stuck", *PLAIN, "--json")
    with shell.start(*call) as process:
        until(lambda: jobs_in(shell.home), seconds=60)
        (job,) = jobs_in(shell.home)
        assert shell.run("job", "cancel", job.id[-6:]).returncode == 0
        out, error = process.communicate(timeout=60)
    assert process.returncode == 1, error
    assert json.loads(out)["state"] == "cancelled"
    with shell.start(*call):
        until(lambda: len(jobs_in(shell.home)) == 2, seconds=60)


def test_a_failed_job_tells_each_error_and_hands_over_what_is_done(
    shell: Shell, write_book: Callable[..., Path]
) -> None:
    text = "Chapter 1\n\nAll is well here.\n\n\nChapter 2\n\nThis says poison-refuse to the voice.\n"
    book = write_book(instead=text)
    call = ("read", str(book), "-o", "story.m4b", "--voice", "picky", *PLAIN)
    done = shell.run(*call)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "poison-refuse" in line]
    assert line.startswith("chapter 2 (Chapter 2), utterance 2: ")
    assert "1 finished chapter file in story (unfinished)" in done.stderr
    assert [path.suffix for path in (shell.folder / "story (unfinished)").iterdir()] == [".m4a"]
    again = shell.run(*call)
    assert "this failed before: trying the failed parts again; " in again.stderr
    assert again.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("nowhere.epub",), "lectorium read: Invalid value for 'BOOK': File 'nowhere.epub' does not exist."),
        (("book.txt", "--speed", "9"), "--speed: Input should be less than or equal to 2 (not 9.0)"),
        (("book.txt", "--chapters", "7"), "chapters: there is no chapter 7, the list has 1 to 2"),
        (("book.txt", "--voice", "drafd"), "voice 'drafd' is not on the shelf; did you mean draft"),
        (("book.txt", "-o", "x.mp3"), "-o: x.mp3 cannot hold a book"),
        (("empty.txt",), "empty.txt: "),
    ],
)
def test_bad_input_is_refused_in_one_line_before_anything_is_stored(
    shell: Shell, write_book: Callable[..., Path], arguments: tuple[str, ...], complaint: str
) -> None:
    write_book()
    (shell.folder / "empty.txt").touch()
    done = shell.run("read", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert complaint in done.stderr
    assert jobs_in(shell.home) == []
