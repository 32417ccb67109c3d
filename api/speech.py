"""POST /v1/audio/speech: a short text is heard while it is still being spoken. Compatible with OpenAI's call.

It is a job like every other, planned here and in one transaction, with a chunk for each utterance that goes
before all books. `docs/speech-api.md` says where this call differs from OpenAI's.
"""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Callable, Iterator
from itertools import chain

from apiflask import APIBlueprint
from flask import Response, request
from pydantic import ValidationError

from api.auth import needs, principal
from api.errors import Problem, invalid, invalid_body, pointer
from api.office import the_office
from api.speaking import ClientGoneError, Speech, SpeechBrokenError
from api.speech_request import SpeechRequest
from book.language import UNKNOWN, guess_language
from book.stream import STREAMINGS, stream
from jobs.ids import new_id
from jobs.ledger.values import PlannedChapter, Stored
from jobs.specs import Narration
from jobs.states import JobKind
from models_store.consent import ConsentError
from models_store.manifest import VoiceManifest
from models_store.options import OptionError, sampling_for
from models_store.scripts import MEDIA_TYPE, Script, freeze
from models_store.shelf import UnknownVoiceError
from speech.text.script import read as read_script
from speech.text.utterance import Utterance
from speech.units import SAMPLE_RATE

blueprint = APIBlueprint("speech", __name__, tag="Speech")
log = logging.getLogger(__name__)

MOST_BYTES = 64_000
"""4,096 characters, each written as an escape of twelve bytes, and the other fields."""
_PARAGRAPHS = re.compile(r"\n\s*\n")


@blueprint.post("/v1/audio/speech")
@needs("narrate")
def create_speech() -> Response:
    """Have a short text spoken at once.

    The sound is sent while it is being made, utterance by utterance, ahead of all books. Made for the clients
    of OpenAI's call of this name.
    """
    return speak(_read())


def speak(asked: SpeechRequest) -> Response:
    """The answer that is the sound asked for: as it is made, or whole.

    Raises:
        Problem: 409, 422, 429, 500, 503 or 504.
    """
    script, manifest = _plan(asked)
    office, tenant_id = the_office(), principal().tenant_id
    if not office.speeches.take(tenant_id):
        detail = "Too many speeches are in hand; wait for one to end."
        raise Problem(429, detail, kind="too-many-speeches", headers={"Retry-After": "2"})
    speech: Speech | None = None

    def let_go() -> None:
        office.speeches.give_back(tenant_id)
        if speech is not None:
            speech.let_go()

    try:
        speech = _submit(asked, script, manifest)
        return _answer(asked, speech, let_go)
    except BaseException:
        let_go()
        raise


def _read() -> SpeechRequest:
    if request.mimetype != "application/json":
        raise Problem(415, "Send application/json.", headers={"Accept": "application/json"})
    request.max_content_length = MOST_BYTES
    try:
        return SpeechRequest.model_validate_json(request.get_data(cache=False))
    except ValidationError as error:
        raise invalid_body(error, SpeechRequest) from error


def _plan(asked: SpeechRequest) -> tuple[Script, VoiceManifest]:
    """What is to be said, by which version of the voice; or 422 with what cannot be done."""
    try:
        shelf = the_office().shelf.of(principal().tenant_id)
        manifest = shelf.resolve(asked.voice)
        shelf.require_consent(manifest)
        sampling = sampling_for(manifest, Narration(voice=asked.voice, speed=asked.speed))
    except (UnknownVoiceError, ConsentError) as error:
        raise invalid([{"pointer": "/voice", "detail": str(error)}]) from error
    except OptionError as error:
        raise invalid([{"pointer": pointer(*error.place), "detail": error.reason}]) from error
    utterances = _utterances(asked.input, _language(asked, manifest))
    return Script.write(utterances, voice=manifest, sampling=sampling), manifest


def _language(asked: SpeechRequest, manifest: VoiceManifest) -> str:
    """As asked, else as the text seems, else the voice's own: that of its prompt, or the first it speaks."""
    language = asked.language or guess_language(asked.input)
    if language == UNKNOWN:
        prompts = [prompt.language for prompt in manifest.prompts]
        language = next(known for known in (*prompts, "en", *manifest.languages) if manifest.speaks(known))
    if not manifest.speaks(language):
        place = "/language" if asked.language else "/input"
        raise invalid([{"pointer": place, "detail": f"voice {manifest.name!r} does not speak {language!r}"}])
    return language


def _utterances(text: str, language: str) -> tuple[Utterance, ...]:
    paragraphs = [("paragraph", [(part, language)]) for part in _PARAGRAPHS.split(text) if part.strip()]
    utterances = read_script(paragraphs)
    if not utterances:
        raise invalid([{"pointer": "/input", "detail": "there is nothing in it to say"}])
    return utterances


def _submit(asked: SpeechRequest, script: Script, manifest: VoiceManifest) -> Speech:
    office, tenant_id = the_office(), principal().tenant_id
    content = freeze(script)
    key = f"t/{tenant_id}/speeches/{new_id()}.json"
    kept = office.objects.put(key, content, media_type=MEDIA_TYPE)
    submitted = office.ledger.jobs.submit(
        tenant_id,
        JobKind.NARRATION,
        {**asked.model_dump(mode="json", exclude={"input"}), "voice": script.voice},
        title=" ".join(asked.input.split())[:60],
        priority=9,
        n_characters=len(asked.input),
        speech=PlannedChapter(
            title="",
            n_characters=len(asked.input),
            n_utterances=len(script.utterances),
            script=Stored("script", kept.key, kept.sha256, kept.n_bytes, MEDIA_TYPE),
        ),
        weights_digest=manifest.weights_digest,
    )
    office.doorbell.ring(submitted.knocks)
    return Speech(office, tenant_id, submitted.job_id, script, _listener())


def _answer(asked: SpeechRequest, speech: Speech, let_go: Callable[[], None]) -> Response:
    """The sound. Whatever goes wrong before its first byte is still answered as a problem."""
    sound = stream(speech.blocks(), SAMPLE_RATE, asked.response_format)
    try:
        first = next(sound)
        whole = first + b"".join(sound) if not asked.stream else b""
    except ClientGoneError:
        return _nobody(let_go)
    answer = Response(whole or _unbroken(chain([first], sound), speech.job_id))
    answer.content_type = STREAMINGS[asked.response_format].media_type
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Accel-Buffering"] = "no"  # nginx would keep the sound to itself
    answer.headers["Lectorium-Job"] = speech.job_id
    answer.call_on_close(let_go)
    return answer


def _unbroken(sound: Iterator[bytes], job_id: str) -> Iterator[bytes]:
    """The sound; if it breaks off, the connection is cut, for silence would be taken for its end."""
    try:
        yield from sound
    except ClientGoneError:
        return
    except Exception as error:
        log.warning("a speech broke off: %s", error, extra={"job_id": job_id})
        raise SpeechBrokenError(str(error)) from error


def _nobody(let_go: Callable[[], None]) -> Response:
    let_go()
    return Response(status=499)  # nginx's number for this; it is only ever read in our log


def _listener() -> Callable[[], bool]:
    """Tells whether the client has hung up, where the server lets us see its end of the line."""
    line = request.environ.get("gunicorn.socket")

    def is_gone() -> bool:
        if not isinstance(line, socket.socket):
            return False
        try:
            return line.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False  # it waits, as it should
        except (OSError, ValueError):
            return True

    return is_gone
