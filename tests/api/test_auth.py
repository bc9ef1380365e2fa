"""Who may ask, and what the others are told."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from processing import tokens
from processing.models import Token
from tests.api.programs import program

SignIn = Callable[[User], Client]
HOUR = timedelta(hours=1)


def me(secret: str, header: str = "Authorization", scheme: str = "Bearer ") -> Any:
    return Client().get("/api/v1/me", headers={header: f"{scheme}{secret}"})


def told(answer: Any) -> tuple[int, str, str]:
    problem = answer.json()
    assert answer["Content-Type"] == "application/problem+json"
    return answer.status_code, problem["code"], problem["detail"].split(".")[0]


def test_a_token_says_who_asks_in_either_header(alice: User) -> None:
    secret = tokens.make(alice, "Shop", ["read"]).secret
    answers = [me(secret), me(secret, scheme="bearer "), me(secret, "X-Api-Key", "")]
    assert [(answer.status_code, answer.json()["name"]) for answer in answers] == [(200, "alice")] * 3


def test_without_a_token_it_is_a_problem(db: None) -> None:
    for path, status in (("/api/v1/me", 401), ("/api/v1/nothing", 404)):
        answer = Client().get(path)
        assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    assert Client().get("/api/v1/me")["WWW-Authenticate"] == "Bearer"
    assert Client().delete("/api/v1/me").status_code == 405
    assert Client().get("/api/v1/openapi.json").json()["openapi"] == "3.1.0"


def test_the_password_of_a_proxy_is_no_token_of_ours(alice: User, as_user: SignIn) -> None:
    secret = tokens.make(alice, "Shop", ["read"]).secret
    assert told(me(secret, scheme="Basic ")) == (401, "not_authenticated", "There is no token")
    proxys = {"Authorization": "Basic eDp5"}
    assert Client().get("/api/v1/me", headers=proxys | {"X-Api-Key": secret}).status_code == 200
    assert as_user(alice).get("/api/v1/me", headers=proxys).status_code == 200


def test_every_unknown_secret_is_answered_alike(alice: User) -> None:
    known = tokens.make(alice, "Shop", ["read"])
    tokens.revoke(tokens.make(alice, "Old", ["read"]).token)
    guesses = [known.secret[:-1] + ("A" if known.secret[-1] != "A" else "B"), known.token.prefix, known.secret + "A"]
    guesses += [f"{token.prefix}{'A' * 35}" for token in Token.objects.all()]
    guesses += ["pho_" + "A" * 43, "x", "é", "\0", "pho_" + "é" * 43, "A" * 5000]
    assert {me(guess).content for guess in guesses} == {me("pho_").content}
    assert told(me("pho_")) == (401, "not_authenticated", "There is no such token")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"expires_at": timezone.now() - HOUR}, "The token has expired"),
        ({"revoked_at": timezone.now()}, "The token was revoked"),
        ({"revoked_at": timezone.now(), "expires_at": timezone.now() - HOUR}, "The token was revoked"),
    ],
)
def test_who_holds_the_whole_secret_is_told_why_it_works_no_more(
    change: dict[str, Any], reason: str, alice: User
) -> None:
    made = tokens.make(alice, "Shop", ["read"])
    Token.objects.update(**change)
    assert told(me(made.secret)) == (401, "not_authenticated", reason)


def test_a_token_ends_with_its_owners_account(alice: User) -> None:
    made = tokens.make(alice, "Shop", ["read"])
    User.objects.update(is_active=False)
    assert told(me(made.secret)) == (401, "not_authenticated", "The token was revoked")


def test_a_token_that_does_not_work_is_not_helped_by_a_session(alice: User, as_user: SignIn) -> None:
    client = as_user(alice)
    assert client.get("/api/v1/me").json()["token"] is None
    assert client.get("/api/v1/me", headers={"X-Api-Key": "pho_wrong"}).status_code == 401


def test_a_token_without_the_scope_is_told_which_one_is_missing(alice: User) -> None:
    answer = program(alice, "read").delete("/api/v1/tokens/1")
    assert told(answer) == (403, "scope_missing", "The token does not have the scope write")


def test_a_session_changes_nothing_without_the_csrf_token(alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    assert told(client.post("/api/v1/tokens"))[:2] == (403, "not_permitted")
    assert not Token.objects.exists()
    client.get("/account/")
    answer = client.post("/api/v1/tokens", headers={"X-CSRFToken": client.cookies["csrftoken"].value})
    assert answer.status_code == 201


def test_the_queue_is_for_operators(alice: User, olga: User, as_user: SignIn) -> None:
    assert told(as_user(alice).get("/api/v1/queue")) == (403, "not_permitted", "This is for operators")
    assert as_user(olga).get("/api/v1/queue").status_code == 200
    assert told(program(olga).get("/api/v1/queue"))[:2] == (403, "scope_missing")
    client = program(olga, "queue")
    assert client.get("/api/v1/queue").status_code == 200
    User.objects.filter(pk=olga.pk).update(is_staff=False)
    assert told(client.get("/api/v1/queue"))[:2] == (403, "not_permitted")


def test_the_last_use_is_noted_once_a_minute(alice: User) -> None:
    made = tokens.make(alice, "Shop", ["read"])
    tokens.find(made.secret)
    with CaptureQueriesContext(connection) as queries:
        tokens.find(made.secret)
    assert len(queries) == 1
    Token.objects.update(used_at=timezone.now() - 2 * tokens.MINUTE)
    tokens.find(made.secret)
    assert Token.objects.filter(used_at__gt=timezone.now() - tokens.MINUTE).exists()


def test_the_secret_is_not_kept(alice: User) -> None:
    made = tokens.make(alice, "Shop", ["read"])
    row = " ".join(map(str, Token.objects.values_list().get()))
    assert made.secret[tokens.PREFIX_LENGTH :] not in row
    assert made.token.prefix == made.secret[: tokens.PREFIX_LENGTH]


def test_a_method_that_an_address_does_not_take_is_told_with_those_that_it_does(db: None) -> None:
    answer = Client().put("/api/v1/me")
    assert (answer.status_code, answer["Allow"]) == (405, "GET")
    assert answer.json()["detail"] == "This address does not take PUT. Send one of GET."
