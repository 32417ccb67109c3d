"""What a process says of its work: one line for each event, as text or as JSON, on standard error.

A line names jobs and steps by their ids. It never holds the text of a book nor a key: of what a caller passes
as `extra` only the names in FIELDS are shown, of an exception only where it was raised and the first line of
what it says (the lines after it may quote the input), and whatever still looks like a secret is struck out.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final, TextIO

from jobs.settings import Settings

FIELDS: Final = (
    "job_id",
    "step_id",
    "kind",
    "epoch",
    "attempt",
    "chapter",
    "utterance",
    "owner",
    "reference",
    "method",
    "route",
    "code",
    "seconds",
    "count",
)
"""What may stand in a line beside its event."""

_MOST_CHARACTERS: Final = 2000
_SECRETS: Final = (
    (re.compile(r"lect_[0-9A-Z]{6,26}_[0-9a-f]+(_[0-9a-f]+)?"), "lect_***"),
    (re.compile(r"whsec_[A-Za-z0-9+/=]+"), "whsec_***"),
    (re.compile(r"(?<=://)[^\s/@:]*:[^\s/@]+(?=@)"), "***"),
    (re.compile(r"(?i)((?:x-amz-)?signature=)[^&\s\"']+"), r"\1***"),
)
_about: ContextVar[dict[str, object]] = ContextVar("about", default={})  # noqa: B039 - never changed in place


@contextmanager
def about(**fields: object) -> Iterator[None]:
    """Within the block, each line of this thread carries these fields, such as `job_id` and `step_id`."""
    token = _about.set({**_about.get(), **fields})
    try:
        yield
    finally:
        _about.reset(token)


def set_up_logs(settings: Settings, stream: TextIO | None = None) -> None:
    """Sends the whole process's log to `stream` (standard error) in the form the settings ask for."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if settings.log_format == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for chatty in ("boto3", "botocore", "urllib3", "amqp", "kombu", "s3transfer"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))


class JsonLines(logging.Formatter):
    """One JSON object in a line: ts, level, logger, event, the fields, and an error where there was one."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, object] = {
            "ts": _time_of(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": strike_secrets(record.getMessage()[:_MOST_CHARACTERS]),
        }
        line.update({name: _plain(value) for name, value in _fields_of(record).items()})
        error = _error_of(record)
        if error:
            line["error"], line["at"] = error
        return json.dumps(line, ensure_ascii=False)


class TextLines(logging.Formatter):
    """The same for people: time, level, event, name=value."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        words = [_time_of(record), f"{record.levelname:7}", record.getMessage()[:_MOST_CHARACTERS]]
        words += [f"{name}={value}" for name, value in _fields_of(record).items()]
        error = _error_of(record)
        if error:
            words.append(f"{error[0]} at {' < '.join(reversed(error[1]))}")
        return strike_secrets(" ".join(words).replace("\n", " | "))


def strike_secrets(text: str) -> str:
    """The text without anything that looks like an API key, a webhook secret, a password or a signature."""
    for pattern, stars in _SECRETS:
        text = pattern.sub(stars, text)
    return text


def _time_of(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _fields_of(record: logging.LogRecord) -> dict[str, object]:
    given = {**_about.get(), **record.__dict__}
    return {name: given[name] for name in FIELDS if given.get(name) is not None}


def _plain(value: object) -> object:
    return value if isinstance(value, int | float) else strike_secrets(str(value)[:_MOST_CHARACTERS])


def _error_of(record: logging.LogRecord) -> tuple[str, list[str]] | None:
    """Kind and first line of the exception, and the places it came through, outermost first."""
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return None
    first_line = strike_secrets(str(error).strip().partition("\n")[0][:300])
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    return f"{type(error).__name__}: {first_line}", [
        f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames
    ]
