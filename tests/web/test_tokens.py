"""The page on which a person makes tokens and revokes them."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from processing import tokens
from processing.models import Token
from tests import make

SignIn = Callable[[User], Client]
PATH = "/account/tokens/"
ASKED = {"name": "Shop", "scopes": ["read", "write"], "life": "month"}


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def secret_in(answer: Any) -> str:
    found = re.search(r'readonly value="(pho_[\w-]+)"', text(answer))
    assert found, text(answer)
    return found[1]


def test_a_token_is_made_and_shown_once(alice: User, as_user: SignIn) -> None:
    client = as_user(alice)
    made = client.post(PATH, ASKED, follow=True)
    secret = secret_in(made)
    assert tokens.find(secret).owner == alice
    assert "no-store" in made["Cache-Control"]
    assert "Token Shop, works until" in text(made)
    page = text(client.get(PATH))
    assert secret not in page
    assert secret[: tokens.PREFIX_LENGTH] in page
    assert secret not in str(dict(client.session))


def test_who_loads_the_page_with_the_secret_again_makes_no_other(alice: User, as_user: SignIn) -> None:
    client = as_user(alice)
    assert client.post(PATH, ASKED, follow=True).redirect_chain == [(PATH, 303)]
    client.get(PATH)
    assert Token.objects.count() == 1


@pytest.mark.parametrize(
    ("life", "expected"),
    [("hour", timedelta(hours=1)), ("month", timedelta(days=30)), ("year", timedelta(days=365)), ("never", None)],
)
def test_it_works_for_as_long_as_was_chosen(
    life: str, expected: timedelta | None, alice: User, as_user: SignIn
) -> None:
    as_user(alice).post(PATH, ASKED | {"life": life, "narrow": "on"})
    token = Token.objects.get()
    assert token.is_narrow
    if expected is None or token.expires_at is None:
        assert (token.expires_at, expected) == (None, None)
    else:
        assert abs(token.expires_at - timezone.now() - expected) < timedelta(minutes=1)


def test_only_operators_are_offered_the_queue(alice: User, olga: User, as_user: SignIn) -> None:
    assert ["steer the queue" in text(as_user(user).get(PATH)) for user in (alice, olga)] == [False, True]
    asked = ASKED | {"scopes": ["queue"]}
    assert [as_user(user).post(PATH, asked).status_code for user in (alice, olga)] == [422, 303]
    assert Token.objects.get().owner == olga


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": " "}, "A token needs a name."),
        ({"name": "a\0b"}, "Null characters are not allowed."),
        ({"scopes": []}, "Choose what it may do."),
        ({"scopes": ["admin"]}, "admin is not one of the available choices"),
        ({"life": "always"}, "always is not one of the available choices"),
        ({"scopes": ["queue"], "narrow": "on"}, "A narrow token cannot have the scope queue."),
    ],
)
def test_what_is_wrong_is_said_at_the_field_and_what_was_typed_stays(
    change: dict[str, Any], said: str, olga: User, as_user: SignIn
) -> None:
    answer = as_user(olga).post(PATH, ASKED | {"name": "Till 7"} | change)
    assert answer.status_code == 422
    assert said in text(answer)
    assert "name" in change or 'value="Till 7"' in text(answer)
    assert not Token.objects.exists()


def test_a_token_is_revoked(alice: User, as_user: SignIn) -> None:
    client, made = as_user(alice), tokens.make(alice, "Shop", ["read"])
    path = reverse("token-revoke", args=[made.token.pk])
    answer = client.post(path, {"next": PATH}, follow=True)
    assert answer.redirect_chain == [(PATH, 303)]
    assert "Programs that use it are turned away" in text(answer)
    assert path not in text(answer)
    assert Client().get("/api/v1/me", headers={"X-Api-Key": made.secret}).status_code == 401
    assert client.post(path).status_code == 409


def test_the_list_says_how_each_stands(alice: User, as_user: SignIn) -> None:
    before = timezone.now() - timedelta(days=1)
    tokens.find(tokens.make(alice, "Busy", ["read"], is_narrow=True).secret)
    tokens.make(alice, "Old", ["read"], expires_at=before)
    tokens.revoke(tokens.make(alice, "Lost", ["read"]).token)
    page = text(as_user(alice).get(PATH))
    rows = re.findall(r'<li id="token-.*?</li>', page)
    states = [re.findall(r"Works|Expired|Revoked<|narrow|not used yet|last used", row) for row in rows]
    assert states == [
        ["Works", "narrow", "last used"], ["Revoked<", "not used yet"], ["Expired", "not used yet"],
    ]  # fmt: skip
    assert ["/revoke/" in row for row in rows] == [True, False, False]
    assert "2 that no longer work" in page


def test_those_that_no_longer_work_are_forgotten(alice: User, bob: User, as_user: SignIn) -> None:
    before, client = timezone.now() - timedelta(days=1), as_user(alice)
    kept = [tokens.make(alice, "Shop", ["read"]).token, tokens.make(bob, "Old", ["read"], expires_at=before).token]
    tokens.make(alice, "Old", ["read"], expires_at=before)
    lost = tokens.make(alice, "Lost", ["read"]).token
    tokens.revoke(lost)
    job = make.job(alice, token=lost)
    answer = client.post("/account/tokens/forget/", {"next": PATH}, follow=True)
    assert "2 tokens forgotten." in text(answer)
    assert "no longer work" not in text(answer)
    assert list(Token.objects.order_by("pk")) == kept
    job.refresh_from_db()
    assert job.token is None


def test_the_page_asks_the_same_few_questions_however_many_there_are(
    alice: User, as_user: SignIn, django_assert_max_num_queries: Any
) -> None:
    for number in range(60):
        tokens.make(alice, f"Shop {number}", ["read"])
    client = as_user(alice)
    with django_assert_max_num_queries(6):
        page = text(client.get(PATH))
    assert "1 to 50 of 60 tokens" in page
