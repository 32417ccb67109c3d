"""`lectorium train`, as it is typed: what it foresees, what it asks for, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from cli.train import OPTIONS
from jobs.training import TrainingOptions
from models_store.shelf import Shelf
from tests.models_store.making import manifest_of, write_files
from tests.models_store.speaking import spoken, write_wav

GIVEN = {"name": "anna", "base": "base", "language": "en", "consent": "Anna agreed"}


@pytest.fixture(autouse=True)
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """A base on the shelf, and two recordings and a list in this folder."""
    monkeypatch.setenv("LECTORIUM_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    write_wav(tmp_path / "one.wav", spoken()[::2], rate=16_000)
    write_wav(tmp_path / "two.wav", spoken()[: 4 * 32_000 : 2], rate=16_000)
    (tmp_path / "said.list").write_text("one.wav|anna|en|One.\ntwo.wav|anna|en|Two.\n")
    shelf = Shelf(tmp_path / "home" / "shelf")
    files = write_files(tmp_path / "base", semantic=b"s", decoder=b"d")
    shelf.install(manifest_of("base", files), files)
    return shelf


def train(*more: str, recordings: tuple[str, ...] = ("one.wav", "two.wav"), **changes: str) -> int:
    options = [part for name, value in (GIVEN | changes).items() for part in (f"--{name}", value)]
    return run(["train", *recordings, *options, *more])


def asked(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(capsys.readouterr().out)
    return shown


def test_every_option_of_a_training_can_be_given() -> None:
    assert {name for name, _ in OPTIONS} == set(TrainingOptions.model_fields)


def test_a_dry_run_says_how_long_how_much_and_when_and_asks_for_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    one_day = ("--window", "00:00-24:00 UTC")
    assert train("--dry-run", "--json", *one_day, "--decoder-epochs", "2", "--semantic-epochs", "2") == 0
    short = asked(capsys)
    assert short["estimate"] is True
    assert short["n_updates"] > 0
    assert short["meets_deadline"]
    assert short["openings"]
    assert short["kwh"] == pytest.approx(short["seconds"] * (10 if short["device"] == "cpu" else 500) / 3.6e6)
    assert short["grams"] > 0
    assert train("--dry-run", "--json", *one_day, "--decoder-epochs", "20") == 0
    long = asked(capsys)
    assert long["seconds"] > short["seconds"]
    assert long["audio_seconds"] == pytest.approx(short["audio_seconds"])
    assert train("--dry-run", "--now") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "an estimate" in lines[0]
    assert "kWh" in lines[1]
    assert len(lines) == 2
    assert run(["job", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_the_same_command_again_is_the_same_job_until_it_is_cancelled(
    capsys: pytest.CaptureFixture[str],
) -> None:
    more = ("--detach", "--list", "said.list", "--window", "22:00-06:00 Europe/Berlin", "--adapter-rank", "8")
    assert train(*more) == 0
    job_id = capsys.readouterr().out.strip()
    assert train(*more) == 0
    told = capsys.readouterr()
    assert told.out.strip() == job_id
    assert "going on where it was" in told.err
    assert run(["job", "show", job_id, "--json"]) == 0
    job = asked(capsys)
    assert (job["kind"], job["state"], job["title"]) == ("training", "queued", "anna")
    assert job["spec"]["recordings"] == ["one.wav", "two.wav"]
    assert job["spec"]["listed"] == "said.list"
    assert job["spec"]["windows"] == ["22:00-06:00 Europe/Berlin"]
    assert job["spec"]["options"]["adapter_rank"] == 8
    assert run(["job", "cancel", job_id]) == 0
    capsys.readouterr()
    assert train(*more) == 0
    assert capsys.readouterr().out.strip() != job_id


@pytest.mark.parametrize(
    ("more", "changes", "line"),
    [
        ((), {"base": "draft"}, "--base: 'draft' is of the family draft, which does not learn"),
        ((), {"base": "nobody"}, "--base: "),
        ((), {"language": "fr"}, "--language: 'fr' is none of"),
        ((), {"consent": " "}, "--consent: "),
        ((), {"name": "Anna"}, "--name: "),
        (("--window", "22:00-06:00"), {}, "--window: '22:00-06:00' in '22:00-06:00' is no time zone"),
        (("--window", "22:00-06:00 UTC", "--now"), {}, "--window: does not go with"),
        (("--deadline", "2020-01-01T00:00Z"), {}, "--deadline: has passed"),
        (("--deadline", "2099-01-01T00:00"), {}, "--deadline: "),
        (("--decoder-epochs", "0"), {}, "--decoder-epochs: "),
        (("--precision", "fp8"), {}, "--precision: "),
        (("--adapter-rank", "many"), {}, "--adapter-rank: "),
    ],
)
def test_what_is_wrong_is_told_in_one_line_with_its_option(
    more: tuple[str, ...], changes: dict[str, str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--detach", *more, **changes) == 2
    told = capsys.readouterr().err
    assert told.startswith(line)
    assert told.count("\n") == 1


def test_recordings_that_are_none_are_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("not a sound")
    (tmp_path / "same.wav").write_bytes((tmp_path / "one.wav").read_bytes())
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "one.wav").write_bytes(b"other")
    for recordings, words in (
        (("empty.wav",), "empty.wav is empty"),
        (("one.wav", "same.wav"), "is the same recording"),
        (("one.wav", "folder/one.wav"), "two files are called one.wav"),
        (("text.wav",), "RECORDINGS: text.wav: "),
    ):
        assert train("--dry-run", recordings=recordings) == 2
        assert words in capsys.readouterr().err
