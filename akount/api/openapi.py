"""The OpenAPI 3.1 specification of the JSON API, made from the routes, their rules and the schemas that validate; and its page."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.common import resolve_schema_cls
from flask import Blueprint, Flask, Response, current_app, jsonify, render_template_string, send_from_directory
from marshmallow import Schema, fields
from werkzeug.routing import Rule

from akount import __version__
from akount.api.contract import Contract, Shape, contract
from akount.api.guards import CLERK_COOKIE, SESSION_COOKIE, public
from akount.api.problems import TITLES
from akount.api.schemas import Instant, ProblemSchema
from akount.kinds import KINDS, Kind

bp = Blueprint("openapi", __name__)

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
DESCRIPTION = """Uploads of bills and invoices, the jobs that read them, and the records that come of them.

Money is in integer minor units of the record's currency, dates are YYYY-MM-DD, instants ISO-8601 in UTC, ids UUIDs.
Every error is `application/problem+json` (RFC 9457) with a stable `code`. Who belongs to several tenants, and an operator
who belongs to none, says in the header `X-Tenant-ID` in which one they act; one that is not theirs is 404."""
WAIT = {"Retry-After": "Seconds until it is worth asking again."}
LIMIT = {
    "RateLimit-Limit": "How often one may ask in a window.",
    "RateLimit-Remaining": "How often still in this one.",
    "RateLimit-Reset": "Seconds until there is room again.",
}
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The API of Akount Document Intelligence</title>
<link rel="icon" href="{{ url_for('openapi.static', filename='favicon-32x32.png') }}">
<link rel="stylesheet" href="{{ url_for('openapi.static', filename='swagger-ui.css') }}">
</head>
<body>
<div id="swagger-ui" data-url="{{ url_for('openapi.document') }}"></div>
<script src="{{ url_for('openapi.static', filename='swagger-ui-bundle.js') }}"></script>
<script src="{{ url_for('openapi.static', filename='docs.js') }}"></script>
</body>
</html>
"""


@bp.get("/openapi.json")
@public
def document() -> Response:
    """This specification."""
    return jsonify(_made_once(current_app._get_current_object()))  # type: ignore[attr-defined]


@bp.get("/docs")
@public
def page() -> Response:
    """The specification as a page for people."""
    return Response(render_template_string(PAGE), content_type="text/html; charset=utf-8")


@bp.get("/docs/static/<path:filename>")
@public
def static(filename: str) -> Response:
    """The files of the page."""
    return send_from_directory(Path(__file__).parent / "static" / "swagger-ui", filename, max_age=86_400)


@functools.cache
def _made_once(app: Flask) -> dict[str, Any]:
    return specification(app)


def specification(app: Flask) -> dict[str, Any]:
    """The whole specification of an application's JSON API."""
    marshmallow = MarshmallowPlugin(schema_name_resolver=_schema_name)
    info = {"description": DESCRIPTION, "license": {"name": "Proprietary", "identifier": "LicenseRef-Proprietary"}}
    spec = APISpec("Akount Document Intelligence", __version__, "3.1.0", info=info, plugins=[marshmallow])
    assert marshmallow.converter is not None  # noqa: S101  it is made by the line above
    marshmallow.converter.map_to_openapi_type(Instant, "string", "date-time")  # type: ignore[no-untyped-call]
    spec.components.security_scheme(
        "bearer", {"type": "http", "scheme": "bearer", "description": "An API key (ak_…) or a session token."}
    )
    spec.components.security_scheme("clerk", {"type": "apiKey", "in": "cookie", "name": CLERK_COOKIE})
    spec.components.security_scheme("session", {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE})
    spec.components.security_scheme("ticket", {"type": "apiKey", "in": "query", "name": "ticket"})
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        view = app.view_functions[rule.endpoint]
        if rule.rule.startswith("/api/") and getattr(view, "contract", None) is not None:
            spec.path(_path(rule), operations={m.lower(): _operation(rule, view, m) for m in METHODS if m in (rule.methods or ())})
    return spec.to_dict()


def _schema_name(schema: Any) -> str:
    name = resolve_schema_cls(schema).__name__  # type: ignore[union-attr]
    return str(name).removesuffix("Schema")


def _path(rule: Rule) -> str:
    return re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)


def _operation(rule: Rule, view: Any, method: str) -> dict[str, Any]:
    said = contract(view)
    kind = KINDS.get(str((rule.defaults or {}).get("kind_name")))
    words = (inspect.getdoc(view) or "").split("\n\n")
    operation: dict[str, Any] = {
        "operationId": f"{rule.endpoint.replace('.', '-')}-{method.lower()}",
        "tags": [kind.plural if kind else rule.rule.split("/")[2]],
        "summary": words[0].replace("\n", " "),
        "parameters": [*_path_parameters(rule), *_header_parameters(said)],
        "responses": _responses(rule, view, kind),
        "security": _security(view),
    }
    if len(words) > 1:
        operation["description"] = "\n\n".join(words[1:])
    if said.query is not None:
        operation["parameters"].append({"in": "query", "schema": said.query})
    if said.body is not None:
        operation["requestBody"] = {
            "required": said.required,
            "content": {"application/json": {"schema": _of_kind(said.body, kind)}},
        }
    if said.form is not None:
        operation["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": _with_file(said.form)}}}
    return operation


def _security(view: Any) -> list[dict[str, list[str]]]:
    if view.rule is None:
        return []
    by_ticket: list[dict[str, list[str]]] = [{"ticket": []}] if getattr(view, "by_ticket", False) else []
    return [{"bearer": []}, {"clerk": []}, {"session": []}, *by_ticket]


def _path_parameters(rule: Rule) -> list[dict[str, Any]]:
    named = sorted(rule.arguments - set(rule.defaults or {}))
    return [{"in": "path", "name": name, "required": True, "schema": _path_schema(rule, name)} for name in named]


def _path_schema(rule: Rule, name: str) -> dict[str, Any]:
    if f"<int:{name}>" in rule.rule:
        return {"type": "integer", "minimum": 1}
    return {"type": "string", "format": "uuid"}


def _header_parameters(said: Contract) -> list[dict[str, Any]]:
    return [
        {"in": "header", "name": name, "required": False, "description": about, "schema": {"type": "string"}}
        for name, about in said.headers.items()
    ]


@functools.cache
def _with_file(form: type[Schema]) -> type[Schema]:
    """The form with its file, which goes another way than the other fields (see uploads.UploadRequest)."""
    file = fields.Raw(required=True, metadata={"type": "string", "format": "binary"})
    return type(form.__name__, (form,), {"file": file, "__doc__": form.__doc__})


def _responses(rule: Rule, view: Any, kind: Kind | None) -> dict[str, Any]:
    said = contract(view)
    responses = {str(status): _answer(shape, kind) for status, shape in said.answers.items()}
    responses |= {str(status): _problem(status) for status in sorted(_refusals(rule, view, said))}
    return responses


def _answer(shape: Shape | None, kind: Kind | None) -> dict[str, Any]:
    described: dict[str, Any] = {"description": "As asked."}
    if isinstance(shape, str):
        return described | {"content": {media: {"schema": _any_of(media)} for media in shape.split(", ")}}
    if shape is None:
        return described
    return described | {"content": {"application/json": {"schema": _of_kind(shape, kind)}}}


def _of_kind(shape: type[Schema] | Callable[[Kind], type[Schema]], kind: Kind | None) -> type[Schema]:
    return shape if isinstance(shape, type) else shape(kind)  # type: ignore[arg-type]


def _any_of(media: str) -> dict[str, Any]:
    """What comes as it is: the text of a list, or the JSON of one."""
    return {"type": "array", "items": {"type": "object"}} if media == "application/json" else {"type": "string"}


def _refusals(rule: Rule, view: Any, said: Contract) -> set[int]:
    """The problems that a view may answer, by what it asks for."""
    found = {429, 503} | said.refusals
    found |= {401, 403, 400} if view.rule is not None else set()
    found |= {404} if rule.arguments - set(rule.defaults or {}) else set()
    found |= {422} if said.query or said.body or said.form else set()
    return found | ({400, 413, 415} if said.body or said.form else set())


def _problem(status: int) -> dict[str, Any]:
    described = {"description": TITLES[status] + ".", "content": {"application/problem+json": {"schema": ProblemSchema}}}
    if status == 429:
        return described | {"headers": _headers(WAIT | LIMIT)}
    return described | {"headers": _headers(WAIT)} if status == 503 else described


def _headers(about: dict[str, str]) -> dict[str, Any]:
    return {name: {"description": words, "schema": {"type": "integer"}} for name, words in about.items()}
