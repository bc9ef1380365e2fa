"""The OpenAPI document: valid, whole, true to what is answered; and the page that shows it."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from processing.api import document
from processing.api.v1 import api

PLACE = "/api/v1/openapi.json"
KINDS_OF_TEXT = ("application/json", "application/problem+json", "application/x-www-form-urlencoded")


@pytest.fixture(scope="module")
def told() -> Any:
    return json.loads(api.document[0])


@pytest.fixture(scope="module")
def operations(told: Any) -> dict[str, Any]:
    return {f"{method} {path}": one for path, found in told["paths"].items() for method, one in found.items()}


def contents(told: Any, operation: Any) -> Iterator[tuple[str, Any]]:
    """What goes in and comes out, by its type."""
    for part in (operation.get("requestBody", {}), *operation["responses"].values()):
        shared = part.get("$ref", "").rpartition("/")[2]
        yield from (told["components"]["responses"][shared] if shared else part).get("content", {}).items()


def test_it_is_valid_openapi_3_1(told: Any) -> None:
    assert told["openapi"].startswith("3.1")
    assert [error.message for error in OpenAPIV31SpecValidator(told).iter_errors()] == []


def test_it_says_who_where_and_how(told: Any, settings: Any) -> None:
    assert told["info"]["title"] == "photoproc"
    assert "Idempotency-Key" in told["info"]["description"]
    assert [server["url"] for server in told["servers"]] == [settings.URL]
    assert set(told["components"]["securitySchemes"]) == {"token", "key", "session"}


def test_every_operation_is_told_whole(told: Any, operations: dict[str, Any]) -> None:
    """Except that one that asks nobody who he is says so."""
    known = {tag["name"] for tag in told["tags"] if tag["description"]}
    for name, one in operations.items():
        assert one["operationId"].isidentifier(), name
        assert one["summary"], name
        assert one["description"], name
        assert one["tags"], name
        assert set(one["tags"]) <= known, name
        assert one["security"] or name == "get /api/v1/health", name
        assert {"429", "default"} <= set(one["responses"]), name
    assert len({one["operationId"] for one in operations.values()}) == len(operations)


def test_every_tag_is_used(told: Any) -> None:
    assert {tag["name"] for tag in told["tags"]} == set(document.TAGS)


def test_every_request_and_answer_has_an_example_that_fits(told: Any, operations: dict[str, Any]) -> None:
    for name, one in operations.items():
        for kind, content in contents(told, one):
            if kind not in KINDS_OF_TEXT:
                continue
            whole = {**content["schema"], "components": told["components"]}
            wrong = [error.message for error in Draft202012Validator(whole).iter_errors(content["example"])]
            assert wrong == [], name


def test_an_operation_says_which_scope_it_needs(operations: dict[str, Any]) -> None:
    for name, scope in {"get /api/v1/me": "read", "post /api/v1/queue/pause": "queue"}.items():
        assert operations[name]["security"] == [{"token": [scope]}, {"key": [scope]}, {"session": []}]
    assert {} in operations["post /api/v1/tokens"]["security"]


def test_what_creates_takes_a_key_and_says_where_it_is(told: Any, operations: dict[str, Any]) -> None:
    for name in ("post /api/v1/jobs", "post /api/v1/uploads"):
        assert "Idempotency-Key" in [one["name"] for one in operations[name]["parameters"]]
        assert "Location" in operations[name]["responses"]["202"]["headers"]
        assert {"401", "403", "409", "413", "415", "422", "429"} <= set(operations[name]["responses"])
    assert "Retry-After" in told["components"]["responses"]["429"]["headers"]


def test_errors_are_told_as_they_come(told: Any, db: None) -> None:
    problem = {**told["components"]["schemas"]["Problem"], "components": told["components"]}
    for path in ("/api/v1/me", "/api/v1/nothing"):
        Draft202012Validator(problem).validate(Client().get(path).json())


def test_it_is_made_once_and_is_not_sent_again(db: None) -> None:
    first = Client().get(PLACE)
    again = Client().get(PLACE, headers={"If-None-Match": first["ETag"]})
    assert (first.status_code, first["Content-Type"]) == (200, "application/json")
    assert (again.status_code, again.content) == (304, b"")
    assert Client().post(PLACE).status_code == 405


def test_an_example_is_made_of_its_parts_where_there_is_none() -> None:
    schemas = {"Size": {"type": "object", "properties": {"width": {"type": "integer", "examples": [80]}}}}
    schema = {"type": "array", "items": {"$ref": "#/components/schemas/Size"}}
    assert document.example_of(schema, schemas) == [{"width": 80}]


def test_the_page_comes_from_this_server_alone(db: None) -> None:
    answer = Client().get("/api/docs")
    policy = answer["Content-Security-Policy"]
    assert answer.status_code == 200
    assert b"://" not in answer.content.replace(b'content="http', b"")
    assert "img-src 'self' blob: data:" in policy
    assert "unsafe" not in policy
    assert "data:" not in Client().get("/account/login/")["Content-Security-Policy"]


def test_a_session_may_try_it_out_with_its_csrf_token(alice: User, as_user: Callable[[User], Client]) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    page = client.get("/api/docs").content.decode()
    csrf = page.partition('data-csrf="')[2].partition('"')[0]
    fields = {"name": "Shop", "scopes": ["read"]}
    said = [
        client.post("/api/v1/tokens", fields, "application/json", headers=headers).status_code
        for headers in ({}, {"X-CSRFToken": csrf})
    ]
    assert said == [403, 201]
