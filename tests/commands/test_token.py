"""manage.py token, as an operator types it."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from processing import tokens
from processing.models import Token


def token(*arguments: str) -> str:
    out = StringIO()
    call_command("token", *arguments, stdout=out)
    return out.getvalue()


def test_make_prints_the_secret_alone(alice: User) -> None:
    said = token("make", "alice", "Nightly", "--scope", "read", "--days", "30", "--narrow")
    found = tokens.find(said.removesuffix("\n"))
    assert (found.owner, found.name, found.scopes, found.is_narrow) == (alice, "Nightly", ["read"], True)
    assert found.expires_at
    assert timedelta(days=29) < found.expires_at - timezone.now() <= timedelta(days=30)


def test_what_is_not_said_is_read_and_write_until_revoked(alice: User) -> None:
    token("make", "alice", "Nightly")
    made = Token.objects.get()
    assert (made.scopes, made.expires_at, made.is_narrow) == (["read", "write"], None, False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["make", "zoe", "Nightly"], "There is no user zoe."),
        (["make", "alice", "Nightly", "--scope", "queue"], "The scope queue is for operators."),
        (["make", "alice", "Nightly", "--scope", "admin"], "invalid choice: 'admin'"),
        (["make", "alice", "Nightly", "--days", "0"], "--days"),
        (["make", "alice", "Nightly", "--days", "soon"], "--days"),
        (["list", "zoe"], "There is no user zoe."),
        (["revoke", "pho_nothing"], "There is no token pho_nothing."),
    ],
)
def test_each_mistake_is_one_sentence(arguments: list[str], said: str, alice: User) -> None:
    with pytest.raises(CommandError) as caught:
        token(*arguments)
    assert said in str(caught.value)
    assert not Token.objects.exists()


def test_list_shows_those_that_work(alice: User, bob: User) -> None:
    made = [tokens.make(who, "Shop", ["read"], is_narrow=True) for who in (alice, bob)]
    tokens.revoke(tokens.make(alice, "Lost", ["read"]).token)
    lines = [line.split("  ") for line in token("list").splitlines()]
    assert lines == [
        [one.token.prefix, one.token.owner.username, "Shop", "read, narrow", "does not expire", "not used yet"]
        for one in made
    ]
    assert token("list", "bob").count("\n") == 1


def test_revoke_takes_what_list_shows(alice: User, db: Any) -> None:
    made = tokens.make(alice, "Shop", ["read"])
    said = [token("revoke", prefix) for prefix in (made.token.prefix, f"{made.token.prefix}…")]
    assert said == ["Revoked.\n", "It was revoked already.\n"]
    assert Token.objects.get().revoked_at
