"""A trained voice comes onto the shelf and goes back, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.main import BAD_INPUT, run
from models_store.consent import ConsentError
from models_store.shelf import Shelf
from models_store.upstream.bring import check_spoken
from speech.errors import VoiceError
from speech.gpt_sovits.files import DECODER, SEMANTIC
from tests.models_store.speaking import TEXT, spoken, write_wav
from tests.models_store.upstream.pairs import write_pair
from tests.models_store.upstream.test_round_trip import assert_same_file


def command(tmp_path: Path, *more: str, gpt: str = "voice-e15.ckpt") -> list[str]:
    prompt = tmp_path / "prompt.wav"
    if not prompt.exists():
        write_wav(prompt, spoken())
    named = {
        "--name": "narrator",
        "--gpt": str(tmp_path / gpt),
        "--sovits": str(tmp_path / "voice_e8_s400.pth"),
        "--prompt": str(prompt),
        "--transcript": TEXT,
        "--language": "en",
    }
    return ["voice", "import", *(word for pair in named.items() for word in pair), *more]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LECTORIUM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_voice_is_imported_shown_and_exported(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gpt, sovits = write_pair(tmp_path, "v2Pro")
    words = tmp_path / "words.json"
    words.write_text('[{"word": "SQL", "language": "en", "respelling": "sequel"}]')
    told = ("--consent", "It is my own voice.", "--licence", "MIT", "--lexicon", str(words))
    assert run(command(tmp_path, *told, "--json")) == 0
    printed = json.loads(capsys.readouterr().out)
    shelf = Shelf(home / "shelf")
    manifest = shelf.resolve("narrator")
    assert printed["version"] == manifest.version
    assert manifest.family == "gpt-sovits"
    assert manifest.parameters == {"version": "v2Pro"}
    assert manifest.languages == ("en", "ja", "ko", "yue", "zh")
    assert manifest.licence == "MIT"
    assert [prompt.transcript for prompt in manifest.prompts] == [TEXT]
    assert set(manifest.files) == {SEMANTIC, DECODER, manifest.prompts[0].file, "lexicon.json"}
    shelf.require_consent(manifest)
    out = tmp_path / "out.ckpt", tmp_path / "out.pth"
    assert run(["voice", "export", "narrator", "--gpt", str(out[0]), "--sovits", str(out[1])]) == 0
    assert_same_file(gpt, out[0])
    assert_same_file(sovits, out[1])


def test_voice_without_consent_stands_there_and_may_not_speak(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pair(tmp_path, "v1")
    assert run(command(tmp_path)) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("narrator@")
    assert "GPT-SoVITS v1" in printed.out
    assert "may not speak" in printed.err
    manifest = Shelf(home / "shelf").resolve("narrator")
    assert manifest.languages == ("en", "ja", "zh")
    with pytest.raises(ConsentError):
        Shelf(home / "shelf").require_consent(manifest)


def test_bad_input_is_one_line_and_leaves_the_shelf_as_it_was(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, complaint in (
        (command(tmp_path, "--name", "No Good"), "name: 'No Good' must be"),
        (command(tmp_path, "--consent", " "), "consent: the statement is empty"),
        (command(tmp_path, "--language", "xx-"), "language"),
        (command(tmp_path, gpt="absent.ckpt"), "absent.ckpt: no such file"),
        (["voice", "export", "draft", "--gpt", "a", "--sovits", "b"], "'draft' is of the family 'draft'"),
    ):
        assert run(arguments) == BAD_INPUT
        lines = capsys.readouterr().err.splitlines()
        assert complaint in lines[-1]
        assert len(lines) <= 2  # what it is doing, and why it stopped
    assert not (home / "shelf" / "narrator").exists()


def test_prompt_in_a_language_the_version_does_not_speak_is_refused() -> None:
    check_spoken("ko", "v2")
    with pytest.raises(VoiceError, match="language: v1 speaks en, ja, zh, not 'ko'"):
        check_spoken("ko", "v1")
