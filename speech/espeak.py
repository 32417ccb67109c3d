"""The draft voice's engine: a process of its own that holds espeak-ng and speaks what it reads.

Run as a program, never imported; it needs the standard library alone:

    python -I -S espeak.py LIBRARY DATA_FOLDER

Each line on standard input is a request, `{"seed", "words_per_minute", "parts": [[voice, text], ...]}`;
each reply is one line, `{"n_samples": [...]}` followed by that many 16-bit samples at 22,050 Hz in the
machine's byte order, or `{"error": ...}`. Before the first request it writes `{"version": ...}`. It ends
when its input does.

Why a process: espeak-ng keeps state in static variables from one text to the next (the phase of its
oscillators, its flutter, its noise), and neither a new voice nor a new initialisation resets them: one
sentence came out in 17 ways in 300 calls (1.52.0). Loading the library anew for each text does, once its
two generators are seeded, but 100 kB stay behind each time. So every request is spoken by a fork of a
process that has never spoken. That also keeps crashes, endless texts and the GPL library out of the
caller's process.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
from typing import Any, Final, NoReturn

SAMPLE_RATE: Final = 22_050
MOST_SECONDS: Final = 600
"""Sound of one request; more is refused: a known fault of espeak-ng is to speak without end."""
MOST_CPU_SECONDS: Final = 60

# espeak-ng/speak_lib.h
_AUDIO_OUTPUT_SYNCHRONOUS: Final = 2
_INITIALIZE_DONT_EXIT: Final = 0x8000
_CHARS_UTF8: Final = 1  # and neither espeakSSML nor espeakPHONEMES: text is text
_POS_CHARACTER: Final = 1
_PARAMETER_RATE: Final = 1
_PARAMETER_VOLUME: Final = 2
_VOLUME: Final = 60
"""Of 100. There it reaches full scale, and the resampler a little more; here -3.3 dBFS (measured)."""

_CALLBACK: Final = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class EngineError(Exception):
    """espeak-ng refused; the message says what."""


def main() -> None:
    """Answers requests until standard input ends."""
    library_path, data_folder = sys.argv[1:]
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # whoever asked has gone: so go, with nothing to say
    library = ctypes.CDLL(library_path)
    rate = library.espeak_Initialize(
        _AUDIO_OUTPUT_SYNCHRONOUS, 0, os.fsencode(data_folder), _INITIALIZE_DONT_EXIT
    )
    if rate != SAMPLE_RATE:
        _write(
            1,
            _head({"error": f"espeak_Initialize gave {rate}, not {SAMPLE_RATE}: is {data_folder} its data?"}),
        )
        return
    # Reads the list of all voices, once for every fork: 6 ms less for each request.
    if library.espeak_SetVoiceByName(b"en-us") != 0:
        _write(1, _head({"error": f"espeak-ng finds no voices in {data_folder}"}))
        return
    library.espeak_Info.restype = ctypes.c_char_p
    _write(1, _head({"version": library.espeak_Info(None).decode()}))
    while line := _read_line():
        _write(1, _ask_fork(library, line))


def _ask_fork(library: Any, line: bytes) -> bytes:
    """The whole reply to a request, spoken in a fork. Of a fork that died, nothing gets out but how."""
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(readable)
        _answer(library, line, writable)
    os.close(writable)
    with open(readable, "rb", buffering=0) as pipe:  # noqa: PTH123 - a descriptor, not a path
        reply = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return _head({"error": f"espeak-ng died of {signal.Signals(os.WTERMSIG(status)).name} on this text"})
    if status:
        raise SystemExit(f"the fork that speaks ended with {os.WEXITSTATUS(status)}")
    return reply


def _answer(library: Any, line: bytes, writable: int) -> NoReturn:
    """Speaks one request, writes the reply and ends the process."""
    status = 1
    try:
        resource.setrlimit(
            resource.RLIMIT_CPU, (MOST_CPU_SECONDS, MOST_CPU_SECONDS + 1)
        )  # SIGXCPU, then SIGKILL
        try:
            spoken = _speak(library, json.loads(line))
        except EngineError as error:
            _write(writable, _head({"error": str(error)}))
        else:
            n_samples = [len(samples) // 2 for samples in spoken]
            _write(writable, _head({"n_samples": n_samples}) + b"".join(spoken))
        status = 0
    finally:
        if status:
            sys.excepthook(*sys.exc_info())
        os._exit(status)  # not sys.exit: the fork must not run its parent's clean-up


def _speak(library: Any, request: dict[str, Any]) -> list[bytes]:
    """The samples of each part."""
    chunks: list[bytes] = []
    faults: list[BaseException] = []
    room = 2 * SAMPLE_RATE * MOST_SECONDS

    def collect(samples: int | None, n_samples: int, _events: int | None) -> int:
        nonlocal room
        try:
            if samples and n_samples > 0:
                chunks.append(ctypes.string_at(samples, 2 * n_samples))
                room -= 2 * n_samples
        except BaseException as fault:  # noqa: BLE001  # ctypes would print it and go on; raised below
            faults.append(fault)
        return int(room < 0 or bool(faults))  # 1 stops espeak-ng

    callback = _CALLBACK(collect)
    library.espeak_SetSynthCallback(callback)
    # Both generators: its own for the flutter and breath, the C library's in the Klatt synthesiser.
    library.espeak_ng_SetRandSeed(ctypes.c_long(request["seed"]))
    ctypes.CDLL(None).srand(ctypes.c_uint(request["seed"]))
    spoken = []
    for voice, text in request["parts"]:
        if library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise EngineError(f"espeak-ng has no voice {voice!r}")
        library.espeak_SetParameter(_PARAMETER_RATE, request["words_per_minute"], 0)
        library.espeak_SetParameter(_PARAMETER_VOLUME, _VOLUME, 0)
        encoded = text.encode() + b"\0"
        status = library.espeak_Synth(
            encoded, ctypes.c_size_t(len(encoded)), 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None
        )
        if faults:
            raise faults[0]
        if room < 0:
            raise EngineError(f"espeak-ng speaks this text for more than {MOST_SECONDS} s")
        if status != 0:
            raise EngineError(f"espeak_Synth gave {status}")
        spoken.append(b"".join(chunks))
        chunks.clear()
    return spoken


def _read_line() -> bytes:
    """One line of standard input, b"" at its end. Nothing follows it: one request is under way at a time."""
    line = b""
    while not line.endswith(b"\n"):
        more = os.read(0, 1 << 16)
        if not more:
            return b""
        line += more
    return line


def _head(head: dict[str, Any]) -> bytes:
    return json.dumps(head).encode() + b"\n"


def _write(descriptor: int, reply: bytes) -> None:
    rest = memoryview(reply)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


if __name__ == "__main__":
    main()
