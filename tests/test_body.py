"""How much a request may carry: judged by its headers, before a byte of it is read."""

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from photoproc import body, form
from photoproc.body import BodyLimit
from processing import breaker, rates, storage, tokens
from processing.errors import PhotoError
from processing.models import Token

SignIn = Callable[[User], Client]
MB = 1_000_000


class Answer:
    """What came back, how many bytes the application behind the limit read, and how many were taken in all."""

    def __init__(self) -> None:
        self.status, self.body, self.read, self.taken = 0, b"", -1, 0
        self.headers: dict[str, str] = {}

    @property
    def problem(self) -> tuple[int, str]:
        assert self.headers["content-type"] == "application/problem+json"
        found = json.loads(self.body)
        assert found["status"] == self.status
        return self.status, found["code"]


def ask(size: int | str, sent: int = 0, **headers: str) -> Answer:
    """A POST that declares `size` bytes, or comes in chunks, and sends so many."""
    answer = Answer()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        answer.read = 0
        while (message := await receive())["type"] == "http.request":
            answer.read += len(message["body"])
            if not message["more_body"]:
                await send({"type": "http.response.start", "status": 200, "headers": []})
                return

    pieces = [b"x" * min(MB, sent - at) for at in range(0, sent, MB)] or [b""]

    async def receive() -> Any:
        if not pieces:
            return {"type": "http.disconnect"}
        body = pieces.pop(0)
        answer.taken += len(body)
        return {"type": "http.request", "body": body, "more_body": bool(pieces)}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            answer.body += message["body"]

    length = {"transfer-encoding": "chunked"} if size == "chunked" else {"content-length": str(size)}
    named = {**length, "host": "testserver", **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": "http", "method": "POST", "path": "/api/v1/uploads", "query_string": b"", "client": ("192.0.2.7", 1),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in named.items()],
    }  # fmt: skip
    async_to_sync(BodyLimit(application))(scope, receive, send)
    return answer


# How an answer is to be taken, which Django's own say too.
TAKEN = {"x-content-type-options": "nosniff", "x-frame-options": "DENY", "referrer-policy": "same-origin"}


@pytest.fixture(autouse=True)
def connections_stay_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the test's transaction, which is left by no thread here."""
    monkeypatch.setattr("channels.db.close_old_connections", lambda: None)


@pytest.fixture
def secret(alice: User) -> str:
    return tokens.make(alice, "Shop", ["write"]).secret


@pytest.mark.parametrize("header", ["authorization", "x_api_key", "cookie"])
def test_who_is_known_may_send_much(header: str, alice: User, as_user: SignIn, secret: str) -> None:
    session = as_user(alice).cookies["sessionid"].value
    value = {"authorization": f"Bearer {secret}", "x_api_key": secret, "cookie": f"sessionid={session}"}[header]
    assert ask(3 * MB, sent=3 * MB, **{header: value}).read == 3 * MB


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"authorization": "Bearer pho_wrong"}, {"authorization": "Basic eDp5"}, {"x_api_key": "é"},
        {"cookie": "sessionid=stolen"}, {"cookie": "sessionid="}, {"cookie": "\"\\;=é"},
    ],
)  # fmt: skip
def test_a_stranger_may_send_a_little(headers: dict[str, str], db: None) -> None:
    answer = ask(MB + 1, **headers)
    assert (answer.problem, answer.read) == ((401, "not_authenticated"), -1)
    assert answer.headers["www-authenticate"] == "Bearer"
    assert ask(MB, sent=MB, **headers).read == MB


@pytest.mark.parametrize(("size", "status"), [(2 * MB, 401), (2 * 10**9, 413)])
def test_a_refusal_says_how_it_is_to_be_taken_as_every_answer_does(size: int, status: int, db: None) -> None:
    answer = ask(size)
    assert answer.status == status
    assert answer.headers.items() >= TAKEN.items()


def test_a_token_that_has_ended_is_told_so(secret: str) -> None:
    Token.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    assert b"The token has expired" in ask(2 * MB, x_api_key=secret).body


@pytest.mark.parametrize("size", [2 * 10**9, 10**30, -1, "much", "1_0"])
def test_too_much_is_refused_whoever_sends_it(size: int | str, secret: str, settings: Any) -> None:
    settings.MAX_BODY_BYTES = 100 * MB
    answer = ask(size, x_api_key=secret)
    assert (answer.problem, answer.read) == ((413, "body_too_large"), -1)
    assert b"exceeds 100 MB" in answer.body
    assert answer.headers["connection"] == "close"


def test_what_a_refused_client_still_sends_is_heard_out_so_that_a_proxy_reads_the_answer() -> None:
    answer = ask(2_000_000_000, sent=3 * MB)
    assert (answer.read, answer.taken, answer.problem) == (-1, 3 * MB, (413, "body_too_large"))
    assert answer.headers["content-length"] == str(len(answer.body))


def test_a_body_that_lies_about_its_length_is_cut_off(secret: str, settings: Any) -> None:
    settings.MAX_BODY_BYTES = 3 * MB
    known, stranger = ask(2 * MB, sent=9 * MB, x_api_key=secret), ask(10, sent=9 * MB)
    assert (known.read, known.problem) == (3 * MB, (413, "body_too_large"))
    assert (stranger.read, stranger.problem) == (MB, (401, "not_authenticated"))


def test_who_is_known_and_declares_little_is_told_how_much_came(secret: str) -> None:
    answer = ask(10, sent=2 * MB, x_api_key=secret)
    assert (answer.problem, b"exceeds 1 MB" in answer.body) == ((413, "body_too_large"), True)


@pytest.mark.parametrize(
    ("key", "sent", "expected"),
    [
        ("", 9, (1, 401)), ("pho_wrong", 9, (1, 401)), ("", 1, (1, 200)),
        ("known", 9, (3, 413)), ("known", 3, (3, 200)),
    ],
)  # fmt: skip
def test_chunks_are_counted_as_they_come(
    key: str, sent: int, expected: tuple[int, int], secret: str, settings: Any
) -> None:
    settings.MAX_BODY_BYTES = 3 * MB
    headers = {"x_api_key": secret if key == "known" else key} if key else {}
    answer = ask("chunked", sent=sent * MB, **headers)
    assert (answer.read // MB, answer.status) == expected
    assert answer.headers.get("connection") == (None if answer.status == 200 else "close")


def test_a_full_disk_is_told_before_anything_is_written(secret: str, settings: Any) -> None:
    settings.FREE_SPACE_FLOOR = 10**18
    answer = ask(2 * MB, x_api_key=secret)
    assert (answer.problem, answer.read) == ((507, "storage_full"), -1)


def test_nobody_waits_for_a_storage_that_is_left_alone(
    secret: str, olga: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaker.trip(breaker.STORAGE, olga)
    monkeypatch.setattr(storage, "_store", lambda: 1 / 0)
    answer = ask(2 * MB, x_api_key=secret)
    assert (answer.problem, answer.read) == ((503, "storage_unavailable"), -1)


@pytest.mark.parametrize("is_narrow", [False, True])
def test_a_token_over_its_rate_is_refused_before_its_photos_are_read(
    is_narrow: bool, alice: User, settings: Any
) -> None:
    settings.API_RATE = [(2, "hour")]
    rates.limiter(settings.REDIS_URL).storage.reset()
    made = tokens.make(alice, "Shop", ["write"], is_narrow=is_narrow)
    assert [ask(2 * MB, sent=2 * MB, x_api_key=made.secret).read for _ in range(3)] == [2 * MB] * 3  # looked at alone
    for _ in range(2):
        assert rates.allowed(made.token, "")[0]
    answer = ask(2 * MB, sent=2 * MB, x_api_key=made.secret)
    assert (answer.problem, answer.read) == ((429, "rate_limited"), -1)
    assert int(answer.headers["retry-after"]) > 0
    assert ask("chunked", sent=2 * MB, x_api_key=made.secret).status == 429


def test_a_photo_of_ours_passes_a_proxy_with_a_password(alice: User, as_user: SignIn) -> None:
    session = f"sessionid={as_user(alice).cookies['sessionid'].value}"
    assert ask(2 * MB, sent=2 * MB, cookie=session, authorization="Basic eDp5").read == 2 * MB


def test_where_too_many_send_forms_the_next_is_told_when_to_come_again(
    secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(form, "PLACES", threading.BoundedSemaphore(1))
    form.PLACES.acquire()
    answer = ask(2 * MB, sent=2 * MB, x_api_key=secret, content_type="multipart/form-data; boundary=x")
    assert (answer.problem, answer.read, answer.headers["retry-after"]) == ((503, "server_busy"), -1, "10")
    assert ask(2 * MB, sent=2 * MB, x_api_key=secret).read == 2 * MB, "what is no form holds no thread"


async def test_no_thread_waits_for_a_body_that_is_no_form(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    alive: list[int | None] = []

    def limit_of(request: Any, size: int) -> int:
        asked.append(threading.get_ident())
        return 9 * MB

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Any:
        alive.extend(thread.ident for thread in threading.enumerate())
        return {"type": "http.request", "body": b"x", "more_body": False}

    async def send(message: Any) -> None:
        pass

    monkeypatch.setattr(body, "limit_of", limit_of)
    headers = [(b"transfer-encoding", b"chunked")]
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": headers}
    await BodyLimit(application)(scope, receive, send)
    assert asked[0] not in alive
    assert threading.get_ident() in alive


def test_guesses_with_large_bodies_are_counted_as_all_are(db: None, settings: Any) -> None:
    settings.STRANGER_RATE = [(2, "hour")]
    answers = [ask(2 * MB, x_api_key=f"pho_{number:043}") for number in range(3)]
    assert [answer.problem[0] for answer in answers] == [401, 401, 429]
    assert int(answers[2].headers["retry-after"]) > 0


def test_a_page_of_a_named_origin_can_read_the_refusal(db: None, settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://shop.example.com"]
    answer = ask(2 * MB, origin="https://shop.example.com")
    assert answer.headers["access-control-allow-origin"] == "https://shop.example.com"
    assert "access-control-allow-origin" not in ask(2 * MB, origin="https://other.example.com").headers


async def test_what_breaks_off_in_the_middle_of_an_answer_is_answered_once() -> None:
    told: list[str] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise PhotoError("storage_unavailable")

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        told.append(message["type"])

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    with pytest.raises(PhotoError):
        await BodyLimit(application)(scope, receive, send)
    assert told == ["http.response.start"]
