"""How often one may ask, and what is said of it."""

import socket
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client, RequestFactory

from processing import rates, tokens
from processing.api.rates import count
from tests.api.programs import program

SignIn = Callable[[User], Client]
ME = "/api/v1/me"


@pytest.fixture(autouse=True)
def slow(settings: Any) -> Iterator[None]:
    settings.API_RATE = [(1000, "second"), (50, "hour")]
    settings.STRANGER_RATE = [(30, "hour")]
    storage = rates.limiter(settings.REDIS_URL).storage
    storage.reset()
    yield
    storage.reset()


def asked(client: Client, times: int, path: str = ME, **headers: str) -> Counter[int]:
    return Counter(client.get(path, headers=headers).status_code for _ in range(times))


def test_of_200_requests_at_once_the_rate_is_let_through_and_the_rest_told_when_to_come_again() -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: Client().get(ME), range(200)))
    assert Counter(answer.status_code for answer in answers) == {401: 30, 429: 170}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused["Content-Type"] == "application/problem+json"
    assert refused.json()["code"] == "rate_limited"
    assert 0 < int(refused["Retry-After"]) <= 3600
    assert f"Try again in {refused['Retry-After']} s." in refused.json()["detail"]


def test_a_person_is_counted_once_with_all_tokens_and_sessions(alice: User, bob: User, as_user: SignIn) -> None:
    assert asked(program(alice), 20) + asked(program(alice), 20) + asked(as_user(alice), 20) == {200: 50, 429: 10}
    assert program(bob).get(ME).status_code == 200


def test_who_visits_a_page_holds_up_no_program(alice: User) -> None:
    narrow = [program(alice, is_narrow=True) for _ in range(2)]
    assert asked(narrow[0], 30) + asked(narrow[1], 30) == {200: 50, 429: 10}
    assert program(alice).get(ME).status_code == 200


def test_guesses_at_tokens_are_counted_by_address_and_hinder_no_token_that_works(alice: User) -> None:
    guesses = Counter(Client().get(ME, headers={"X-Api-Key": f"pho_{number:043}"}).status_code for number in range(40))
    assert guesses == {401: 30, 429: 10}
    assert Client(REMOTE_ADDR="192.0.2.7").get(ME).status_code == 401
    assert program(alice).get(ME).status_code == 200


def test_a_token_without_the_scope_is_counted_too(alice: User) -> None:
    assert asked(program(alice, "write"), 40) == {403: 30, 429: 10}


def test_what_is_open_to_all_is_counted_by_address(db: None) -> None:
    assert asked(Client(), 31, "/api/v1/health")[429] == 1
    answer = Client().post("/api/v1/tokens", {"username": "x", "password": "y"}, content_type="application/json")
    assert answer.status_code == 429


@pytest.mark.parametrize(
    ("address", "other", "together"),
    [
        ("2001:db8::1:2:3:4", "2001:db8::4:3:2:1", True),
        ("2001:db8::1:2:3:4", "2001:db8:0:1::1", False),
        ("192.0.2.7", "192.0.2.8", False),
        ("", "", True),  # a Unix socket
    ],
)
def test_whoever_has_an_ipv6_address_has_its_whole_network(address: str, other: str, together: bool) -> None:
    for one in (address, other):
        request = RequestFactory().get(ME, REMOTE_ADDR=one)
        assert count(request)
    assert ('"hour";r=28' in request.rate_headers["RateLimit"]) == together  # type: ignore[attr-defined]


def test_every_answer_says_what_is_left(alice: User) -> None:
    client = program(alice)
    for path, status in ((ME, 200), ("/api/v1/tokens?cursor=x", 422), ("/api/v1/jobs/0", 404)):
        answer = client.get(path)
        assert answer.status_code == status
        assert answer["RateLimit-Policy"] == '"second";q=1000;w=1, "hour";q=50;w=3600'
        assert answer["RateLimit"].startswith('"second";r=')
    assert '"hour";r=47;t=' in answer["RateLimit"]
    assert "Retry-After" not in answer


def test_refusals_say_it_too() -> None:
    answer = Client().get(ME)
    assert answer["RateLimit-Policy"] == '"hour";q=30;w=3600'
    assert answer["RateLimit"].startswith('"hour";r=29;t=')


def test_pages_are_not_counted(alice: User, as_user: SignIn) -> None:
    assert "RateLimit" not in as_user(alice).get("/account/")


def test_without_redis_nobody_is_limited(
    alice: User, settings: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = tokens.make(alice, "Shop", ["read"]).secret
    settings.REDIS_URL = f"unix://{tmp_path / 'nothing.sock'}"
    assert asked(Client(), 60, Authorization=f"Bearer {secret}") == {200: 60}
    assert asked(Client(), 40) == {401: 40}
    assert "not counted" in caplog.text


def test_a_redis_that_hangs_holds_nobody_up(db: None, settings: Any, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "deaf.sock"))
        deaf.listen()
        settings.REDIS_URL = f"unix://{tmp_path / 'deaf.sock'}"
        assert Client().get(ME).status_code == 401
