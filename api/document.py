"""The OpenAPI document: what APIFlask cannot know of our views is put in here, once for all of them.

`python -m api.document > docs/openapi.json` writes the one that is committed.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from apiflask import APIFlask

from api.accepting import IDEMPOTENCY_KEY
from api.shapes import ProblemShape
from api.speech_request import SpeechRequest
from api.voice_parts import MOST_PROMPTS, ConsentRequest, VoiceRequest
from book.stream import STREAMINGS, StreamFormat
from jobs.ids import ID_PATTERN
from jobs.specs import NarrationRequest
from jobs.training import MOST_RECORDINGS, TrainingRequest
from jobs.voice_specs import ExportRequest, PullRequest
from models_store.manifest import NAME

Node = dict[str, Any]

SECURITY: Final = "key"
ALWAYS: Final = {
    "401": "No key, or not a valid one.",
    "403": "The key lacks the scope.",
    "429": "A limit is reached; `Retry-After` says when to ask again.",
    "500": "Our fault; the operator finds it in the log under `reference`.",
    "503": "A part of the house does not answer just now; `Retry-After` says when to ask again.",
}
_JOB: Final = {"404": "There is no such job, at least not for you."}
_VOICE: Final = {"404": "There is no such voice."}
_MOVE: Final = {**_JOB, "409": "The job cannot make this move from its `state`."}
PROBLEMS: Final = {
    ("/v1/narrations", "post"): {
        "400": "Not even JSON.",
        "413": "Longer than the server takes.",
        "415": "Neither JSON nor multipart/form-data.",
        "422": "A field is wrong, or the Idempotency-Key was used for another request.",
    },
    ("/v1/trainings", "post"): {
        "400": "Not even JSON, or not even multipart.",
        "413": "Longer than the server takes.",
        "415": "Not multipart/form-data.",
        "422": "A field or a file will not do, or the Idempotency-Key was used for another request.",
    },
    ("/v1/audio/speech", "post"): {
        "400": "Not even JSON.",
        "409": "Its job was cancelled.",
        "413": "Longer than the server takes.",
        "415": "Not JSON.",
        "422": "A field is wrong, or the voice cannot speak the text; `errors` names it.",
        "504": "A worker had it, and no sound came in time; `job` is the job, which is cancelled.",
    },
    ("/v1/jobs", "get"): {"422": "A query parameter is wrong."},
    ("/v1/jobs/{job_id}", "get"): _JOB,
    ("/v1/jobs/{job_id}/cancel", "post"): _MOVE,
    ("/v1/jobs/{job_id}/pause", "post"): _MOVE,
    ("/v1/jobs/{job_id}/resume", "post"): _MOVE,
    ("/v1/jobs/{job_id}/retry", "post"): _MOVE,
    ("/v1/jobs/{job_id}/events", "get"): {**_JOB, "422": "`Last-Event-ID` is not the id of an event."},
    ("/v1/jobs/{job_id}/artefacts/{name}", "get"): {
        "404": "There is no such job or file, at least not for you.",
        "416": "The range begins after the file's end.",
    },
    ("/v1/voices", "post"): {
        "400": "Not even JSON, or not even multipart.",
        "409": "The name is that of a voice for everybody.",
        "413": "Longer than the server takes.",
        "415": "Not multipart/form-data.",
        "422": "A field or a file will not do; `errors` names it.",
    },
    ("/v1/voices/{voice}", "get"): _VOICE,
    ("/v1/voices/{voice}/preview", "get"): {
        **_VOICE,
        "409": "It may not speak, or cannot without a prompt, or its job was cancelled.",
        "422": "It cannot say the sentence; `detail` says why.",
    },
    ("/v1/voices/{voice}/export", "post"): {
        "400": "Not even JSON.",
        "403": "The key lacks the scope, or the voice is not yours to take with you.",
        "404": "There is no such voice or version.",
        "409": "Its speaker has not agreed, or GPT-SoVITS' files cannot hold it.",
        "413": "Longer than the server takes.",
        "415": "Not JSON.",
        "422": "A field is wrong, or the Idempotency-Key was used for another request.",
    },
    ("/v1/voices/pull", "post"): {
        "400": "Not even JSON.",
        "413": "Longer than the server takes.",
        "415": "Not JSON.",
        "422": "A field is wrong, or the Idempotency-Key was used for another request.",
    },
    ("/v1/voices/{voice}", "delete"): {**_VOICE, "409": "Other voices speak with its weights."},
    ("/v1/voices/{voice}/versions/{version}", "delete"): {
        "404": "There is no such voice or version.",
        "409": "Other voices speak with its weights.",
    },
    ("/v1/voices/{voice}/consent", "get"): {"404": "There is no such voice, or no consent on record."},
    ("/v1/voices/{voice}/consent", "put"): {
        **_VOICE,
        "400": "Not even JSON.",
        "413": "Longer than the server takes.",
        "422": "The statement is none.",
    },
    ("/readyz", "get"): {"503": "The ledger does not answer or its migrations are behind."},
}
"""The errors of each operation, beside those of every one that asks who is there."""

_OF_A_JOB: Final = ("show_job", "stream_events", "pause_job", "resume_job", "cancel_job", "retry_job")
_PATTERNS: Final = {
    "job_id": f"^{ID_PATTERN.pattern}$",
    "voice": f"^{NAME.pattern}$",
    "version": "^[0-9a-f]{6,64}$",
}
_TEXT: Final = {"schema": {"type": "string"}}
_HEADERS_ACCEPTED: Final = {
    "Location": {"description": "The job.", **_TEXT},
    "Retry-After": {"description": "Seconds after which a look may be worth it.", **_TEXT},
    "Idempotency-Replayed": {"description": "true: the first answer to this key, once more.", **_TEXT},
}
_ETAG: Final = {"ETag": _TEXT}
_SPOKEN_BY: Final = {"Lectorium-Job": {"description": "The job that speaks it.", **_TEXT}}
_SOUND: Final = {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}
_EVENT: Final = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "The number to come back with as `Last-Event-ID`."},
        "event": {"type": "string", "description": "`job.running`, `step.succeeded`, `chapter.done`, ..."},
        "data": {"type": "string", "description": "JSON: `kind`, `at` and what there is to say of it."},
    },
}


def complete(given: Any) -> Any:
    """The document with security, problems, bodies, headers and the patterns of ids."""
    document = _with_short_names(given)
    schemas = document["components"]["schemas"]
    document["tags"] = list({tag["name"]: tag for tag in document["tags"]}.values())
    schemas["Problem"] = _schema(ProblemShape, schemas)
    document["components"]["securitySchemes"] = {
        SECURITY: {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key, made by `lectorium key create`. A server on loopback needs none.",
        }
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete_operation(path, method, operation)
    _describe_narration(document["paths"]["/v1/narrations"]["post"], schemas)
    _describe_training(document["paths"]["/v1/trainings"]["post"], schemas)
    _describe_speech(document["paths"]["/v1/audio/speech"]["post"], schemas)
    _describe_voice(document["paths"], schemas)
    _describe_voice_jobs(document["paths"], schemas)
    _describe_job(document["paths"])
    return document


def _complete_operation(path: str, method: str, operation: Node) -> None:
    guarded = path.startswith(("/v1/", "/metrics"))
    operation["security"] = [{SECURITY: []}, {}] if guarded else []
    operation["summary"] = operation["summary"].rstrip(".")
    operation["operationId"] = operation["operationId"].split("_", 2)[2]  # without method and blueprint
    answers: Node = operation["responses"]
    for status in [status for status in answers if status[0] in "45"]:
        del answers[status]  # APIFlask's own error shapes, which are not ours
    problems = {**(ALWAYS if guarded else {}), **PROBLEMS.get((path, method), {})}
    for status, description in problems.items():
        content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        answers[status] = {"description": description, "content": content}
    for parameter in operation["parameters"]:
        _complete_parameter(parameter)


def _complete_parameter(parameter: Node) -> None:
    if parameter["in"] == "path":
        parameter["required"] = True
    if parameter["name"] in _PATTERNS:
        parameter["schema"] = {"type": "string", "pattern": _PATTERNS[parameter["name"]]}
    kinds = [kind for kind in parameter["schema"].get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:  # a parameter is left out, not null
        parameter["schema"] = kinds[0]


def _describe_narration(operation: Node, schemas: Node) -> None:
    request = _schema(NarrationRequest, schemas)
    spec = {**request, "properties": {**request["properties"]}}
    del spec["properties"]["text"]
    schemas["Narration"] = {**spec, "title": "Narration", "description": "What the narration shall be like."}
    schemas["NarrationOfText"] = {
        **request,
        "title": "NarrationOfText",
        "properties": {**request["properties"], "text": _text_schema(request)},
        "required": ["text"],
    }
    parts = {
        "file": {"type": "string", "contentMediaType": "application/octet-stream", "minLength": 1},
        "spec": {"$ref": "#/components/schemas/Narration"},
    }
    form = {"type": "object", "properties": parts, "required": ["file"], "additionalProperties": False}
    operation["requestBody"] = {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/NarrationOfText"}},
            "multipart/form-data": {
                "schema": form,
                "encoding": {"spec": {"contentType": "application/json"}},
            },
        },
    }
    _describe_acceptance(operation)


def _describe_acceptance(operation: Node) -> None:
    operation["responses"]["202"]["headers"] = _HEADERS_ACCEPTED
    operation["responses"]["202"]["links"] = {
        verb: {"operationId": verb, "parameters": {"job_id": "$response.body#/id"}} for verb in _OF_A_JOB
    }
    operation["parameters"].append(
        {
            "in": "header",
            "name": "Idempotency-Key",
            "description": "The same key and request get the first answer again and make no second job.",
            "schema": {"type": "string", "pattern": f"^{IDEMPOTENCY_KEY}$"},
        }
    )


def _describe_training(operation: Node, schemas: Node) -> None:
    schemas["Training"] = {**_schema(TrainingRequest, schemas), "title": "Training"}
    file = {"type": "string", "contentMediaType": "application/octet-stream", "minLength": 1}
    parts = {
        "spec": {"$ref": "#/components/schemas/Training"},
        "recordings": {
            "type": "array",
            "items": file,
            "minItems": 1,
            "maxItems": MOST_RECORDINGS,
            "description": "Any sound files, each with a name of its own.",
        },
        "list": {**file, "description": "path|speaker|language|text, a line for each recording, UTF-8."},
    }
    form = {
        "type": "object",
        "properties": parts,
        "required": ["spec", "recordings"],
        "additionalProperties": False,
    }
    encoding = {"spec": {"contentType": "application/json"}}
    operation["requestBody"] = {
        "required": True,
        "content": {"multipart/form-data": {"schema": form, "encoding": encoding}},
    }
    _describe_acceptance(operation)


def _describe_speech(operation: Node, schemas: Node) -> None:
    schemas["Speech"] = {**_schema(SpeechRequest, schemas), "title": "Speech"}
    operation["requestBody"] = {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Speech"}}},
    }
    operation["responses"]["200"] = {
        "description": "The sound, while it is being made.",
        "headers": _SPOKEN_BY,
        "content": {how.media_type: _SOUND for how in STREAMINGS.values()},
    }


def _describe_voice(paths: Node, schemas: Node) -> None:
    schemas["NewVoice"] = {**_schema(VoiceRequest, schemas), "title": "NewVoice"}
    schemas["NewConsent"] = {**_schema(ConsentRequest, schemas), "title": "NewConsent"}
    file = {"type": "string", "contentMediaType": "application/octet-stream", "minLength": 1}
    parts = {
        "spec": {"$ref": "#/components/schemas/NewVoice"},
        "prompt": {
            "type": "array",
            "items": file,
            "minItems": 1,
            "maxItems": MOST_PROMPTS,
            "description": "Any sound file, 3 to 10 s.",
        },
        "semantic": {**file, "description": "Weights of the semantic model, as safetensors."},
        "decoder": {**file, "description": "Weights of the decoder, as safetensors."},
    }
    form = {
        "type": "object",
        "properties": parts,
        "required": ["spec", "prompt"],
        "additionalProperties": False,
    }
    made = paths["/v1/voices"]["post"]
    encoding = {"spec": {"contentType": "application/json"}}
    made["requestBody"] = {
        "required": True,
        "content": {"multipart/form-data": {"schema": form, "encoding": encoding}},
    }
    made["responses"]["201"]["headers"] = {"Location": {"description": "The voice.", **_TEXT}}
    heard = paths["/v1/voices/{voice}/preview"]["get"]
    heard["parameters"].append({"in": "header", "name": "If-None-Match", **_TEXT})
    heard["responses"]["200"] = {
        "description": "The sentence, whole.",
        "headers": {**_ETAG, **_SPOKEN_BY},
        "content": {STREAMINGS[StreamFormat.MP3].media_type: _SOUND},
    }
    heard["responses"]["304"] = {"description": "As it was.", "headers": _ETAG}
    paths["/v1/voices/{voice}/consent"]["put"]["requestBody"] = {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewConsent"}}},
    }


def _describe_voice_jobs(paths: Node, schemas: Node) -> None:
    schemas["Export"] = {**_schema(ExportRequest, schemas), "title": "Export"}
    schemas["Pull"] = {**_schema(PullRequest, schemas), "title": "Pull"}
    for path, name, is_required in (
        ("/v1/voices/{voice}/export", "Export", False),
        ("/v1/voices/pull", "Pull", True),
    ):
        content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
        paths[path]["post"]["requestBody"] = {"required": is_required, "content": content}
        _describe_acceptance(paths[path]["post"])


def _text_schema(request: Node) -> Node:
    given = request["properties"]["text"]
    return next(dict(kind) for kind in given["anyOf"] if kind.get("type") == "string")


def _describe_job(paths: Node) -> None:
    shown = paths["/v1/jobs/{job_id}"]["get"]
    shown["parameters"].append({"in": "header", "name": "If-None-Match", **_TEXT})
    shown["responses"]["200"]["headers"] = _ETAG
    shown["responses"]["304"] = {"description": "As it was.", "headers": _ETAG}
    paths["/v1/jobs"]["get"]["responses"]["200"]["headers"] = {
        "Link": {"description": 'The next page, as rel="next".', **_TEXT}
    }
    events = paths["/v1/jobs/{job_id}/events"]["get"]
    events["parameters"].append(
        {"in": "header", "name": "Last-Event-ID", "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"}}
    )
    content = {"text/event-stream": {"schema": _EVENT}}
    events["responses"]["200"] = {"description": "The events, each like this.", "content": content}
    events["responses"]["204"] = {"description": "The job has ended and there is no later event."}
    _describe_download(paths["/v1/jobs/{job_id}/artefacts/{name}"]["get"])
    paths["/metrics"]["get"]["responses"]["200"]["content"] = {"text/plain": _TEXT}


def _describe_download(operation: Node) -> None:
    for name in ("Range", "If-Range", "If-None-Match"):
        operation["parameters"].append({"in": "header", "name": name, **_TEXT})
    content = {"*/*": {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}}
    operation["responses"]["200"] = {"description": "The file.", "headers": _ETAG, "content": content}
    operation["responses"]["206"] = {"description": "A range of it.", "headers": _ETAG, "content": content}
    operation["responses"]["302"] = {
        "description": "Where the store hands it out.",
        "headers": {"Location": _TEXT},
    }
    operation["responses"]["304"] = {"description": "As it was.", "headers": _ETAG}


def _with_short_names(document: Node) -> Node:
    """APIFlask calls what a shape is built of Outer.Inner; the same Inner stands in many of ours."""
    prefix = "#/components/schemas/"
    text = re.sub(rf'(?<="{prefix})\w+\.(?=\w+")', "", json.dumps(document))
    short: Node = json.loads(text)
    schemas = short["components"]["schemas"]
    short["components"]["schemas"] = {name.rpartition(".")[2]: schema for name, schema in schemas.items()}
    return short


def _schema(model: Any, schemas: Node) -> Node:
    """The model's JSON schema; what it is built of stands among the document's own."""
    found: Node = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(found.pop("$defs", {}))
    return found


def describe(app: APIFlask) -> None:
    """Lets the app's document be completed whenever it is made."""
    app.spec_processor(complete)


def main() -> None:
    """Writes the document of a server with the default settings to standard output."""
    from api.app import create_app  # which imports this module
    from jobs.settings import Settings

    with tempfile.TemporaryDirectory() as home:
        document = create_app(Settings(home=Path(home))).spec
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
