"""Every operation of both APIs, walked as nobody, as a stranger, with tokens that will not do. A new one is walked too;
one that is open to all, or has a new kind of number in its address, must be named here."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from django.utils import timezone
from ninja.operation import Operation

from processing import backgrounds, outbox, presets, tokens
from processing.api import auth
from processing.api.dialects import api as dialects
from processing.api.v1 import api as v1
from processing.live.routing import websocket_urlpatterns
from processing.models import BulkAct, Job, Scope, Token, Upload
from processing.recipe import Recipe
from tests import make
from tests.api.answers import content
from tests.api.programs import program
from tests.conftest import picture

SignIn = Callable[[User], Client]
OPEN = {"v1-health": "GET", "product-csv-webhook": "POST"}  # a POST is judged by its signature
WITH_PASSWORD = "v1-tokens"
SOCKETS = {"live/jobs/<int:pk>/", "ws/job/<int:pk>", "ws/images", "ws/queue/", ""}  # the last refuses all
IN_OTHER_WORDS = {"removebg": {(403, "auth_failed"): (401, "not_authenticated")}}  # as that service says it
BY_HAND = {"v1-job-restore"}  # of a deleted job: see below
BY_OWNER_ALONE = {"background_id", "webhook_id", "delivery_id", "token_id"}
HUSH = "hush-hush"  # stands in the names of all that Alice has
SAFE = ("GET", "HEAD")


@dataclass(frozen=True)
class Asked:
    """One operation, and how it is called."""

    method: str
    path: str
    operation: Operation

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def name(self) -> str:
        return str(self.operation.url_name)

    @property
    def needs(self) -> auth.Needs | None:
        return next((one for one in self.operation.auth_callbacks if isinstance(one, auth.Needs)), None)

    @property
    def numbers(self) -> list[str]:
        """The names in its address, and in its body, that stand for something of somebody."""
        found = [part.split(":")[-1].strip("{}") for part in self.path.split("/") if part.startswith("{")]
        return found + ["upload_ids"] * self.name.startswith("v1-uploads-")

    def ask(self, client: Client, things: dict[str, object], **headers: str) -> Any:
        path = "/".join(
            str(things[part.split(":")[-1].strip("{}")]) if part.startswith("{") else part
            for part in self.path.split("/")
        )
        body = {"upload_ids": things["upload_ids"]} if "upload_ids" in self.numbers else {}
        more = {} if self.method in SAFE else {"data": body, "content_type": "application/json"}
        answer = getattr(client, self.method.lower())(path, headers=headers, **more)
        content(answer)  # which closes a file
        return answer


def walk() -> Iterator[Asked]:
    for api, base in ((v1, "/api/v1/"), (dialects, "/")):
        for router in api._get_bound_routers():
            for path, view in router.path_operations.items():
                for operation in view.operations:
                    yield from (
                        Asked(method, base + path, operation) for method in operation.methods if method != "HEAD"
                    )


EVERY = list(walk())
GUARDED = [asked for asked in EVERY if OPEN.get(asked.name) != asked.method]
NUMBERED = [asked for asked in GUARDED if asked.numbers and asked.needs is not auth.QUEUE]  # that is nobody's own
OF_SOMEBODY = sorted(NUMBERED, key=lambda asked: asked.method == "DELETE")
LISTS = [asked for asked in GUARDED if asked.method == "GET" and not asked.numbers]


@pytest.fixture
def things(alice: User) -> dict[str, object]:
    """What Alice has, by the names that addresses call it."""
    job = make.products(alice, 1, name=f"{HUSH}.csv")
    upload = make.finish(make.bring(job.uploads.get()))
    Upload.objects.update(name=f"{HUSH}.jpg", sent_name=f"{HUSH}.jpg")
    endpoint = make.endpoint(alice, f"https://{HUSH}.example.com/")
    presets.save(alice, HUSH, Recipe())
    row = job.rows.get()
    background = backgrounds.accept(alice, SimpleUploadedFile(f"{HUSH}.jpg", picture()))
    return {
        "job_id": job.pk, "request_id": job.pk, "upload_id": upload.pk, "task_id": upload.pk, "variant": "result",
        "upload_ids": [upload.pk],
        "row_id": row.pk, "webhook_id": endpoint.pk, "delivery_id": outbox.example(endpoint).pk,
        "background_id": background.pk, "token_id": tokens.make(alice, HUSH, ["read"]).token.pk,
        "act_id": BulkAct.objects.create(verb="retry", query="").pk,
    }  # fmt: skip


def wrong(found: dict[str, tuple[int, str]], expected: tuple[int, str]) -> dict[str, tuple[int, str]]:
    return {asked: answer for asked, answer in found.items() if answer != expected}


def told(asked: Asked, answer: Any) -> tuple[int, str]:
    """The status and the code of a problem."""
    if asked.name in IN_OTHER_WORDS:
        found = answer.status_code, answer.json()["errors"][0]["code"]
        return IN_OTHER_WORDS[asked.name].get(found, found)
    if answer["Content-Type"] != "application/problem+json":
        return answer.status_code, f"no problem: {answer['Content-Type']}"
    return answer.status_code, answer.json()["code"]


def everything() -> dict[str, list[dict[str, Any]]]:
    """All rows, but for the moments at which tokens were used."""
    rows = {model.__name__: list(model._default_manager.order_by("pk").values()) for model in _models()}
    for row in rows["Token"]:
        del row["used_at"]
    return rows


def _models() -> Any:
    return apps.get_app_config("processing").get_models()


# ---- each is guarded -----------------------------------------------------------------------------------------------


def test_every_operation_asks_who_comes_or_is_named_as_open() -> None:
    unguarded = {(asked.name, asked.method) for asked in EVERY if asked.needs is None}
    assert unguarded == set(OPEN.items())
    assert all(len(asked.operation.auth_callbacks) == 1 for asked in GUARDED)
    either = {asked.name for asked in EVERY if isinstance(asked.needs, auth.OrPassword)}
    assert either == {WITH_PASSWORD}


def test_what_changes_something_needs_more_than_reading() -> None:
    reads = {str(asked) for asked in GUARDED if asked.method not in SAFE and asked.needs == auth.READ}
    assert not reads


def test_every_operation_has_a_name_of_its_own_address() -> None:
    paths: dict[str, set[str]] = {}
    for asked in EVERY:
        paths.setdefault(asked.name, set()).add(asked.path)
    assert not {name: found for name, found in paths.items() if len(found) > 1}


def test_every_socket_is_known() -> None:
    assert {str(route.pattern) for route in websocket_urlpatterns} == SOCKETS


# ---- tokens that will not do ---------------------------------------------------------------------------------------


def test_nobody_is_told_to_come_with_a_token(things: dict[str, object]) -> None:
    before = everything()
    found = {str(asked): told(asked, asked.ask(Client(), things)) for asked in GUARDED}
    assert wrong(found, (401, "not_authenticated")) == {}
    assert everything() == before


@pytest.mark.parametrize(
    "change", [{"expires_at": timezone.now() - timedelta(hours=1)}, {"revoked_at": timezone.now()}]
)
def test_a_token_that_has_ended_opens_nothing(change: dict[str, Any], things: dict[str, object], olga: User) -> None:
    client = program(olga, *Scope.values)
    Token.objects.update(**change)
    found = {str(asked): told(asked, asked.ask(client, things)) for asked in GUARDED}
    assert wrong(found, (401, "not_authenticated")) == {}


def test_a_token_needs_the_very_scope(things: dict[str, object], olga: User) -> None:
    clients = {scope: program(olga, *(set(Scope.values) - {scope})) for scope in Scope}
    found = {str(asked): told(asked, asked.ask(clients[asked.needs.scope], things)) for asked in GUARDED if asked.needs}
    assert wrong(found, (403, "scope_missing")) == {}


def test_a_page_of_another_house_changes_nothing_with_a_session(things: dict[str, object], alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    before = everything()
    found = {str(asked): told(asked, asked.ask(client, things)) for asked in GUARDED if asked.method not in SAFE}
    assert wrong(found, (403, "not_permitted")) == {}
    assert everything() == before


def test_the_queue_is_for_operators_also_with_a_session(
    things: dict[str, object], alice: User, as_user: SignIn
) -> None:
    client = as_user(alice)
    asked_of_operators = [asked for asked in GUARDED if asked.needs is auth.QUEUE]
    found = {str(asked): told(asked, asked.ask(client, things)) for asked in asked_of_operators}
    assert found
    assert wrong(found, (403, "not_permitted")) == {}


# ---- what is somebody else's ---------------------------------------------------------------------------------------


def test_what_is_alices_is_not_there_for_bob_and_stays_as_it_is(things: dict[str, object], bob: User) -> None:
    client = program(bob)
    before = everything()
    found = {str(asked): told(asked, asked.ask(client, things)) for asked in OF_SOMEBODY}
    assert wrong(found, (404, "not_found")) == {}
    assert everything() == before


def test_one_of_alices_among_his_own_refuses_the_whole_list(things: dict[str, Any], bob: User) -> None:
    client, lists = program(bob), [asked for asked in OF_SOMEBODY if "upload_ids" in asked.numbers]
    own = [make.upload(bob, status=status).pk for status in ("failed", "queued")] + [make.finish(make.upload(bob)).pk]
    before = everything()
    for mixed in ([*own, things["upload_id"]], [things["upload_id"], *own]):
        found = {str(asked): told(asked, asked.ask(client, things | {"upload_ids": mixed})) for asked in lists}
        assert wrong(found, (404, "not_found")) == {}
    assert len(lists) >= 3
    assert everything() == before


def test_nor_is_it_for_an_operators_token_without_the_scope_queue(things: dict[str, object], olga: User) -> None:
    client = program(olga)
    found = {str(asked): told(asked, asked.ask(client, things)) for asked in OF_SOMEBODY}
    assert wrong(found, (404, "not_found")) == {}


def test_an_operator_does_to_others_photos_only_what_there_is_permission_for(
    things: dict[str, object], otto: User
) -> None:
    client, before = program(otto, *Scope.values), everything()
    found = {str(asked): told(asked, asked.ask(client, things)) for asked in OF_SOMEBODY if asked.method not in SAFE}
    assert wrong(found, (404, "not_found")) == {}
    assert everything() == before


def test_with_it_an_operator_finds_all_but_what_is_its_owners_alone(things: dict[str, object], olga: User) -> None:
    """Else a 404 of the test above would say nothing."""
    client = program(olga, *Scope.values)
    lost = {str(asked) for asked in OF_SOMEBODY if is_lost(asked, client, things)}
    assert lost == {str(asked) for asked in OF_SOMEBODY if BY_OWNER_ALONE & set(asked.numbers)}


def test_a_narrow_token_sees_nothing_that_was_not_made_with_it(things: dict[str, object], alice: User) -> None:
    client = program(alice, is_narrow=True)
    before = everything()
    found = {str(asked): told(asked, asked.ask(client, things)) for asked in OF_SOMEBODY}
    assert wrong(wrong(found, (404, "not_found")), (403, "not_permitted")) == {}
    assert everything() == before


def test_alice_finds_at_every_one_of_these_addresses_what_is_hers(things: dict[str, object], alice: User) -> None:
    """Else a 404 of the tests above would say nothing."""
    client = program(alice)
    assert [str(asked) for asked in OF_SOMEBODY if is_lost(asked, client, things)] == []


def is_lost(asked: Asked, client: Client, things: dict[str, object]) -> bool:
    """Whether it is 404 where nothing else was done before."""
    status = 0
    if asked.name not in BY_HAND:
        with suppress(Undo), transaction.atomic():
            status = asked.ask(client, things).status_code
            raise Undo
    return status == 404


class Undo(Exception):
    """Takes back what was tried."""


def test_lists_show_nothing_of_others(things: dict[str, object], alice: User, bob: User) -> None:
    makers = {"bob": program(bob), "narrow": program(alice, is_narrow=True), "alice": program(alice)}
    shown = {
        who: {str(asked) for asked in LISTS if asked.needs is auth.READ and HUSH in listed(client, asked)}
        for who, client in makers.items()
    }
    assert shown["bob"] == shown["narrow"] == set()
    assert {"GET /api/v1/jobs", "GET /api/v1/uploads", "GET /api/v1/tokens", "GET /api/v1/webhooks"} <= shown["alice"]


def listed(client: Client, asked: Asked) -> str:
    answer = client.get(asked.path)
    assert answer.status_code in (200, 403), (str(asked), answer.content)
    return content(answer).decode()


def test_a_deleted_job_is_brought_back_by_its_owner_alone(
    things: dict[str, object], alice: User, bob: User, olga: User
) -> None:
    Job.objects.update(deleted_at=timezone.now())
    path = f"/api/v1/jobs/{things['job_id']}/restore"
    others = (program(bob), program(olga), program(alice, is_narrow=True))
    assert [client.post(path).status_code for client in others] == [404] * 3
    assert program(alice).post(path).status_code < 300


# ---- what cannot be ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [10**30, 0, "%00"])
def test_a_number_that_cannot_be_is_not_there(number: object, things: dict[str, object], alice: User) -> None:
    client, before, found = program(alice), everything(), {}
    for asked in OF_SOMEBODY:
        numbers = {name: "result" if name == "variant" else number for name in things} | {"upload_ids": [number]}
        answer = asked.ask(client, numbers)
        if answer.status_code not in (404, 422) or "no problem" in told(asked, answer)[1]:
            found[str(asked)] = told(asked, answer)
    assert found == {}
    assert everything() == before
