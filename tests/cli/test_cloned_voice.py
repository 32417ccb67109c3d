"""A GPT-SoVITS voice through the whole line: imported, it reads a book here and one asked for over HTTP."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from api.app import create_app
from cli.main import run
from jobs.settings import Settings
from jobs.states import StepKind
from tests.cli.conftest import Shell
from tests.cli.waiting import until
from tests.models_store.speaking import TEXT, spoken, write_wav
from tests.models_store.upstream.pairs import write_pair
from tests.speech.gpt_sovits.toys import write_backbones
from worker.drain import Drain
from worker.workshop import open_workshop

BOOK = "Chapter 1\n\nIt was late. Nobody knew.\n\n\nChapter 2\n\nShe said 你好 to him.\n"


@pytest.fixture
def bert(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shelf with a voice on it that, drawn greedily, never ends an utterance."""
    gpt, sovits = write_pair(shell.folder, "v2", ends=False)
    prompt = write_wav(shell.folder / "prompt.wav", spoken())
    write_backbones(shell.home / "shelf" / "_backbones")
    monkeypatch.setenv("LECTORIUM_HOME", str(shell.home))
    files = ("--gpt", str(gpt), "--sovits", str(sovits), "--prompt", str(prompt))
    told = ("--transcript", TEXT, "--language", "en", "--consent", "It is my own voice.")
    assert run(["voice", "import", "--name", "bert", *files, *told]) == 0
    return shell


def work_off(settings: Settings) -> None:
    """A worker of this process does what there is to do."""
    workshop = open_workshop(settings)
    drain = Drain(workshop, (StepKind.PLAN, StepKind.SYNTHESIZE, StepKind.MASTER, StepKind.BIND))
    drain.run()
    drain.close()
    workshop.watch.stop()
    workshop.voices.close()
    workshop.ledger.close()


def doubtful(manifest: dict[str, Any]) -> dict[tuple[int, str], str]:
    """(chapter, sentence) -> what is doubtful about its take."""
    takes = manifest["doubtful_takes"]
    return {(take["chapter"], take["text"].strip()): take["reason"] for take in takes}


@pytest.mark.slow
def test_an_imported_voice_reads_a_book_and_answers_over_http(bert: Shell) -> None:
    book = bert.folder / "book.txt"
    book.write_text(BOOK, encoding="utf-8")
    call = ("read", str(book), "--voice", "bert", "--workers", "1", "--profile", "none", "-o", "out")
    unlooked = {"LECTORIUM_CHECK_VOICES": "false"}  # a voice that never ends is refused as unwell
    done = bert.run(*call, "--title", "Late", "--top-k", "1", "--json", **unlooked)
    assert done.returncode == 0, done.stderr
    [written] = (bert.folder / "out").glob("*.manifest.json")
    read = doubtful(json.loads(written.read_text(encoding="utf-8")))
    assert doubtful(json.loads(done.stdout)) == read
    assert (2, "She said 你好 to him.") in read
    assert {chapter for chapter, _ in read} == {1, 2}
    assert all(reason.startswith("does not end within ") for reason in read.values())

    settings = Settings(home=bert.home, check_voices=False)
    app = create_app(settings)
    client = app.test_client()
    greedy = {"top_k": 1, "seed": 1}  # of another seed: nothing of the book above serves again
    body = {"text": BOOK, "voice": "bert", "profile": "none", "sampling": greedy, "title": "Late"}
    job = client.post("/v1/narrations", json=body)
    assert job.status_code == 202, job.text
    with ThreadPoolExecutor(1) as pool:
        preview = pool.submit(app.test_client().get, "/v1/voices/bert/preview")
        until(lambda: len(client.get("/v1/jobs").json["jobs"]) == 3, seconds=60)
        work_off(settings)
        heard = preview.result(timeout=60)
    assert (heard.status_code, heard.content_type) == (200, "audio/mpeg"), heard.text
    shown = client.get(job.json["href"]).json
    assert shown["state"] == "succeeded", shown
    [href] = [each["href"] for each in shown["artefacts"] if each["name"].endswith("manifest.json")]
    assert doubtful(client.get(href).json) == read
    assert shown["doubtful_takes"] == len(read)
    app.extensions["lectorium"].ledger.close()
