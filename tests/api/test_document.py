from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import openapi_spec_validator
import pytest
from flask.testing import FlaskClient

from tests.api.conftest import Hands, Server, narrate

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "openapi.json"


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json
    return found


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    openapi_spec_validator.validate(document)


def test_the_committed_document_is_that_of_the_app(document: dict[str, Any]) -> None:
    committed = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    assert committed == document, "docs/openapi.json is stale: python -m api.document > docs/openapi.json"


def test_the_committed_document_is_what_the_command_writes() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "api.document"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert made.stdout == DOCUMENT.read_text(encoding="utf-8")


def test_every_route_is_documented_and_no_other(server: Server, document: dict[str, Any]) -> None:
    served = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in server.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if not rule.rule.startswith(("/static", "/docs", "/openapi.json"))
    }
    documented = {(path, method) for path, operations in document["paths"].items() for method in operations}
    assert documented == served


def test_every_guarded_call_documents_its_problems(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if path.startswith("/v1/"):
                assert {"401", "403", "429", "500", "503"} <= set(operation["responses"])
            assert operation["summary"]
            assert operation["operationId"]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for name in re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)):
        assert name in document["components"]["schemas"]


def test_answers_fit_their_shapes(client: FlaskClient, hands: Hands, document: dict[str, Any]) -> None:
    from openapi_schema_validator import OAS31Validator

    job_id = narrate(client)
    hands.finish()
    narrate(client)
    hands.fail()
    for path, template in (
        (f"/v1/jobs/{job_id}", "/v1/jobs/{job_id}"),
        ("/v1/jobs", "/v1/jobs"),
        ("/v1/voices", "/v1/voices"),
        ("/v1/voices/stub", "/v1/voices/{voice}"),
        ("/readyz", "/readyz"),
    ):
        content = document["paths"][template]["get"]["responses"]["200"]["content"]
        schema = {**content["application/json"]["schema"], "components": document["components"]}
        OAS31Validator(schema).validate(client.get(path).json)


class Outside(HTMLParser):
    """Collects whatever a page would fetch, and its scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"script", "link", "img", "iframe"}:
            self.found.append(tag)
        self.found += [
            value for name, value in attrs if name in {"src", "style"} or name.startswith("on") if value
        ]


def test_the_page_needs_nothing_from_elsewhere_and_runs_no_script(client: FlaskClient) -> None:
    answer = client.get("/docs")
    page = Outside()
    page.feed(answer.text)
    assert page.found == []
    assert "https://" not in re.sub(r"<pre>.*?</pre>", "", answer.text, flags=re.DOTALL)
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src" not in policy
    assert "default-src 'none'" in policy


def test_the_page_shows_every_call(client: FlaskClient, document: dict[str, Any]) -> None:
    page = client.get("/docs").text
    for path, operations in document["paths"].items():
        assert path in page
        assert all(operation["operationId"] in page for operation in operations.values())
