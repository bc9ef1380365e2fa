"""The OpenAPI document: valid, whole, true to what is answered; and the page that shows it."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from processing import outbox
from processing.api import document
from processing.api.v1 import api
from processing.models import Delivery
from tests import make
from tests.api.programs import program
from tests.conftest import picture

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


def test_what_creates_takes_a_key(told: Any, operations: dict[str, Any]) -> None:
    """All but a token, whose secret is not kept, and what is told a webhook, where each is to be another."""
    creating = {one["operationId"]: one for one in operations.values() if {"201", "202"} & set(one["responses"])}
    keyed = {
        name for name, one in creating.items() if "Idempotency-Key" in {part["name"] for part in one["parameters"]}
    }
    assert set(creating) - keyed == {"create_token", "test_webhook", "replay_failed", "replay_delivery"}
    for name in ("create_job", "create_upload"):
        assert {"401", "403", "409", "413", "415", "422", "429"} <= set(creating[name]["responses"])
    assert "Retry-After" in told["components"]["responses"]["429"]["headers"]


def test_what_was_made_is_found_where_the_document_says(operations: dict[str, Any], alice: User) -> None:
    client, job, csv = program(alice), make.job(alice, is_open=True), make.products(alice, 1)
    endpoint = make.endpoint(alice, "https://shop.example.com/told")
    delivery = outbox.example(endpoint)
    Delivery.objects.update(given_up_at=timezone.now())
    photo = {"file": SimpleUploadedFile("wood.png", picture(format="PNG"))}
    url = "https://img.example.com/1.jpg"
    asked: dict[str, tuple[str, Any]] = {
        "create_job": ("jobs", {"image_urls": url}), "create_upload": ("uploads", {"image_url": url}),
        "add_to_job": (f"jobs/{job.pk}/uploads", {"image_urls": url}), "create_background": ("backgrounds", photo),
        "create_token": ("tokens", {}), "make_links_of_job": (f"jobs/{csv.pk}/links", {}),
        "create_webhook": ("webhooks", {"url": "https://shop.example.com/too"}),
        "test_webhook": (f"webhooks/{endpoint.pk}/test", {}),
        "replay_delivery": (f"deliveries/{delivery.pk}/replay", {}),
        "replay_failed": (f"webhooks/{endpoint.pk}/replay", {"since": "2024-03-01T00:00:00Z"}),
    }  # fmt: skip
    said = {}
    for one in operations.values():
        for status in {"201", "202"} & set(one["responses"]):
            path, fields = asked[one["operationId"]]
            answer = client.post(f"/api/v1/{path}", fields)
            assert str(answer.status_code) == status, (path, answer.content)
            said[path] = "Location" in answer, "Location" in one["responses"][status]["headers"]
    assert {path: found for path, found in said.items() if len(set(found)) > 1} == {}


def test_the_shapes_of_other_systems_have_a_valid_one_too(db: None) -> None:
    found = Client().get("/api/dialects/openapi.json").json()
    assert [error.message for error in OpenAPIV31SpecValidator(found).iter_errors()] == []
    assert {"/upload/", "/v1.0/removebg", "/api/images/upload", "/api/v1/tasks/{task_id}"} <= set(found["paths"])
    shown = Client().get("/api/docs?dialects").content
    assert b'data-document="/api/dialects/openapi.json"' in shown
    assert b'data-document="/api/v1/openapi.json"' in Client().get("/api/docs").content


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


def test_a_form_is_not_filled_with_null(operations: dict[str, Any]) -> None:
    for name, operation in operations.items():
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            if "form" in kind:
                fields = content["schema"]["properties"].values()
                assert all(field.get("default", "") is not None for field in fields), name
