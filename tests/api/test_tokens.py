"""Tokens through the API: with a password, with a session, with another token."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from axes.utils import reset as forget_failed_tries
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from processing import tokens
from processing.hooks import signing
from processing.models import Job, Receipt, Token
from tests import make
from tests.api.programs import program

SignIn = Callable[[User], Client]
ALICE = {"username": "alice", "password": "alice-password"}


@pytest.fixture(autouse=True)
def no_failed_tries(db: None) -> Iterator[None]:
    forget_failed_tries()
    yield
    forget_failed_tries()


def post(client: Client, asked: Any, **headers: str) -> Any:
    return client.post("/api/v1/tokens", asked, content_type="application/json", headers=headers)


def with_secret(answer: Any) -> Client:
    assert answer.status_code == 201, answer.content
    return Client(headers={"Authorization": f"Bearer {answer.json()['token']}"})


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def life(answer: Any) -> timedelta:
    made = answer.json()
    return datetime.fromisoformat(made["expires_at"]) - datetime.fromisoformat(made["created_at"])


def test_me_tells_the_person_the_token_and_the_limits(alice: User, settings: Any) -> None:
    settings.MAX_FILE_BYTES = 123
    found = program(alice, "read", is_narrow=True).get("/api/v1/me").json()
    assert found["limits"]["max_file_bytes"] == 123
    assert "heic" in found["limits"]["formats"]
    token = Token.objects.get()
    assert (found["name"], found["is_operator"], found["version"]) == ("alice", False, settings.VERSION)
    assert found["token"] | {"prefix": token.prefix, "scopes": ["read"], "narrow": True} == found["token"]
    assert token.secret_hash not in str(found)


def test_who_may_send_a_callback_url_is_told_with_what_its_callback_is_signed(
    alice: User, bob: User, as_user: SignIn
) -> None:
    asking = [program(alice), as_user(alice), program(bob), program(alice, "read"), program(alice, is_narrow=True)]
    found = [client.get("/api/v1/me").json()["signing_secret"] for client in asking]
    alices, bobs = signing.secret_of(alice), signing.secret_of(bob)
    assert found == [alices, alices, bobs, None, None]


# ---- with a name and a password ------------------------------------------------------------------------------------


def test_a_name_and_a_password_make_a_token_that_works(alice: User) -> None:
    answer = post(Client(), {**ALICE, "name": "Shop", "scopes": ["read"], "expires_in": 3600})
    assert with_secret(answer).get("/api/v1/me").json()["token"]["name"] == "Shop"
    assert answer["Content-Type"].startswith("application/json")
    assert (answer.json()["scopes"], answer.json()["narrow"]) == (["read"], False)
    assert timedelta(minutes=59) < life(answer) <= timedelta(hours=1)


def test_what_is_not_said_is_read_and_write_until_revoked(alice: User) -> None:
    made = post(Client(), ALICE).json()
    assert (made["scopes"], made["expires_at"], made["name"]) == (["read", "write"], None, "Token")


def test_the_same_request_twice_makes_two_tokens_as_no_secret_is_kept(alice: User) -> None:
    made = [post(Client(), ALICE, **{"Idempotency-Key": "once"}).json()["token"] for _ in range(2)]
    assert made[0] != made[1]
    assert not Receipt.objects.exists()


def test_a_wrong_password_and_an_unknown_name_are_answered_alike(alice: User) -> None:
    answers = [post(Client(), ALICE | wrong) for wrong in ({"password": "wrong"}, {"username": "zoe"})]
    assert code(answers[0]) == (401, "not_authenticated")
    assert answers[0].content == answers[1].content
    User.objects.update(is_active=False)
    assert post(Client(), ALICE).content == answers[0].content
    assert not Token.objects.exists()


def test_too_many_wrong_passwords_lock_here_and_on_the_page_of_signing_in(alice: User, settings: Any) -> None:
    settings.AXES_FAILURE_LIMIT = 2
    answers = [post(Client(), ALICE | {"password": "wrong"}) for _ in range(2)]
    assert [code(answer) for answer in answers] == [(401, "not_authenticated"), (429, "rate_limited")]
    right = post(Client(), ALICE)
    assert (code(right), right["Retry-After"]) == ((429, "rate_limited"), "900")
    assert right["Content-Type"] == "application/problem+json"
    assert Client().post("/account/login/", ALICE).status_code == 429
    assert not Token.objects.exists()


def test_nobody_makes_no_token(db: None) -> None:
    assert code(post(Client(), {"name": "Shop"})) == (401, "not_authenticated")


def test_a_form_will_do(alice: User) -> None:
    answer = Client().post("/api/v1/tokens", {**ALICE, "scopes": ["read", "write"]})
    assert with_secret(answer).get("/api/v1/me").status_code == 200


# ---- with a session ------------------------------------------------------------------------------------------------


def test_a_session_makes_any_token_and_only_an_operator_one_for_the_queue(
    alice: User, olga: User, as_user: SignIn
) -> None:
    answer = post(as_user(alice), {"expires_in": 86400 * 365})
    assert (answer.json()["narrow"], life(answer) > timedelta(days=364)) == (False, True)
    asked = {"scopes": ["read", "queue"]}
    assert [post(as_user(who), asked).status_code for who in (alice, olga)] == [403, 201]
    assert code(post(as_user(olga), asked | {"narrow": True})) == (403, "not_permitted")


# ---- with another token --------------------------------------------------------------------------------------------


def test_a_token_makes_narrow_ones_that_last_an_hour(alice: User) -> None:
    answer = post(program(alice), {"name": "Visitor"})
    made = answer.json()
    assert (made["narrow"], made["scopes"]) == (True, ["read", "write"])
    assert timedelta(minutes=59) < life(answer) <= timedelta(hours=1)
    assert with_secret(answer).get("/api/v1/me").json()["name"] == "alice"


@pytest.mark.parametrize(
    ("scopes", "asked", "refused"),
    [
        (["write"], {"scopes": ["read"]}, "scope_missing"),
        (["read"], {"scopes": ["read"]}, "scope_missing"),
        (["read", "write", "queue"], {"scopes": ["queue"]}, "not_permitted"),
        (["read", "write"], {"expires_in": 86401}, "not_permitted"),
    ],
)
def test_what_a_token_makes_can_do_no_more_than_its_maker(
    scopes: list[str], asked: Any, refused: str, olga: User
) -> None:
    assert code(post(program(olga, *scopes), asked)) == (403, refused)
    assert Token.objects.count() == 1


def test_a_narrow_token_makes_no_others_so_that_it_cannot_outlive_itself(alice: User) -> None:
    assert code(post(program(alice, is_narrow=True), {})) == (403, "not_permitted")


def test_what_a_token_makes_ends_before_its_maker(alice: User) -> None:
    ends = timezone.now().replace(microsecond=0) + timedelta(minutes=5)
    maker = tokens.make(alice, "Shop", ["read", "write"], expires_at=ends)
    answer = post(Client(), {}, **{"X-Api-Key": maker.secret})
    assert datetime.fromisoformat(answer.json()["expires_at"]) == ends


@pytest.mark.parametrize("is_narrow", [False, True])
def test_a_person_has_so_many_tokens_that_work(
    is_narrow: bool, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "MOST_NARROW" if is_narrow else "MOST", 2)
    asked = {"narrow": is_narrow}
    made = [post(Client(), ALICE | asked).json()["id"] for _ in range(2)]
    assert code(post(Client(), ALICE | asked)) == (409, "too_many_tokens")
    tokens.make(alice, "Of the other kind", ["read"], is_narrow=not is_narrow)
    tokens.make(bob, "Bob's", ["read"], is_narrow=is_narrow)
    Token.objects.filter(pk=made[0]).update(expires_at=timezone.now())
    assert post(Client(), ALICE | asked).status_code == 201


# ---- what does not fit ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"colour": "red"}, "#/colour"),
        ({"name": "a\0b"}, "#/name"),
        ('{"name": "\\ud800"}', "#/name"),
        ({"name": "x" * 61}, "#/name"),
        ({"name": 7}, "#/name"),
        ({"scopes": ["admin"]}, "#/scopes/0"),
        ({"scopes": []}, "#/scopes"),
        ({"scopes": {}}, "#/scopes"),
        ({"expires_in": 0}, "#/expires_in"),
        ({"expires_in": 10**30}, "#/expires_in"),
        ({"expires_in": "soon"}, "#/expires_in"),
        ({"narrow": "perhaps"}, "#/narrow"),
        ({"username": "alice", "password": "\0"}, "#/password"),
        ({"username": "x" * 151, "password": "x"}, "#/username"),
    ],
)
def test_what_does_not_fit_is_named(asked: Any, pointer: str, alice: User, as_user: SignIn) -> None:
    answer = post(as_user(alice), asked)
    assert code(answer) == (422, "invalid_request")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert not Token.objects.exists()


@pytest.mark.parametrize(
    ("asked", "status"),
    [("{", 400), ("[" * 100_000, 400), ("[]", 422), ("7", 422), ('{"username": "alice"}', 422), ("NaN", 400)],
)
def test_a_body_of_another_kind_is_refused(asked: str, status: int, alice: User, as_user: SignIn) -> None:
    answer = post(as_user(alice), asked)
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")


@pytest.mark.parametrize("asked", [{"x" * 100_000: 1}, dict.fromkeys(map(str, range(10_000)))])
def test_an_answer_stays_small_whatever_came(asked: Any, alice: User, as_user: SignIn) -> None:
    answer = post(as_user(alice), asked)
    assert answer.status_code == 422
    assert len(answer.content) < 20_000


# ---- listed and revoked --------------------------------------------------------------------------------------------


def test_the_list_shows_ones_own_newest_first_and_no_secret(alice: User, bob: User) -> None:
    client, _ = program(alice), program(bob)
    second = tokens.make(alice, "Second", ["read"])
    answer = client.get("/api/v1/tokens?limit=1")
    assert [one["id"] for one in answer.json()["results"]] == [second.token.pk]
    assert second.secret not in answer.content.decode()
    rest = client.get(answer.json()["next"]).json()
    assert [one["name"] for one in rest["results"]] == ["Shop"]
    assert rest["next"] is None


def test_a_narrow_token_sees_itself_alone_and_revokes_none(alice: User) -> None:
    wide = tokens.make(alice, "Wide", ["read"])
    client = program(alice, is_narrow=True)
    own = client.get("/api/v1/tokens").json()["results"]
    assert [one["narrow"] for one in own] == [True]
    for pk in (wide.token.pk, own[0]["id"]):
        assert code(client.delete(f"/api/v1/tokens/{pk}")) == (403, "not_permitted")


def test_a_revoked_token_stops_at_once_and_its_jobs_stay(alice: User) -> None:
    client, other = program(alice), tokens.make(alice, "Other", ["read"])
    job = make.job(alice, token=other.token)
    path = f"/api/v1/tokens/{other.token.pk}"
    assert [client.delete(path).status_code for _ in range(2)] == [204, 204]
    assert Client(headers={"X-Api-Key": other.secret}).get("/api/v1/me").status_code == 401
    assert Job.objects.get().token == job.token
    assert client.get("/api/v1/tokens").json()["results"][0]["revoked_at"]


@pytest.mark.parametrize("pk", [10**30, -1, 0, "x"])
def test_a_token_that_cannot_be_is_not_there(pk: Any, alice: User) -> None:
    assert program(alice).delete(f"/api/v1/tokens/{pk}").status_code in (404, 422)


def test_those_that_expired_long_ago_are_forgotten(alice: User) -> None:
    for days in (-40, -20, 20, None):
        ends = None if days is None else timezone.now() + timedelta(days=days)
        tokens.make(alice, str(days), ["read"], expires_at=ends)
    tokens.forget_expired()
    assert sorted(Token.objects.values_list("name", flat=True)) == ["-20", "20", "None"]


def test_what_is_asked_not_to_be_narrow_is_not_made_narrow_in_silence(alice: User) -> None:
    answer = post(program(alice), {"narrow": False})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/narrow")
    assert Token.objects.count() == 1
