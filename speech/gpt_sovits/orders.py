"""The requests in hand: each is read, tried, judged, and tried again or delivered.

`Orders` is what the lanes pull from. It runs dry when nothing is left for the moment, and may have more once
a doubtful attempt comes back or somebody asks for something new; so it is an iterator that can go on after
its end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

import numpy as np
import torch
from torch import Tensor

from speech.decode import SemanticRequest, SemanticTake
from speech.errors import BadTakeError, SpeechError, UnreadableTextError
from speech.gpt_sovits.doubt import UNUSABLE, USUAL_TOKENS, doubt_sound, doubt_tokens, limit_tokens
from speech.gpt_sovits.front import Front
from speech.gpt_sovits.prompt import Prompt
from speech.gpt_sovits.settings import Settings
from speech.networks.decoder import SoundRequest
from speech.text.lexicon import Lexicon
from speech.text.phonemes import Phonemes
from speech.voice import Request, Samples, Take

RETAKES: Final = 3
"""How often a doubtful take is taken again."""

Asked = tuple[Request, Prompt]
"""A request and the prompt it is to be spoken after."""


@dataclass(slots=True)
class Attempt:
    """One decode of an utterance."""

    take: int
    tokens: Tensor
    """`int64[S]`"""
    doubts: tuple[str, ...]
    samples: Samples | None = None
    """`[N]`, once its tokens were found worth sounding."""


@dataclass(slots=True)
class Order:
    """One request in hand."""

    request: Request
    prompt: Prompt
    settings: Settings
    text: Phonemes
    linguistic: Tensor = field(default_factory=lambda: torch.zeros(0))
    """`float[P, W]`, once it was read."""
    n_takes: int = 1
    """How many takes of it were asked for: equal requests in hand are spoken once."""
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def noise_key(self) -> str:
        """What its noise is keyed by, and what the lanes call it."""
        return self.settings.noise_key(self.request.key)

    @property
    def best(self) -> Attempt:
        """The attempt with the fewest doubts, the first of several."""
        return min(self.attempts, key=lambda attempt: len(attempt.doubts))

    @property
    def wants_retake(self) -> bool:
        """Whether every attempt is doubtful, and another is allowed and may differ: greedy ones never do."""
        is_greedy = self.settings.tokens.top_k == 1
        return bool(self.best.doubts) and len(self.attempts) <= RETAKES and not is_greedy

    def semantic_request(self) -> SemanticRequest:
        """The next attempt, as the lanes take it."""
        return SemanticRequest(
            self.noise_key,
            torch.cat([self.prompt.phonemes, torch.tensor(self.text.ids)]),
            torch.cat([self.prompt.linguistic, self.linguistic]),
            self.prompt.tokens,
            replace(self.settings.tokens, max_tokens=limit_tokens(len(self.text.ids))),
            self.request.take + len(self.attempts),
        )

    def hear_tokens(self, take: SemanticTake) -> None:
        """Notes an attempt's tokens, and what is to be doubted of them."""
        doubts = doubt_tokens(take.tokens.numpy(), len(self.text.ids), is_ended=take.is_ended)
        self.attempts.append(Attempt(self.request.take + len(self.attempts), take.tokens, doubts))

    def sound_request(self) -> SoundRequest:
        """The best attempt, as the decoder takes it."""
        return SoundRequest(
            self.noise_key,
            self.best.tokens,
            torch.tensor(self.text.ids),
            self.prompt.style,
            self.settings.speed,
            self.settings.noise_scale,
            self.best.take,
        )

    def hear_sound(self, sound: Tensor) -> None:
        """Notes the best attempt's sound, and what is to be doubted of it."""
        best = self.best
        best.samples = np.ascontiguousarray(sound.float().cpu().numpy())
        best.doubts += doubt_sound(best.samples, speed=self.settings.speed)

    def deliver(self) -> Take:
        """The take of the best attempt.

        Raises:
            BadTakeError: no attempt can be listened to.
        """
        best = self.best
        if best.samples is None or UNUSABLE & set(best.doubts):
            error = BadTakeError(f"no take of {len(self.attempts)} can be used: {', '.join(best.doubts)}")
            error.add_note(self.request.key)
            raise error
        return Take(self.request.key, best.samples, best.doubts)


class Orders(Iterator[SemanticRequest]):
    """Requests as the lanes pull them: those to be tried again, then new ones, never more than `n` in hand.

    A request that cannot be read ends the pulling; its error waits in `error` until the others are done.
    """

    def __init__(self, asked: Iterator[Asked], front: Front, *, n: int, n_slots: int) -> None:
        """What lanes of `n_slots` slots pull, out of `asked`; at most `n` are in hand at once."""
        self._asked = asked
        self._front = front
        self._n = n
        self._n_slots = n_slots
        self._ready: deque[Order] = deque()
        self._in_hand: dict[str, Order] = {}
        self._is_dry = False
        """Whether the last pull found less than was wanted."""
        self.error: SpeechError | None = None

    @property
    def may_have_more(self) -> bool:
        """Whether there may be something for the lanes once what is in hand is delivered."""
        return bool(self._ready) or not (self._is_dry or self.error)

    def __next__(self) -> SemanticRequest:
        while not self._ready:
            has_room = not self.error and len(self._in_hand) < self._n
            if not has_room or not self._pull(self._n - len(self._in_hand)):
                raise StopIteration
        return self._ready.popleft().semantic_request()

    def find(self, noise_key: str) -> Order:
        """The order that the lanes call so."""
        return self._in_hand[noise_key]

    def put_back(self, order: Order) -> None:
        """Has an order tried again, before anything new is begun."""
        self._ready.append(order)

    def settle(self, order: Order) -> list[Take]:
        """The takes of an order that is done, which leaves the hand; none if none can be listened to."""
        del self._in_hand[order.noise_key]
        try:
            return [order.deliver()] * order.n_takes
        except BadTakeError as error:
            self.error = self.error or error
            return []

    def _pull(self, n: int) -> bool:
        """Takes up to `n` requests in hand; whether there was any."""
        asked = list(islice(self._asked, n))
        self._is_dry = len(asked) < n
        new = []
        for request, prompt in asked:
            try:
                new += self._begin(request, prompt)
            except SpeechError as error:  # each may fail for itself, and the others are spoken
                error.add_note(request.key)
                self.error = self.error or error
        for order, linguistic in zip(new, self._front.linguistic([o.text for o in new]), strict=True):
            order.linguistic = linguistic
        self._ready.extend(new)
        return bool(asked)

    def _begin(self, request: Request, prompt: Prompt) -> list[Order]:
        """A new order; none where an equal request is in hand already, whose take will do for both."""
        settings = Settings.of(request.sampling)
        same = self._in_hand.get(settings.noise_key(request.key))
        if same is not None:
            if same.request != request or same.prompt is not prompt:
                raise SpeechError("two requests of different content have the same key")
            same.n_takes += 1
            return []
        lexicon = Lexicon.join(prompt.lexicon, Lexicon(request.lexicon))
        order = Order(request, prompt, settings, self._front.phonemise(request.utterance.spans, lexicon))
        self._check_room(order)
        self._in_hand[order.noise_key] = order
        return [order]

    def _check_room(self, order: Order) -> None:
        """Raises UnreadableTextError where a lane is full before the utterance is said at a usual pace."""
        n_phonemes, n_prompt = len(order.text.ids), len(order.prompt.phonemes) + len(order.prompt.tokens)
        if self._n_slots - n_prompt - n_phonemes < USUAL_TOKENS * n_phonemes:
            raise UnreadableTextError(
                f"{n_phonemes} phonemes are too many to be spoken in one pass after a prompt of {n_prompt} "
                f"phonemes and tokens, from {order.text.text[:20]!r} on"
            )
