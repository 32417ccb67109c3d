"""A GPT-SoVITS voice: an engine and the prompt it speaks after."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from itertools import repeat
from typing import Final

import torch

from speech.errors import VoiceError
from speech.gpt_sovits import features
from speech.gpt_sovits.adapters import read_adapters
from speech.gpt_sovits.company import Backbones
from speech.gpt_sovits.engine import Engine
from speech.gpt_sovits.orders import Asked
from speech.gpt_sovits.prompt import Prompt, make_prompt
from speech.precision import Precision
from speech.text.lexicon import FILE, Lexicon, LexiconError, read_lexicon
from speech.voice import Parameter, Request, Take, Voice, VoiceSource

PARAMETERS: Final[Mapping[str, str]] = {
    "device": "cpu, cuda, cuda:1, ...; the first GPU where there is one, else the CPU",
    "n_lanes": "utterances decoded at once",
    "precision": "fp32, the reference; mixed, the generator in bfloat16; bf16, the semantic model too",
    "threads": "threads of the process's arithmetic on a CPU",
    "polyphones": "true: Mandarin is read with g2pW, whose folder must be among the backbones",
    "version": "v1, v2, v2Pro or v2ProPlus: for people, the weights say it themselves",
    "revision": "of the repository that published weights were pulled from: for people",
}
"""What a manifest may say of a voice of this family."""


class GptSovitsVoice:
    """A voice version of this family, loaded."""

    def __init__(self, engine: Engine, prompt: Prompt, weights_digest: str, n_own_bytes: int = 0) -> None:
        self._engine: Engine | None = engine
        self._n_own_bytes = n_own_bytes
        self._prompt = prompt
        self._weights_digest = weights_digest
        self.on_beat: Callable[[], None] = _nothing
        """Called while it speaks, every few ticks and after each sound: `speech.voice.Working`."""

    @property
    def weights_digest(self) -> str:
        """Names the weights."""
        return self._weights_digest

    @property
    def n_own_bytes(self) -> int:
        """The memory of what it shares with no other voice, while it is open; its prompt is not counted."""
        return self._n_own_bytes if self.is_open else 0

    @property
    def is_open(self) -> bool:
        """Whether it can speak."""
        return self._engine is not None

    @property
    def n_lanes(self) -> int:
        """How many utterances it has in hand at once."""
        return self._open_engine().n_lanes

    @property
    def n_slots(self) -> int:
        """What all lanes together have room for: phonemes, prompts and tokens."""
        return self._open_engine().n_slots

    @property
    def n_prompt_slots(self) -> int:
        """Of them, what the prompt takes in a lane."""
        return len(self._prompt.phonemes) + len(self._prompt.tokens)

    def speak(self, requests: Iterator[Request]) -> Iterator[Take]:
        """Takes as `speech.voice.Voice` has them; `Engine.speak` says more."""
        return self._open_engine().speak(zip(requests, repeat(self._prompt), strict=False), self._beat)

    def shares_lanes_with(self, other: Voice) -> bool:
        """Whether both stand on one engine: not where one wears adapters, or was opened otherwise."""
        if not isinstance(other, GptSovitsVoice):
            return False
        return other.is_open and other._engine is self._engine  # noqa: SLF001 - it is one of us

    def speak_with(self, asked: Iterator[tuple[Request, Voice]]) -> Iterator[Take]:
        """Takes as `speech.voice.Sociable` has them: zero-shot voices of one base share its lanes."""
        return self._open_engine().speak(map(self._with_prompt, asked), self._beat)

    def _with_prompt(self, asked: tuple[Request, Voice]) -> Asked:
        request, voice = asked
        if not isinstance(voice, GptSovitsVoice) or not self.shares_lanes_with(voice):
            raise VoiceError(f"{request.key}: its voice speaks over other weights")
        return request, voice._prompt  # noqa: SLF001 - it is one of us

    def close(self) -> None:
        """Gives back the networks' memory, unless other voices speak with them."""
        self._engine = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _beat(self) -> None:
        self.on_beat()  # whoever watches may have changed since the speaking began

    def _open_engine(self) -> Engine:
        if self._engine is None:
            raise VoiceError("the voice is closed")
        return self._engine


def _nothing() -> None:
    pass


class GptSovitsWeights:
    """An engine that several voices may speak with."""

    def __init__(self, engine: Engine, backbones: Backbones) -> None:
        self._engine = engine
        self._backbones = backbones
        self._voices: list[GptSovitsVoice] = []

    @property
    def n_bytes(self) -> int:
        """The memory of its networks on their device, the adapters of its open voices among it."""
        worn = sum(voice.n_own_bytes for voice in self._voices)
        return self._engine.n_bytes + worn

    def voice(self, source: VoiceSource) -> GptSovitsVoice:
        """The voice that speaks after this source's prompts; raises as `open_prompt`.

        One with adapters wears them; the base's weights are its own otherwise.
        """
        prompt = open_prompt(source, self._engine, self._backbones)
        adapters = read_adapters(source.folder)
        engine = self._engine.wearing(adapters) if adapters else self._engine
        n_own_bytes = engine.n_bytes if adapters else 0
        self._voices = [voice for voice in self._voices if voice.is_open]
        self._voices.append(GptSovitsVoice(engine, prompt, source.weights_digest, n_own_bytes))
        return self._voices[-1]

    def close(self) -> None:
        """Closes every voice, and with the last of them the engine goes."""
        for voice in self._voices:
            voice.close()
        self._voices.clear()


def open_voice(source: VoiceSource) -> GptSovitsVoice:
    """The voice its manifest describes.

    Raises:
        VoiceError: a parameter is wrong, or weights, prompts or backbones are missing or unfit.
    """
    return open_weights(source).voice(source)


def open_weights(source: VoiceSource) -> GptSovitsWeights:
    """The weights that a voice's manifest names, loaded as its parameters say.

    Raises:
        VoiceError: a parameter is wrong, or the weights are missing or unfit.
    """
    device = read_device(source.parameters)
    with_polyphones = source.parameters.get("polyphones", False)
    if not isinstance(with_polyphones, bool):
        raise VoiceError(f"parameters.polyphones: {with_polyphones!r} is neither true nor false")
    backbones = Backbones(source.backbones, device, weights=source.weights, with_polyphones=with_polyphones)
    if source.weights is None:
        raise VoiceError("the voice has no folder of weights")
    if (n_threads := _whole(source.parameters, "threads")) and device.type == "cpu":
        torch.set_num_threads(n_threads)
    engine = Engine.open(
        source.weights,
        backbones,
        device,
        _whole(source.parameters, "n_lanes"),
        _read_precision(source.parameters),
    )
    return GptSovitsWeights(engine, backbones)


def open_prompt(source: VoiceSource, engine: Engine, backbones: Backbones) -> Prompt:
    """The prompt of a voice that speaks with this engine: as it was kept, else made and kept.

    Raises:
        VoiceError: there is none, or it, the lexicon or a backbone is unfit.
    """
    lexicon = _read_lexicon(source)
    path, key = features.place_of(source), features.key_of(source, lexicon)
    prompt = features.recall(path, key, lexicon) if path else None
    if prompt is None:
        prompt = make_prompt(source.prompts, engine.front, engine.decoder, backbones, lexicon)
        if path:
            features.keep(path, key, prompt)
    return prompt


def read_device(parameters: Mapping[str, Parameter]) -> torch.device:
    """The device a voice is to speak on.

    Raises:
        VoiceError: a parameter is unknown, or the device is not there.
    """
    for name in parameters:
        if name not in PARAMETERS:
            guesses = difflib.get_close_matches(name, PARAMETERS, n=1)
            hint = f"did you mean {guesses[0]!r}?" if guesses else f"known are {', '.join(PARAMETERS)}"
            raise VoiceError(f"parameters.{name}: unknown to GPT-SoVITS voices; {hint}")
    wanted = parameters.get("device", "cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(str(wanted))
    except RuntimeError:
        raise VoiceError(f"parameters.device: {wanted!r} is no device; cpu and cuda are") from None
    if device.type not in {"cpu", "cuda"}:
        raise VoiceError(f"parameters.device: {wanted!r} is not supported; cpu and cuda are")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise VoiceError(f"parameters.device: there is no {wanted!r} on this machine")
    return device


def _read_precision(parameters: Mapping[str, Parameter]) -> Precision:
    value = parameters.get("precision", Precision.FP32.value)
    try:
        return Precision(str(value))
    except ValueError:
        known = ", ".join(Precision)
        raise VoiceError(f"parameters.precision: {value!r} is unknown; known are {known}") from None


def _whole(parameters: Mapping[str, Parameter], name: str) -> int:
    """A parameter that is a count; 0 where it is not given."""
    value = parameters.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int) or (name in parameters and value < 1):
        raise VoiceError(f"parameters.{name}: {value!r} is not a whole number from 1")
    return value


def _read_lexicon(source: VoiceSource) -> Lexicon:
    """The voice's own lexicon; empty where its folder has none."""
    path = source.folder / FILE if source.folder else None
    if path is None or not path.is_file():
        return Lexicon()
    try:
        return read_lexicon(path.read_bytes(), place=FILE)
    except (OSError, LexiconError) as error:
        raise VoiceError(f"the voice's lexicon: {error}") from error
