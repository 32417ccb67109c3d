"""The options that say how a voice speaks, the same for a sentence (`say`) and a book (`read`)."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from cli.errors import InputError

if TYPE_CHECKING:
    from jobs.specs import Narration
    from models_store.manifest import VoiceManifest
    from speech.text.lexicon import Lexicon
    from speech.voice import Sampling

Command = TypeVar("Command", bound=Callable[..., Any])

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_OPTIONS: Final = (
    click.option("--speed", type=float, help="0.5 to 2; 1 is the voice's own pace."),
    click.option("--seed", type=int, help="Another number, another reading of every sentence. [0]"),
    click.option("--top-k", type=int, help="How many of the likeliest tokens may be drawn; 1: greedy. [15]"),
    click.option("--top-p", type=float, help="Probability within which tokens may be drawn. [1]"),
    click.option("--temperature", type=float, help="Below 1 more even, above 1 livelier. [1]"),
    click.option("--repetition-penalty", type=float, help="Against saying things again; 1: off. [1.35]"),
    click.option("--noise-scale", type=float, help="Noise in the decoder; 0: none. [0.5]"),
    click.option("--lexicon", type=_FILE, help="How words are said: a JSON file, see docs/lexicon.md."),
)


def speaking_options(command: Command) -> Command:
    """Gives a command these options; what was typed goes to `take_speaking`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def take_speaking(given: MutableMapping[str, Any]) -> dict[str, Any]:
    """Takes these options out of those of a command: as fields of a narration.

    Raises:
        InputError: the lexicon cannot be read, or is none.
    """
    from cli.order import SETTINGS

    settings = {name: value for name in SETTINGS if (value := given.pop(name)) is not None}
    path = given.pop("lexicon")
    return {
        "speed": given.pop("speed"),
        "sampling": settings,
        "lexicon": () if path is None else _read_entries(path),
    }


def options_for(manifest: VoiceManifest, narration: Narration) -> tuple[Sampling, Lexicon]:
    """How this voice is to speak.

    Raises:
        InputError: the voice does not know an option, or has no use for an entry of the lexicon.
    """
    from cli.order import option_of
    from models_store.options import OptionError, lexicon_for, sampling_for

    try:
        return sampling_for(manifest, narration), lexicon_for(manifest, narration)
    except OptionError as error:
        raise InputError(f"{option_of(error.place)}: {error.reason}") from error


def _read_entries(path: Path) -> tuple[dict[str, str], ...]:
    from speech.text.lexicon import describe_entry

    return tuple(map(describe_entry, lexicon_in(path).entries))


def lexicon_in(path: Path | None) -> Lexicon:
    """The lexicon in this file; an empty one without a file.

    Raises:
        InputError: it cannot be read, or is none.
    """
    from speech.text.lexicon import Lexicon, LexiconError, read_lexicon

    if path is None:
        return Lexicon()
    try:
        return read_lexicon(path.read_bytes(), place=str(path))
    except OSError as error:
        raise InputError(f"--lexicon: {path}: {error.strerror}") from error
    except LexiconError as error:
        raise InputError(f"--lexicon: {error}") from error
