"""How a voice speaks is asked for in the same words of `say` and of `read`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import av
import click
import numpy as np
import numpy.typing as npt
import pytest

from cli.errors import InputError
from cli.main import run
from cli.order import SETTINGS, check_narration
from cli.read import read
from cli.say import say
from cli.speaking import speaking_options, take_speaking
from jobs.specs import SamplingSettings
from tests.cli.conftest import Shell, put_on_shelf

EVERY_OPTION = (
    *("--speed", "1.5", "--seed", "7", "--top-k", "5", "--top-p", "0.9", "--temperature", "0.8"),
    *("--repetition-penalty", "1.2", "--noise-scale", "0.3"),
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    put_on_shelf(tmp_path / "home" / "shelf")
    monkeypatch.setenv("LECTORIUM_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lexicon(folder: Path, *entries: dict[str, str]) -> str:
    path = folder / "words.json"
    path.write_text(json.dumps(entries), encoding="utf-8")
    return str(path)


def samples(path: str) -> npt.NDArray[np.int16]:
    with av.open(path) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


def test_every_setting_of_the_spec_has_its_option() -> None:
    assert set(SETTINGS) == set(SamplingSettings.model_fields)
    options = {name for command in (say, read) for option in command.params for name in option.opts}
    assert {*SETTINGS.values(), "--speed", "--lexicon"} <= options


def test_what_is_typed_becomes_fields_of_a_narration(tmp_path: Path) -> None:
    words = lexicon(tmp_path, {"word": "SQL", "language": "EN", "respelling": "sequel"})
    taken = []

    @click.command()
    @speaking_options
    def command(**given: object) -> None:
        taken.append(check_narration(take_speaking(given)))

    command.main([*EVERY_OPTION, "--lexicon", words], standalone_mode=False)
    command.main([], standalone_mode=False)
    full, plain = taken
    assert full.speed == 1.5
    assert full.sampling == SamplingSettings(
        seed=7, top_k=5, top_p=0.9, temperature=0.8, repetition_penalty=1.2, noise_scale=0.3
    )
    assert [entry.model_dump(exclude_none=True) for entry in full.lexicon] == [
        {"word": "SQL", "language": "en", "respelling": "sequel"}
    ]
    assert plain == check_narration({})


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--top-k", "5"), "--top-k: the voice 'quick' (stub) has no such setting"),
        (("--top-k", "0"), "--top-k: Input should be greater than or equal to 1 (not 0)"),
        (("--speed", "9"), "--speed: Input should be less than or equal to 2 (not 9.0)"),
        (("--lexicon", "wrong.json"), "--lexicon: wrong.json: entry 1: word: is missing"),
        (("--lexicon", "long.json"), "--lexicon: entry 2: word: String should have at most 100 characters"),
        (("--lexicon", "nowhere.json"), "Invalid value for '--lexicon': File 'nowhere.json' does not exist."),
        (
            ("--voice", "draft", "--lexicon", "phonemes.json"),
            "--lexicon: entry 1: 'a': phonemes: a draft voice takes a respelling only",
        ),
    ],
)
@pytest.mark.parametrize("command", ["say", "read"])
def test_what_a_voice_cannot_do_is_refused_in_one_line(
    home: Path, capsys: pytest.CaptureFixture[str], command: str, arguments: tuple[str, ...], complaint: str
) -> None:
    good = {"word": "a", "language": "en", "respelling": "b"}
    (home / "book.txt").write_text("A word.\n", encoding="utf-8")
    (home / "wrong.json").write_text("[{}]", encoding="utf-8")
    (home / "long.json").write_text(json.dumps([good, {**good, "word": "a" * 101}]), encoding="utf-8")
    (home / "phonemes.json").write_text(
        json.dumps([{"word": "a", "language": "en", "phonemes": "EY1"}]), encoding="utf-8"
    )
    what = {"say": ("A word.", "-o", "out.wav"), "read": ("book.txt",)}[command]
    assert run([command, *what, "--voice", "quick", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.endswith(complaint) or line.startswith(complaint)
    assert not (home / "out.wav").exists()


def test_an_entry_changes_the_sentence_it_occurs_in(home: Path) -> None:
    words = lexicon(home, {"word": "lamp", "language": "en", "respelling": "lantern"})
    text = "A lamp went out.\n\nA dog barked."
    assert run(["say", text, "-o", "plain.wav", "--voice", "quick"]) == 0
    assert run(["say", text, "-o", "respelt.wav", "--voice", "quick", "--lexicon", words]) == 0
    plain, respelt = samples("plain.wav"), samples("respelt.wav")
    assert plain.size == respelt.size
    second = plain.size // 2 + 20_000  # in the pause or after it
    assert not np.array_equal(plain[:second], respelt[:second])
    assert np.array_equal(plain[-20_000:], respelt[-20_000:])


def test_equal_sentences_sound_alike(home: Path) -> None:
    assert run(["say", "It rang.\n\nIt rang.", "-o", "out.wav", "--voice", "quick"]) == 0
    sound = samples("out.wav")
    n_samples = (sound.size - round(0.35 * 32_000)) // 2
    assert np.array_equal(sound[:n_samples], sound[-n_samples:])


def test_say_tells_doubtful_takes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "All is well.\n\nThis is poison-doubt to the voice."
    assert run(["say", text, "-o", "out.wav", "--voice", "picky"]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("out.wav: ")
    assert printed.err == "doubtful: 'This is poison-doubt to the voice.': says 'poison-doubt'\n"


def test_read_counts_doubtful_takes_and_lists_them_as_json(
    shell: Shell, write_book: Callable[..., Path]
) -> None:
    text = "Chapter 1\n\nAll is well here.\n\nThis says poison-doubt to the voice.\n"
    words = lexicon(shell.folder, {"word": "well", "language": "en", "respelling": "whale"})
    book = write_book(instead=text)
    call = ("read", str(book), "-o", "a.m4b", "--voice", "picky", "--profile", "none", "--workers", "1")
    done = shell.run(*call, "--lexicon", words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == (
        "1 doubtful take; the first: chapter 1, utterance 3, "
        "'This says poison-doubt to the voice.': says 'poison-doubt'"
    )
    again = json.loads(shell.run(*call, "--lexicon", words, "--json").stdout)
    assert again["wall_seconds"] == 0
    assert [(take["utterance"], take["reason"]) for take in again["doubtful_takes"]] == [
        (3, "says 'poison-doubt'")
    ]


def test_a_wrong_entry_is_an_error_of_the_option(tmp_path: Path) -> None:
    given = {**dict.fromkeys((*SETTINGS, "speed")), "lexicon": Path(lexicon(tmp_path, {"word": "a"}))}
    with pytest.raises(InputError, match=r"--lexicon: .*words\.json: entry 1: language: is missing"):
        take_speaking(given)
