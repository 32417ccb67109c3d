from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cli.errors import InputError
from cli.order import Destination, Order, check_narration, choose_destination, choose_formats


def test_without_options_a_book_becomes_an_m4b_in_this_folder() -> None:
    formats = choose_formats((), None)
    assert formats == ("m4b",)
    assert choose_destination(None, formats) == Destination(Path())


def test_a_name_with_a_suffix_is_a_file(tmp_path: Path) -> None:
    assert choose_destination(tmp_path / "a.m4b", ("m4b",)) == Destination(tmp_path, "a.m4b")
    assert choose_destination(tmp_path / "a.zip", ("mp3",)) == Destination(tmp_path, "a.zip")


def test_a_name_without_a_suffix_is_a_folder_for_everything(tmp_path: Path) -> None:
    assert choose_destination(tmp_path / "new", ("m4b",)) == Destination(tmp_path / "new", everything=True)


def test_a_folder_that_exists_may_have_a_dot_in_its_name(tmp_path: Path) -> None:
    (tmp_path / "vol.2").mkdir()
    assert choose_destination(tmp_path / "vol.2", ("m4b",)).folder == tmp_path / "vol.2"


@pytest.mark.parametrize(
    ("name", "formats", "complaint"),
    [
        ("a.mp3", (), "-o: .*a.mp3 cannot hold a book; --format mp3 makes a zip"),
        ("a.zip", (), "--format: say which format"),
        ("a.m4b", ("mp3",), "-o: a.m4b must end in .zip, for --format mp3"),
        ("a.zip", ("m4b",), "-o: a.zip must end in .m4b, for --format m4b"),
        ("a.m4b", ("m4b", "mp3"), "-o: .*a.m4b is one file for 2 formats"),
    ],
)
def test_an_output_that_does_not_fit_is_refused_by_name(
    tmp_path: Path, name: str, formats: tuple[str, ...], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        choose_destination(tmp_path / name, choose_formats(formats, tmp_path / name))


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("speed", 9.0, "--speed: .*less than or equal to 2.*9.0"),
        ("speed", float("nan"), "--speed: "),
        ("chapters", "one", "--chapters: .*'one'"),
        ("formats", ("ogg",), "--format: .*'m4b'.*'ogg'"),
        ("formats", ("mp3", "mp3"), "--format: names a format twice"),
        ("profile", "loud", "--profile: .*'podcast'.*'loud'"),
        ("language", "klingon language", "--language: "),
        ("voice", "../../etc", "--voice: "),
        ("title", "two\nlines", "--title: "),
    ],
)
def test_a_field_that_is_wrong_is_named_by_its_option(field: str, value: object, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as caught:
        check_narration({field: value})
    assert "\n" not in str(caught.value)


def test_what_was_not_given_keeps_its_default() -> None:
    narration = check_narration({"voice": None, "speed": None, "title": "T"})
    assert (narration.voice, narration.speed, narration.title) == ("draft", 1.0, "T")


def test_the_digest_follows_book_spec_and_voice_and_nothing_else() -> None:
    def digest(
        book: str = "b", voice: str = "v", out: str = "out", workers: int = 1, **fields: object
    ) -> str:
        order = Order(Path("a.epub"), check_narration(fields), Destination(Path(out)), workers)
        return order.digest(book, voice)

    assert digest() == digest(out="elsewhere", workers=8)
    assert len({digest(), digest(book="c"), digest(voice="w"), digest(speed=1.5), digest(title="T")}) == 5


def test_the_digest_is_the_same_in_every_process() -> None:
    program = (
        "from pathlib import Path\n"
        "from cli.order import Destination, Order, check_narration\n"
        "narration = check_narration({'matter': frozenset({'front', 'back'})})\n"
        "print(Order(Path('a'), narration, Destination(Path()), 1).digest('b', 'v'))"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": str(seed)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in range(4)
    }
    assert len(digests) == 1
