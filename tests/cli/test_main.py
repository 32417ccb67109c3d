from __future__ import annotations

from pathlib import Path

import click
import pytest

from cli.main import lectorium, run


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LECTORIUM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    for name in ("up", "api", "worker", "migrate", "inspect", "read", "say", "job", "voice", "key", "doctor"):
        assert f"\n  {name} " in shown


@pytest.mark.parametrize("command", sorted(lectorium.commands.keys() - {"api", "worker"}))
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: lectorium {command} ")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["raed"], "lectorium: No such command 'raed'. Did you mean 'read'?"),
        (["inspect"], "lectorium inspect: Missing argument 'BOOK'."),
        (["voice", "list", "--jsn"], "lectorium voice list: No such option '--jsn'. Did you mean '--json'?"),
        (["job", "list", "--state", "late"], "--state: 'late' is none of queued, running, paused, "),
        (["job", "show", "NOSUCH"], "JOB_ID: NOSUCH is no job; `lectorium job list` shows them"),
        (["voice", "show", "nobody"], "voice 'nobody' is not on the shelf; "),
        (["key", "revoke", "NOSUCH"], "KEY_ID: there is no working key NOSUCH"),
        (["say", "hello", "-o", "a.mp3"], "-o: a.mp3 must end in .wav or .flac"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert printed.err.startswith(line)


def test_an_unknown_setting_is_one_line_with_a_guess(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LECTORIUM_LEGDER", "sqlite:///x")
    assert run(["job", "list"]) == 2
    assert capsys.readouterr().err == "unknown setting LECTORIUM_LEGDER; did you mean LECTORIUM_LEDGER?\n"


def test_a_home_that_is_no_folder_is_one_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home.touch()
    assert run(["job", "list"]) == 2
    assert capsys.readouterr().err == f"LECTORIUM_HOME: {home}: File exists\n"


def test_a_ledger_that_does_not_answer_is_one_line_and_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LECTORIUM_LEDGER", "postgresql://nobody@127.0.0.1:1/nothing")
    assert run(["job", "list"]) == 1
    printed = capsys.readouterr()
    assert len(printed.err.splitlines()) == 1
    assert "the ledger does not answer" in printed.err


def test_a_fault_of_ours_is_told_in_two_lines_and_kept_in_a_log(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def stumble() -> None:
        raise ZeroDivisionError("the reason")

    monkeypatch.setitem(lectorium.commands, "stumble", stumble)
    assert run(["stumble"]) == 70
    told = capsys.readouterr().err.splitlines()
    log = home / "logs" / "errors.log"
    assert told == [
        "this is a fault of Lectorium: ZeroDivisionError: the reason",
        f"the details are in {log}",
    ]
    assert "Traceback (most recent call last)" in log.read_text(encoding="utf-8")
