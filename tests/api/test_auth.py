"""Who may ask, and what the others are told."""

from django.contrib.auth.models import User
from django.test import Client

from processing import tokens


def test_a_token_says_who_asks(alice: User) -> None:
    made = tokens.make(alice, "Shop", ["read"])
    answer = Client().get("/api/v1/me", headers={"Authorization": f"Bearer {made.secret}"})
    assert answer.status_code == 200, answer.content
    assert answer.json()["name"] == "alice"


def test_without_a_token_it_is_a_problem(db: None) -> None:
    for path, status in (("/api/v1/me", 401), ("/api/v1/nothing", 404)):
        answer = Client().get(path)
        assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    assert Client().delete("/api/v1/me").status_code == 405
    assert Client().get("/api/v1/openapi.json").json()["openapi"] == "3.1.0"
