"""The specification says what the API does: it is complete, frozen, and every answer fits it (E7)."""

import json

import pytest
import schemathesis
from api_help import Worker
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import positive_data_acceptance, response_schema_conformance, status_code_conformance

import config
from akount.api.openapi import specification
from akount.errors import Unreadable
from akount.lifecycle import Runtime
from akount.limits import numbers
from fresh import settings_for
from make import submitted
from people import People, settle_in
from tools.freeze_openapi import FROZEN

OPEN_ENDED = {"/api/openapi.json", "/api/docs", "/api/docs/static/<path:filename>"}
"""What is about the specification is not in it."""


@pytest.fixture(scope="module")
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> config.Settings:
    return settings_for(request, tmp_path_factory, JOBS_PER_MINUTE="1000000", RATE_LIMIT_PER_MINUTE="1000000")


@pytest.fixture(scope="module")
def people(runtime: Runtime) -> People:
    return settle_in(runtime.database)


def test_every_page_of_the_api_is_in_the_specification(app: Flask) -> None:
    rules = {rule.rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/")} - OPEN_ENDED
    assert len(specification(app)["paths"]) == len(rules)


def test_the_specification_changes_only_with_its_frozen_copy(app: Flask) -> None:
    """`make openapi` writes it anew: who changes the contract sees what changes."""
    assert json.loads(FROZEN.read_text()) == json.loads(json.dumps(specification(app)))


def test_every_operation_says_who_may_and_what_is_answered(app: Flask) -> None:
    operations = [op for path in specification(app)["paths"].values() for op in path.values() if isinstance(op, dict)]
    assert all(op["summary"].endswith(".") for op in operations)
    assert all(any(status.startswith("2") for status in op["responses"]) for op in operations)
    assert len({op["operationId"] for op in operations}) == len(operations)


def test_every_refusal_that_passes_says_when_to_ask_again(app: Flask) -> None:
    answers = [operation["responses"] for page in specification(app)["paths"].values() for operation in page.values()]
    assert all(set(of["429"]["headers"]) == {"Retry-After", *numbers(1, 0, 1.0)} for of in answers)
    assert all(set(of["503"]["headers"]) == {"Retry-After"} for of in answers)


def test_the_page_for_people_is_served_without_anything_from_elsewhere(client: FlaskClient) -> None:
    page = client.get("/api/docs")
    assert page.content_type == "text/html; charset=utf-8"
    assert "http" not in page.text.replace("<!doctype html>", "")
    assert "<script>" not in page.text
    assert "style=" not in page.text


@pytest.fixture(scope="module")
def contract(app: Flask, runtime: Runtime, people: People) -> schemathesis.BaseSchema:
    """The specification, with things of Ada's that its examples can name."""
    worker = Worker(runtime)
    done = submitted(runtime, people.ada)
    worker.process(done.id)
    failing = Worker(runtime, Unreadable("This is no invoice.", code="not_an_invoice"))
    failing.process(submitted(runtime, people.ada).id)
    worker.stop()
    failing.stop()
    return schemathesis.openapi.from_wsgi("/api/openapi.json", app)


OPERATIONS = [(path, method) for path, methods in json.loads(FROZEN.read_text())["paths"].items() for method in methods]


@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=[f"{method} {path}" for path, method in OPERATIONS])
def test_every_answer_fits_the_specification(contract: schemathesis.BaseSchema, people: People, path: str, method: str) -> None:
    """Examples and fuzzed requests, signed in and not: the status, the form and the content are as specified.

    What a schema cannot say is refused all the same: a cursor that is not ours, a file that is none."""

    @given(case=contract[path][method].as_strategy())
    @effort(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def signed_in(case: schemathesis.Case) -> None:
        case.call_and_validate(headers=people.ada.headers, excluded_checks=[positive_data_acceptance])

    @given(case=contract[path][method].as_strategy())
    @effort(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def not_signed_in(case: schemathesis.Case) -> None:
        answer = case.call()
        case.validate_response(answer, checks=[not_a_server_error, status_code_conformance, response_schema_conformance])
        assert answer.status_code == 401 or for_everybody, answer.text

    for_everybody = contract[path][method].definition.raw["security"] == []
    signed_in()
    not_signed_in()
