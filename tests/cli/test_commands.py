"""The small commands, in this process: key, voice, job, say, doctor, migrate."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import av
import pytest

from cli.main import run
from jobs.ledger import Ledger
from jobs.migrate import head
from jobs.settings import Settings
from jobs.states import JobKind
from tests.cli.conftest import put_on_shelf

DIGEST = "0" * 64


class Terminal:
    """Calls of `lectorium` in this process."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self._capsys = capsys

    def __call__(self, *arguments: str) -> str:
        """What the call prints, once it has succeeded."""
        code = run(arguments)
        printed = self._capsys.readouterr()
        assert code == 0, printed.err
        return printed.out

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json"))

    def submit(self, title: str) -> str:
        """A queued job of the command line's own tenant."""
        self("migrate")
        with Ledger(Settings(home=self.home)) as ledger:
            spec = {"voice": "quick", "source": {"key": "k", "sha256": DIGEST, "n_bytes": 1, "name": "a.txt"}}
            tenant_id = ledger.keys.local().tenant_id
            return ledger.jobs.submit(tenant_id, JobKind.NARRATION, spec, title=title).job_id


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    home = tmp_path / "home"
    put_on_shelf(home / "shelf")
    monkeypatch.setenv("LECTORIUM_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    return Terminal(home, capsys)


def test_migrate_makes_the_ledger_and_says_where_it_stands(terminal: Terminal) -> None:
    assert terminal("migrate") == f"the ledger stands at revision {head()}\n"
    assert (terminal.home / "ledger.sqlite3").exists()


def test_a_key_is_shown_once_and_works_until_it_is_revoked(terminal: Terminal) -> None:
    key = terminal("key", "create", "--name", "me", "--tenant", "alice", "--days", "2").strip()
    (listed,) = terminal.json("key", "list")
    assert (listed["tenant"], listed["name"], listed["scopes"]) == ("alice", "me", ["narrate", "read"])
    assert listed["expires_at"] == pytest.approx(time.time() + 2 * 86_400, abs=60)
    assert key not in terminal("key", "list")
    with Ledger(Settings(home=terminal.home)) as ledger:
        assert ledger.keys.check(key) is not None
        terminal("key", "revoke", listed["id"])
        assert ledger.keys.check(key) is None
    assert "revoked" in terminal("key", "list")


def test_voices_are_listed_and_shown(terminal: Terminal) -> None:
    names = [voice["name"] for voice in terminal.json("voice", "list")]
    assert {"draft", "quick", "slow"} <= set(names)
    header, *rows = terminal("voice", "list").splitlines()
    assert header.split("\t") == ["name", "version", "family", "languages", "description"]
    assert len(rows) == len(names)
    assert "GPL-3.0-or-later" in terminal("voice", "show", "draft")
    assert terminal.json("voice", "show", "quick")["parameters"] == {"seconds_per_utterance": 0.0}


def test_jobs_are_listed_newest_first(terminal: Terminal) -> None:
    ids = [terminal.submit(title) for title in ("first", "second")]
    assert [job["id"] for job in terminal.json("job", "list")] == ids[::-1]
    assert terminal.json("job", "list", "--state", "running") == []
    assert terminal("job", "list").splitlines()[1].split("\t")[0] == ids[1]


def test_a_job_is_shown_by_the_end_of_its_id_without_where_its_source_lies(terminal: Terminal) -> None:
    job_id = terminal.submit("A Title")
    shown = terminal.json("job", "show", job_id[-8:].lower())
    assert (shown["id"], shown["state"], shown["chapters"]) == (job_id, "queued", [])
    assert shown["progress"] == {
        "utterances_done": 0,
        "utterances": 0,
        "audio_seconds": 0.0,
        "eta_seconds": None,
        "goes_on_at": None,
    }
    assert "key" not in shown["spec"]["source"]
    assert terminal("job", "show", job_id).startswith("A Title: queued\n")


def test_a_job_is_cancelled_once(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    job_id = terminal.submit("A Title")
    assert terminal("job", "cancel", job_id) == f"{job_id} is cancelled\n"
    assert run(["job", "cancel", job_id]) == 1
    assert capsys.readouterr().err == "the job is cancelled\n"


@pytest.mark.parametrize("move", ["pause", "resume", "retry"])
def test_a_move_that_is_not_allowed_says_the_state(
    terminal: Terminal, capsys: pytest.CaptureFixture[str], move: str
) -> None:
    job_id = terminal.submit("A Title")
    assert run(["job", move, job_id]) == 1
    assert capsys.readouterr().err == "the job is queued\n"


def test_watching_an_ended_job_tells_its_end(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    job_id = terminal.submit("A Title")
    terminal("job", "cancel", job_id)
    assert run(["job", "watch", job_id]) == 1
    assert capsys.readouterr().out == "A Title: cancelled, 0:00 of sound\n"


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_say_speaks_into_a_file(terminal: Terminal, suffix: str) -> None:
    told = terminal("say", "Nobody laughed. She read on.", "-o", f"new/out.{suffix}", "--voice", "quick")
    assert told.startswith(f"new/out.{suffix}: ")
    with av.open(f"new/out.{suffix}") as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.sample_rate, stream.codec_context.channels) == (32_000, 1)
        frames = sum(frame.samples for frame in container.decode(stream))
    assert frames > 32_000


def test_say_refuses_a_text_with_nothing_to_say(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["say", " ... ", "-o", "out.wav", "--voice", "quick"]) == 2
    assert capsys.readouterr().err == "TEXT: there is nothing to say in it\n"


def test_the_doctor_finds_a_sound_machine_sound(terminal: Terminal) -> None:
    found = {finding["what"]: finding for finding in terminal.json("doctor")}
    assert {"python", "codecs", "voices", "draft", "ledger", "objects", "broker", "disk", "memory"} <= set(
        found
    )
    assert [finding for finding in found.values() if finding["verdict"] == "bad"] == []
    assert found["broker"]["line"].startswith("none")


def test_the_doctor_tells_a_broker_that_does_not_answer(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LECTORIUM_BROKER", "redis://127.0.0.1:1/0")
    assert run(["doctor", "--json"]) == 1
    (bad,) = (entry for entry in json.loads(capsys.readouterr().out) if entry["verdict"] == "bad")
    assert (bad["what"], bad["line"].split(" (")[0]) == ("broker", "redis does not answer")
