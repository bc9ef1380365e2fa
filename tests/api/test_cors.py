"""Which web pages of others may call the API."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from tests.api.programs import program

SignIn = Callable[[User], Client]
SHOP, OTHER = "https://shop.example.com", "https://other.example.com"
ALLOWED = "Access-Control-Allow-Origin"
ME = "/api/v1/me"


@pytest.fixture(autouse=True)
def origins(settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = [SHOP]


def preflight(path: str, origin: str) -> Any:
    wants = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    return Client().options(path, headers={"Origin": origin, **wants})


@pytest.mark.parametrize("path", ["/api/v1/jobs", "/api/upload-and-process", "/v1.0/removebg", "/api/v1/nothing"])
def test_a_named_origin_is_let_in_and_brings_no_cookies(path: str) -> None:
    answer = preflight(path, SHOP)
    assert (answer.status_code, answer[ALLOWED]) == (200, SHOP)
    assert "POST" in answer["Access-Control-Allow-Methods"]
    assert {"authorization", "x-api-key", "idempotency-key", "content-type"} <= set(
        answer["Access-Control-Allow-Headers"].split(", ")
    )
    assert "Access-Control-Allow-Credentials" not in answer
    assert "origin" in answer["Vary"]


@pytest.mark.parametrize(
    "origin", [OTHER, "null", "https://shop.example.com.evil.example", "http://shop.example.com", "https://[", "x"]
)
def test_another_origin_is_not(origin: str, alice: User) -> None:
    assert ALLOWED not in preflight("/api/v1/jobs", origin)
    answer = program(alice).get(ME, headers={"Origin": origin})
    assert (answer.status_code, ALLOWED in answer) == (200, False)


def test_a_page_from_a_disk_is_let_in_where_the_setting_says_so(alice: User, settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = [SHOP, "null"]
    assert preflight("/api/v1/jobs", "null")[ALLOWED] == "null"
    assert program(alice).get(ME, headers={"Origin": "null"})[ALLOWED] == "null"


def test_no_origin_is_let_in_where_none_is_named(settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = []
    assert [ALLOWED in preflight("/api/v1/jobs", origin) for origin in (SHOP, "null", "")] == [False] * 3


def test_an_answer_can_be_read_with_its_headers_problems_too(alice: User) -> None:
    client = program(alice)
    answers = {
        200: client.get(ME, headers={"Origin": SHOP}),
        401: Client().get(ME, headers={"Origin": SHOP}),
        404: client.get("/api/v1/nothing", headers={"Origin": SHOP}),
        405: client.put(ME, headers={"Origin": SHOP}),
        422: client.get("/api/v1/tokens?limit=x", headers={"Origin": SHOP}),
    }
    for status, answer in answers.items():
        assert (answer.status_code, answer[ALLOWED]) == (status, SHOP)
        assert {"ratelimit", "retry-after", "location"} <= set(answer["Access-Control-Expose-Headers"].split(", "))
        assert "Access-Control-Allow-Credentials" not in answer


def test_pages_are_nobody_elses_to_read(alice: User, as_user: SignIn) -> None:
    for path in (reverse("account"), reverse("jobs"), "/health"):
        assert ALLOWED not in as_user(alice).get(path, headers={"Origin": SHOP})
        assert ALLOWED not in preflight(path, SHOP)


def test_our_scripts_can_be_loaded_by_any_page(settings: Any) -> None:
    settings.WHITENOISE_AUTOREFRESH = settings.WHITENOISE_USE_FINDERS = True
    answer = Client().get("/static/js/app.js", headers={"Origin": "null"})
    assert (answer.status_code, answer[ALLOWED]) == (200, "*")
    assert "javascript" in answer["Content-Type"]
    answer.close()


def test_an_origin_that_is_none_is_told_at_the_start(settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["shop.example.com"]
    with pytest.raises(CommandError, match="corsheaders"):
        call_command("check")
