"""`lectorium voice add`, `consent`, `show` and `remove`, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.main import run
from models_store.manifest import VoiceManifest
from models_store.shelf import Shelf
from tests.models_store.making import manifest_of, write_files
from tests.models_store.speaking import TEXT, noise, spoken, write_wav


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setenv("LECTORIUM_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    write_wav(tmp_path / "ref.wav", spoken())
    write_wav(tmp_path / "second.wav", spoken()[: 4 * 32_000])
    write_wav(tmp_path / "noisy.wav", spoken() + noise(spoken().size, -30))
    return Shelf(tmp_path / "home" / "shelf")


@pytest.fixture
def base(shelf: Shelf, tmp_path: Path) -> VoiceManifest:
    files = write_files(tmp_path / "base", semantic=b"s", decoder=b"d")
    return shelf.install(manifest_of("base", files), files)


def add(*more: str, **changes: str) -> int:
    given = {"name": "anna", "base": "base", "transcript": TEXT, "language": "en", "consent": "Anna agreed"}
    options = [part for name, value in (given | changes).items() for part in (f"--{name}", value)]
    return run(["voice", "add", "--prompt", changes.pop("prompt", "ref.wav"), *options, *more])


def test_a_voice_is_added_with_its_consent_and_shown(
    shelf: Shelf, base: VoiceManifest, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("words.json").write_text('[{"word": "Anna", "language": "en", "respelling": "Ahna"}]')
    words = ("--lexicon", "words.json")
    assert add("--prompt", "second.wav", "--description", "Anna", *words) == 0
    anna = shelf.resolve("anna")
    assert "lexicon.json" in anna.files
    assert capsys.readouterr().out == f"anna@{anna.version[:12]}\n"
    shelf.require_consent(anna)
    assert add("--prompt", "second.wav", "--description", "Anna", *words, "--json") == 0
    assert json.loads(capsys.readouterr().out)["version"] == anna.version
    assert run(["voice", "show", "anna"]) == 0
    shown = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert shown["base"] == f"base@{base.version}"
    assert repr(TEXT) in shown["prompts"]
    assert "(for timbre)" in shown["prompts"]
    assert shown["consent"].startswith("Anna agreed (20")
    assert run(["voice", "show", "anna", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["consent"]["statement"] == "Anna agreed"
    assert run(["voice", "show", "draft", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["consent"] is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "Anna"}, "--name: must be 1 to 64 lower-case letters"),
        ({"base": "bass"}, "--base: voice 'bass' is not on the shelf; did you mean base?"),
        ({"consent": ""}, "--consent: the statement is empty"),
        ({"language": "de"}, "--language: prompt ref.wav: language: voices with symbols v2 do not read 'de'"),
        ({"transcript": "Hi."}, "--transcript: prompt ref.wav: the transcript is too short"),
        ({"name": "draft"}, "voice 'draft' is built in; choose another name"),
        ({"lexicon": "ref.wav"}, "--lexicon: ref.wav: no JSON: "),
    ],
)
def test_what_will_not_do_is_one_line_that_names_the_option(
    shelf: Shelf,
    base: VoiceManifest,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, str],
    message: str,
) -> None:
    assert add(**changes) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1


def test_a_recording_that_will_not_do_is_named(
    shelf: Shelf, base: VoiceManifest, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add("--prompt", "noisy.wav") == 2
    assert "--prompt: prompt noisy.wav: noisy: speech stands " in capsys.readouterr().err
    assert add("--prompt", "absent.wav") == 2
    assert "absent.wav" in capsys.readouterr().err


def test_a_voice_without_consent_says_what_to_run_and_then_speaks(
    shelf: Shelf, base: VoiceManifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = write_files(tmp_path / "in", prompt=b"p")
    shelf.install(manifest_of("anna", files, base=base), files)
    assert run(["voice", "show", "anna"]) == 0
    assert "none on record: it may not speak" in capsys.readouterr().out
    assert run(["say", "Hello.", "--voice", "anna", "-o", "x.wav"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("voice 'anna' is cloned, and no consent is on record; ")
    assert "lectorium voice consent anna " in told
    assert run(["voice", "consent", "anna", "Anna agreed"]) == 0
    assert capsys.readouterr().out.startswith("on record for 'anna' and 1 recording, ")
    shelf.require_consent(shelf.resolve("anna"))
    assert run(["voice", "consent", "nobody", "x"]) == 2
    assert run(["voice", "consent", "anna", " "]) == 2


def test_removing_asks_first_and_refuses_what_others_stand_on(
    shelf: Shelf, base: VoiceManifest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add() == 0
    anna = shelf.resolve("anna")
    assert run(["voice", "remove", "base", "--yes"]) == 2
    assert f"anna@{anna.version[:12]} speak with its weights" in capsys.readouterr().err
    answers = iter("ny")
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: next(answers))
    assert run(["voice", "remove", "anna"]) == 130
    assert shelf.resolve("anna") == anna
    capsys.readouterr()
    assert run(["voice", "remove", f"anna@{anna.version[:8]}"]) == 0
    assert capsys.readouterr().out == f"removed anna@{anna.version[:12]}\n"
    assert run(["voice", "remove", "base", "--yes"]) == 0
    assert run(["voice", "remove", "base", "--yes"]) == 2


def test_broken_voices_are_told_and_hide_no_other(
    shelf: Shelf, base: VoiceManifest, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add() == 0
    folder = shelf.folder(base)
    assert folder is not None
    (folder / "manifest.json").write_text("{")
    capsys.readouterr()
    assert run(["voice", "list", "--json"]) == 0
    printed = capsys.readouterr()
    assert {"anna", "draft"} <= {voice["name"] for voice in json.loads(printed.out)}
    assert printed.err.startswith(f"broken: {folder / 'manifest.json'}: ")
    assert printed.err.count("\n") == 1
