"""GET /docs: the OpenAPI document for people, with no script and nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final, cast

from apiflask import APIBlueprint, APIFlask
from flask import Response, current_app, render_template_string

blueprint = APIBlueprint("reading", __name__, enable_openapi=False)

STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font-family: ui-monospace, monospace; font-size: .9em; }
pre { padding: .75rem; overflow-x: auto; border: 1px solid #8886; border-radius: 4px; }
summary { cursor: pointer; padding: .3rem 0; }
summary b { display: inline-block; min-width: 3.5rem; }
details details, details > p, details > table { margin-left: 3.75rem; }
table { border-collapse: collapse; } td { padding: .1rem 1rem .1rem 0; vertical-align: top; }
@media (prefers-color-scheme: dark) { body { background: #16181c; color: #ddd; } a { color: #8ab4f8; } }
"""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY: Final = (
    f"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; style-src 'sha256-{_STYLE_HASH}'"
)

PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{ document.info.title }} {{ document.info.version }}</title>
<style>{{ style | safe }}</style></head><body>
<h1>{{ document.info.title }} <small>{{ document.info.version }}</small></h1>
<p>{{ document.info.description }} For programs: <a href="/openapi.json">openapi.json</a>.</p>
<h2>Calls</h2>
{% for path, operations in document.paths.items() %}{% for method, operation in operations.items() %}
<details id="{{ operation.operationId }}">
<summary><b>{{ method | upper }}</b> <code>{{ path }}</code> {{ operation.summary }}</summary>
{% if operation.description %}<p>{{ operation.description }}</p>{% endif %}
{% if operation.parameters %}<table>{% for parameter in operation.parameters %}
<tr><td><code>{{ parameter.name }}</code></td><td>{{ parameter.in }}</td>
<td>{{ parameter.description or parameter.schema.description or "" }}</td></tr>{% endfor %}</table>{% endif %}
{% for kind, body in (operation.requestBody or {}).get("content", {}).items() %}
<details><summary>{{ kind }}</summary><pre>{{ body.schema | tojson(indent=2) }}</pre></details>{% endfor %}
<table>{% for status, answer in operation.responses | dictsort %}
<tr><td>{{ status }}</td><td>{{ answer.description }}</td></tr>{% endfor %}</table>
</details>{% endfor %}{% endfor %}
<h2>Shapes</h2>
{% for name, schema in document.components.schemas | dictsort %}
<details id="{{ name }}"><summary><code>{{ name }}</code> {{ schema.description or "" }}</summary>
<pre>{{ schema | tojson(indent=2) }}</pre></details>{% endfor %}
</body></html>
"""


@blueprint.get("/docs")
def show_document() -> Response:
    """The page."""
    document: dict[str, Any] = cast("Any", cast("APIFlask", current_app).spec)
    page = render_template_string(PAGE, document=document, style=STYLE)
    return Response(
        page, content_type="text/html; charset=utf-8", headers={"Content-Security-Policy": POLICY}
    )
