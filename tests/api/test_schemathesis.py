"""Hostile requests, made from the document: every operation, with data that fits and data that does not."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck
from hypothesis.stateful import run_state_machine_as_test
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import positive_data_acceptance

from api.app import create_app
from jobs.ledger.keys import SCOPES
from jobs.settings import Settings
from tests.api.conftest import Hands, Server, narrate
from tests.api.test_document import DOCUMENT


def calls() -> list[tuple[str, str, GenerationMode]]:
    """Every operation with fitting data, and those that have any data with data that does not fit."""
    paths = json.loads(DOCUMENT.read_text(encoding="utf-8"))["paths"]
    return [
        (path, method.upper(), mode)
        for path, operations in paths.items()
        for method, operation in operations.items()
        for mode in GenerationMode
        if mode.is_positive or operation["parameters"] or "requestBody" in operation
    ]


BOUNDED = hypothesis.settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Iterator[Server]:
    """A server that asks for keys and has jobs in several states."""
    home = tmp_path_factory.mktemp("walked")
    shutil.copy(migrated_sqlite, home / "ledger.sqlite3")
    app = create_app(Settings(home=home, stub_voice=True, require_keys=True, requests_per_minute=1_000_000))
    server = Server(app, app.extensions["lectorium"])
    alice, hands = server.as_tenant("alice"), Hands(server.office)
    narrate(alice)
    hands.finish()
    narrate(alice)
    hands.fail()
    narrate(alice)
    server.office.closing.set()  # event streams tell what there is and end
    yield server
    server.office.ledger.close()


@pytest.fixture(scope="module")
def api_schema(walked: Server) -> Any:
    key = walked.ledger.keys.create(walked.tenants["alice"], name="walk", scopes=SCOPES)
    schema = schemathesis.openapi.from_wsgi("/openapi.json", walked.app)
    schema.config.update(headers={"Authorization": f"Bearer {key}"})
    return schema


@pytest.mark.parametrize(("path", "method", "mode"), calls())
def test_no_request_surprises_the_server(
    api_schema: Any, path: str, method: str, mode: GenerationMode
) -> None:
    operation = api_schema[path][method]

    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    @BOUNDED
    def ask(case: schemathesis.Case) -> None:
        check(case, case.call())

    ask()


def check(case: schemathesis.Case, answer: schemathesis.Response, **more: Any) -> None:
    """All checks, but what the schema allows may be refused for what no schema can say.

    The server is stopping all the while: a preview or a speech that nobody has spoken yet is told so.
    """
    excluded = [positive_data_acceptance] if is_beyond_schema(answer) else []
    if answer.status_code == 503 and answer.json()["type"].endswith(":stopping"):
        excluded = [not_a_server_error, positive_data_acceptance]
    case.validate_response(answer, excluded_checks=excluded, **more)


def is_beyond_schema(answer: schemathesis.Response) -> bool:
    """An unknown voice, an address that leads inside, 1.0 for 1, an Idempotency-Key used before, a word said
    in two ways or in none, a setting this voice does not know; a speech with instructions, or without a
    letter; of a voice what is no sound, no weights, no language of a cloned voice, or only blanks; of a
    training hours that are none, or have passed, or words of another recording; to be pulled what nobody has
    published."""
    if answer.status_code != 422:
        return False
    told = ("pointer", "header", "parameter")
    faults = (next(filter(None, map(fault.get, told)), "") for fault in answer.json()["errors"])
    places = {re.sub(r"^/(lexicon|sampling|windows|words|options)/.*", r"/\1", place) for place in faults}
    of_a_narration = {"/voice", "/webhook/url", "/priority", "/lexicon", "/sampling", "Idempotency-Key"}
    of_a_voice = {"/base", "/prompt", "/semantic", "/decoder", "/language", "/transcript"}
    of_a_training = {"/name", "/recordings", "/windows", "/deadline", "/words", "/options"}
    of_a_speech = {"/instructions", "/input"}
    of_a_pull = {"/names", "/only"}
    known = of_a_narration | of_a_voice | of_a_training | of_a_speech | of_a_pull
    return places <= known | {"/consent", "/statement"}


@pytest.mark.slow
def test_no_order_of_requests_surprises_the_server(api_schema: Any) -> None:
    machine: Any = api_schema.as_state_machine()

    class Walk(machine):  # type: ignore[misc]  # made at run time
        def validate_response(self, response: Any, case: Any, **more: Any) -> None:
            check(case, response, **more)

    run_state_machine_as_test(
        Walk, settings=hypothesis.settings(BOUNDED, max_examples=12, stateful_step_count=6)
    )
