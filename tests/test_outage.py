"""A database that does not answer: every door says so, and that one may come again; no mistake of ours hides in it."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError, InterfaceError, InternalError, OperationalError, ProgrammingError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import Client, RequestFactory
from structlog.testing import capture_logs

from processing import outage, storage, tokens
from processing.api import problems
from processing.errors import AGAIN, PhotoError
from processing.intake import photos
from processing.recipe import Recipe
from tests import make
from tests.live.test_socket import opened, socket
from tests.pictures import picture
from tests.test_body import MB, TAKEN, ask

Leave = Callable[[], None]
SENTENCE = "The database does not answer."


@pytest.fixture
def leave(db: None) -> Iterator[Leave]:
    """The database goes away."""

    def refuse(*_: object) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    with pytest.MonkeyPatch.context() as patch:
        yield lambda: patch.setattr(BaseDatabaseWrapper, "cursor", refuse)


def signed_in(user: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.mark.parametrize("path", ["/", "/jobs/", "/photos/1/", "/nowhere", "/admin/", "/admin/processing/queue/"])
def test_a_page_says_so_and_needs_nothing_of_it(olga: User, leave: Leave, path: str) -> None:
    client = signed_in(olga)
    leave()
    answer = client.get(path)
    assert (answer.status_code, answer["Retry-After"]) == (503, str(AGAIN))
    assert f"<h1>{SENTENCE}</h1>" in answer.content.decode()
    assert answer["Refresh"] == str(AGAIN)
    assert "Refresh" not in client.post(path), "nothing is sent twice by itself"


@pytest.mark.parametrize("path", ["/api/v1/jobs", "/api/v1/queue", "/api/v1/uploads/1", "/status/1"])
@pytest.mark.parametrize("by_token", [True, False])
def test_programs_hear_it_as_a_problem(olga: User, leave: Leave, path: str, by_token: bool) -> None:
    secret = tokens.make(olga, "Program", ["read", "write", "queue"]).secret
    client = Client(raise_request_exception=False) if by_token else signed_in(olga)
    headers = {"Authorization": f"Bearer {secret}"} if by_token else {}
    leave()
    answer = client.get(path, headers=headers)
    assert answer["Content-Type"] == problems.CONTENT_TYPE
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert answer.json()["detail"].startswith(SENTENCE)
    assert answer["Retry-After"] == str(AGAIN)


def test_a_program_of_another_system_hears_it_in_its_own_shape(alice: User, leave: Leave) -> None:
    secret = tokens.make(alice, "Program", ["write"]).secret
    leave()
    answer = Client().post("/v1.0/removebg", headers={"X-Api-Key": secret})
    assert (answer.status_code, answer["Retry-After"]) == (503, str(AGAIN))
    assert answer.json()["errors"][0]["code"] == "database_unavailable"


def test_a_large_body_is_not_read(alice: User, leave: Leave) -> None:
    secret = tokens.make(alice, "Program", ["write"]).secret
    leave()
    answer = ask(5 * MB, authorization=f"Bearer {secret}")
    assert answer.problem == (503, "database_unavailable")
    assert (answer.headers["retry-after"], answer.read) == (str(AGAIN), -1)
    assert answer.headers.items() >= TAKEN.items()


def test_the_watch_on_the_house_names_what_is_away(db: None, leave: Leave) -> None:
    leave()
    answer = Client().get("/ready")
    assert (answer.status_code, answer["Retry-After"]) == (503, str(AGAIN))
    assert answer.json()["checks"]["database"] == "failed"
    assert Client().get("/health").status_code == 200


@pytest.mark.django_db(transaction=True)
async def test_an_open_socket_closes_so_that_its_page_comes_again(alice: User, leave: Leave) -> None:
    made = await opened(alice, (await sync_to_async(make.job)(alice, 1)).pk)
    await made.receive_from(timeout=5)
    leave()
    await made.send_to(text_data="look")
    assert (await made.receive_output(timeout=5)) == {"type": "websocket.close", "code": 1013}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("extensions", [{"websocket.http.response": {}}, {}])
async def test_a_socket_that_opens_meanwhile_hears_503(alice: User, leave: Leave, extensions: dict[str, Any]) -> None:
    made: WebsocketCommunicator = await socket(alice, 1)
    made.scope["extensions"] = extensions
    leave()
    await made.send_input({"type": "websocket.connect"})
    said = await made.receive_output(timeout=5)
    if not extensions:
        assert said == {"type": "websocket.close", "code": 1013}
        return
    headers = {name.decode(): value.decode() for name, value in said["headers"]}
    assert (said["status"], headers.items() >= {"retry-after": str(AGAIN), **TAKEN}.items()) == (503, True)
    assert b"database_unavailable" in (await made.receive_output(timeout=5))["body"]


@pytest.mark.parametrize(
    ("error", "is_away"),
    [(OperationalError("connection refused"), True), (InterfaceError("the connection is closed"), True),
     (ProgrammingError("relation does not exist"), False), (ValueError(), False), (None, False)],
)  # fmt: skip
def test_what_can_succeed_a_little_later_is_told_from_a_mistake(error: Exception | None, is_away: bool) -> None:
    assert bool(outage.of(error)) == is_away


@pytest.mark.parametrize(("code", "is_away"), [(sqlite3.SQLITE_BUSY, True), (sqlite3.SQLITE_ERROR, False)])
def test_sqlite_has_one_name_for_both(code: int, is_away: bool) -> None:
    error, cause = OperationalError("no such table, or locked"), sqlite3.OperationalError()
    cause.sqlite_errorcode = code
    error.__cause__ = cause
    assert bool(outage.of(error)) == is_away


def of_postgres(state: str) -> DatabaseError:
    """What Django makes of an answer of PostgreSQL with this state."""
    cause = psycopg.errors.lookup(state)("what it says")
    kinds = {psycopg.InternalError: InternalError, psycopg.OperationalError: OperationalError}
    error = next(ours for theirs, ours in kinds.items() if isinstance(cause, theirs))("what it says")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("state", "is_away"),
    [("08006", True), ("57P01", True), ("57P03", True), ("53300", True), ("53100", True), ("25006", True),
     ("25P02", False), ("25P03", False), ("57014", False), ("55P03", False), ("54001", False), ("53200", False)],
)  # fmt: skip
def test_postgresql_says_which_it_is(state: str, is_away: bool) -> None:
    assert bool(outage.told(of_postgres(state))) == is_away


@pytest.mark.parametrize(("state", "is_ours"), [("40P01", True), ("40001", True), ("57P01", False), ("25006", False)])
def test_who_got_in_anothers_way_may_come_again_and_we_hear_where(
    state: str, is_ours: bool, rf: RequestFactory
) -> None:
    with capture_logs() as lines:
        answer = problems.of_mistake(rf.get("/"), of_postgres(state))
    assert (answer.status_code, answer["Retry-After"]) == (503, str(AGAIN))
    assert [bool(line["exc_info"]) for line in lines] == [is_ours]


@pytest.mark.parametrize("code", ["storage_unavailable", "breaker_open", "database_unavailable"])
def test_whatever_does_not_answer_says_when_to_come_again(code: str) -> None:
    values = {"name": "Storage", "remedy": "Come again."}
    assert problems.of(PhotoError(code, **values))["Retry-After"] == str(AGAIN)


@pytest.mark.parametrize(("error", "kept"), [(OperationalError(), 1), (ValueError(), 0)])
def test_files_stay_where_it_may_have_committed_without_a_word(
    alice: User, monkeypatch: pytest.MonkeyPatch, settings: Any, error: Exception, kept: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(photos, "written", fail)
    monkeypatch.setattr(storage, "delete_job", lambda *_: None)
    with pytest.raises(type(error)):
        photos.accept(alice, [SimpleUploadedFile("cup.jpg", picture())], Recipe(remove_bg=False))
    assert len([path for path in Path(settings.FILES_DIR).rglob("*.jpeg") if path.is_file()]) == kept
