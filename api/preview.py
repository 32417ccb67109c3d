"""GET /v1/voices/{voice}/preview: what a voice sounds like, before a book is given to it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from apiflask import APIBlueprint
from flask import Response, request

from api.auth import needs, principal
from api.errors import Problem
from api.office import the_office
from api.speech import speak
from api.speech_request import SpeechRequest
from book.stream import StreamFormat
from models_store.consent import ConsentError
from models_store.manifest import NAME, ManifestError, VoiceManifest
from models_store.shelf import UnknownVoiceError
from speech.gpt_sovits.files import FAMILY

blueprint = APIBlueprint("preview", __name__, tag="Voices")

SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "en": "Good evening, and welcome: tonight we begin a new book.",
        "zh": "晚上好，欢迎收听，今晚我们翻开一本新书。",
        "ja": "こんばんは、ようこそ。今夜から新しい本を読み始めます。",
        "ko": "안녕하세요, 반갑습니다. 오늘 밤 새 책을 읽기 시작합니다.",
        "yue": "夜晚好，歡迎收聽，今晚我哋揭開一本新書。",
    }
)
"""Language -> what is said in it: some four seconds."""


@blueprint.get("/v1/voices/<voice>/preview")
@needs("narrate")
def preview_voice(voice: str) -> Response:
    """Hear a voice.

    Its newest version says a short sentence in the language of its prompt, as MP3. It is spoken like any
    other short text the first time it is asked for, and kept.
    """
    manifest = _manifest_of(voice)
    language = _language_of(manifest)
    text = SENTENCES[language]
    etag = hashlib.sha256(f"{manifest.version} {text}".encode()).hexdigest()[:32]
    if etag in request.if_none_match:
        answer = Response(status=304)
    else:
        name = f"{voice}@{manifest.version}"
        asked = SpeechRequest(
            input=text, voice=name, language=language, response_format=StreamFormat.MP3, stream=False
        )
        answer = speak(asked)
    answer.set_etag(etag)
    answer.headers["Cache-Control"] = "private, no-cache"  # a newer version sounds otherwise: ask again
    return answer


def _manifest_of(name: str) -> VoiceManifest:
    """The newest version of the voice, which may speak."""
    shelf = the_office().shelf.of(principal().tenant_id)
    if NAME.fullmatch(name) is None:
        raise Problem(404, "There is no such voice.", kind="no-such-voice")
    try:
        manifest = shelf.resolve(name)
        shelf.require_consent(manifest)
    except (UnknownVoiceError, ManifestError) as error:
        raise Problem(404, "There is no such voice.", kind="no-such-voice") from error
    except ConsentError as error:
        raise Problem(409, f"{error}.", kind="no-consent") from error
    if manifest.family == FAMILY and not manifest.prompts:
        raise Problem(409, "It speaks with somebody's prompt, and not without one.", kind="no-prompt")
    return manifest


def _language_of(manifest: VoiceManifest) -> str:
    """One that we have a sentence in and the voice speaks: that of its prompt rather than another."""
    prompts = [prompt.language.partition("-")[0] for prompt in manifest.prompts]
    for language in (*prompts, *SENTENCES):
        if language in SENTENCES and manifest.speaks(language):
            return language
    raise Problem(409, "The voice speaks none of the languages of a preview.", kind="no-preview")
