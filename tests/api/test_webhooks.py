"""Webhooks through the API: as on their pages, with READ and WRITE, and never with a narrow token."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from standardwebhooks import Webhook

from processing.hooks import deliver, signing
from processing.models import Callback, Delivery, Endpoint, EventType
from tests import make
from tests.api.programs import program
from tests.hooks import told

HOOKS = "/api/v1/webhooks"
HOUR = timedelta(hours=1)


@pytest.fixture
def client(alice: User) -> Client:
    return program(alice)


@pytest.fixture
def endpoint(alice: User) -> Endpoint:
    return told.endpoint(alice)


def post(client: Client, path: str, body: Any = None, **headers: str) -> Any:
    return client.post(path, {} if body is None else body, content_type="application/json", headers=headers)


def patch(client: Client, endpoint: Endpoint, body: Any) -> Any:
    return client.patch(f"{HOOKS}/{endpoint.pk}", body, content_type="application/json")


def problem(answer: Any) -> tuple[int, str]:
    assert answer["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


# ---- added and changed ---------------------------------------------------------------------------------------------


def test_one_is_added_for_all_events_where_none_are_named(client: Client, alice: User, settings: Any) -> None:
    answer = post(client, HOOKS, {"url": told.URL})
    made, row = answer.json(), Endpoint.objects.get()
    assert answer.status_code == 201
    assert (row.owner, row.secret) == (alice, made["secret"])
    assert Webhook(made["secret"]).verify(b"{}", signing.headers([row.secret], "msg_1", b"{}")) == {}
    own = f"{settings.URL}{HOOKS}/{row.pk}"
    assert made | {
        "id": row.pk, "url": told.URL, "types": EventType.values, "state": "on", "paused_at": None, "gone_at": None,
        "old_secret_until": None, "last_answer": "", "last_try_at": None, "failing_since": None,
        "urls": {"self": own, "page": f"{settings.URL}/webhooks/{row.pk}/", "deliveries": f"{own}/deliveries"},
    } == made  # fmt: skip


def test_a_form_adds_one_too(client: Client) -> None:
    answer = client.post(HOOKS, {"url": told.URL, "types": ["job.failed", "job.completed"]})
    assert answer.json()["types"] == ["job.completed", "job.failed"]


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({}, "invalid_request", "#/url"),
        ({"url": ""}, "invalid_request", "#/url"),
        ({"url": 7}, "invalid_request", "#/url"),
        ({"url": "https://x.example.com/" + "x" * 3000}, "invalid_request", "#/url"),
        ({"url": "https://x.example.com/\0"}, "invalid_request", "#/url"),
        ({"url": "htp://x"}, "invalid_image_url", None),
        ({"url": "http://127.0.0.1/"}, "fetch_blocked_address", None),
        ({"url": told.URL, "types": []}, "invalid_request", "#/types"),
        ({"url": told.URL, "types": ["job.done"]}, "invalid_request", "#/types/0"),
        ({"url": told.URL, "types": {"a": 1}}, "invalid_request", "#/types"),
        ({"url": told.URL, "colour": "red"}, "invalid_request", "#/colour"),
        ([], "invalid_request", "#"),
    ],
)
def test_what_does_not_fit_is_refused(
    body: Any, code: str, pointer: str | None, client: Client, endpoint: Endpoint
) -> None:
    for answer in (post(client, HOOKS, body), patch(client, endpoint, body)):
        if body == {} and answer.status_code == 200:
            continue  # nothing is changed
        assert problem(answer) == (422, code)
        assert [error["pointer"] for error in answer.json().get("errors", [])] == ([pointer] if pointer else [])
    assert Endpoint.objects.values_list("url", "types").get() == (told.URL, EventType.values)


def test_the_twenty_first_is_refused(client: Client, alice: User) -> None:
    for _ in range(20):
        make.endpoint(alice, told.URL)
    assert problem(post(client, HOOKS, {"url": told.URL})) == (409, "too_many_webhooks")


def test_the_same_request_with_the_same_key_adds_once(client: Client) -> None:
    first, again = (post(client, HOOKS, {"url": told.URL}, idempotency_key="one") for _ in range(2))
    assert first.json() == again.json()
    assert Endpoint.objects.count() == 1
    other = post(client, HOOKS, {"url": "https://example.com/else"}, idempotency_key="one")
    assert problem(other) == (422, "idempotency_key_reused")


def test_only_what_is_sent_is_changed(client: Client, endpoint: Endpoint) -> None:
    assert patch(client, endpoint, {"types": ["job.failed"]}).json()["types"] == ["job.failed"]
    changed = patch(client, endpoint, {"url": "https://example.com/b"}).json()
    assert (changed["url"], changed["types"]) == ("https://example.com/b", ["job.failed"])
    assert patch(client, endpoint, {}).json() == changed
    assert "secret" not in changed


def test_one_is_removed(client: Client, endpoint: Endpoint) -> None:
    path = f"{HOOKS}/{endpoint.pk}"
    answer = client.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert problem(client.delete(path)) == (404, "not_found")


# ---- how it stands -------------------------------------------------------------------------------------------------


def test_the_list_is_newest_first_in_pages_and_without_secrets(
    client: Client, alice: User, django_assert_max_num_queries: Any
) -> None:
    made = [told.endpoint(alice).pk for _ in range(3)]
    with django_assert_max_num_queries(4):
        first = client.get(HOOKS, {"limit": 2}).json()
    rest = client.get(first["next"]).json()
    assert [one["id"] for one in first["results"] + rest["results"]] == made[::-1]
    assert "whsec_" not in str((first, rest))


def test_it_tells_what_it_last_answered_and_since_when_it_fails(client: Client, endpoint: Endpoint) -> None:
    told.delivery(endpoint, 200, ended="delivered", ago=2 * HOUR)
    told.delivery(endpoint, 500, None)
    shown = client.get(f"{HOOKS}/{endpoint.pk}").json()
    assert shown["last_answer"] == "It did not answer."
    assert shown["failing_since"] < shown["last_try_at"]
    assert "secret" not in shown


def test_it_is_paused_and_resumed(client: Client, endpoint: Endpoint) -> None:
    path = f"{HOOKS}/{endpoint.pk}"
    assert post(client, f"{path}/pause").json()["state"] == "paused"
    assert problem(post(client, f"{path}/pause")) == (409, "nothing_to_do")
    assert problem(post(client, f"{path}/test")) == (409, "nothing_to_do")
    assert post(client, f"{path}/resume").json()["state"] == "on"
    Endpoint.objects.update(gone_at=timezone.now())
    assert client.get(path).json()["state"] == "gone"
    assert post(client, f"{path}/resume").json()["state"] == "on"


def test_the_new_secret_is_in_the_answer_and_the_old_one_signs_too(client: Client, endpoint: Endpoint) -> None:
    path = f"{HOOKS}/{endpoint.pk}"
    made = post(client, f"{path}/rotate").json()
    row = Endpoint.objects.get()
    assert (made["secret"], row.old_secret) == (row.secret, endpoint.secret)
    assert made["old_secret_until"] > timezone.now().isoformat()
    again = post(client, f"{path}/rotate").json()
    assert (again["secret"] != made["secret"], Endpoint.objects.get().old_secret) == (True, made["secret"])


# ---- what it was told ----------------------------------------------------------------------------------------------


def test_a_test_is_on_its_way_and_can_be_followed(client: Client, endpoint: Endpoint) -> None:
    answer = post(client, f"{HOOKS}/{endpoint.pk}/test")
    assert (answer.status_code, answer.json()["state"], answer.json()["attempts"]) == (202, "waiting", 0)
    shown = client.get(answer.json()["self"]).json()
    assert (shown["body"]["data"]["test"], shown["tries"]) == (True, [])


def test_the_log_is_newest_first_in_pages_by_state(client: Client, endpoint: Endpoint, alice: User) -> None:
    job = make.job(alice, 0)
    failed = [told.delivery(endpoint, 500, ended="failed", job=job).pk for _ in range(3)]
    told.delivery(endpoint, 500)
    told.delivery(told.endpoint(alice), 500, ended="failed")
    path = f"{HOOKS}/{endpoint.pk}/deliveries"
    assert len(client.get(path).json()["results"]) == 4
    first = client.get(path, {"state": "failed", "limit": 2}).json()
    rest = client.get(first["next"]).json()
    assert [one["id"] for one in first["results"] + rest["results"]] == failed[::-1]
    one = first["results"][0]
    assert (one["job_id"], one["type"], one["answer"]) == (job.pk, "job.completed", "500 Internal Server Error")
    assert (one["next_try_at"], one["given_up_at"] is None) == (None, False)
    assert problem(client.get(path, {"state": "lost"})) == (422, "invalid_request")
    assert problem(client.get(path, {"cursor": "x"})) == (422, "invalid_request")


def test_a_delivery_has_its_body_and_each_try(client: Client, endpoint: Endpoint) -> None:
    sent = told.delivery(endpoint, None, 500)
    shown = client.get(f"/api/v1/deliveries/{sent.pk}").json()
    assert shown["body"] == {"type": "job.completed", "data": {"job_id": 7}}
    silent, answered = shown["tries"]
    assert (silent["status"], silent["error"]) == (None, "It did not answer.")
    assert answered | {
        "number": 2, "status": 500, "seconds": 0.25, "url": told.URL, "headers": {"webhook-id": sent.event_id},
        "answer_headers": {"server": "shop"}, "answer_body": "<b>No room</b>", "error": "",
    } == answered  # fmt: skip


def test_one_is_replayed_and_so_is_a_callback(client: Client, endpoint: Endpoint, alice: User) -> None:
    callback = Callback.objects.create(job=make.job(alice, 0), url=told.URL)
    for to in (endpoint, callback):
        sent = told.delivery(to, 200, ended="delivered")
        answer = post(client, f"/api/v1/deliveries/{sent.pk}/replay")
        assert (answer.status_code, answer.json()["state"], answer.json()["url"]) == (202, "waiting", told.URL)
        assert answer.json()["webhook_id"] == sent.endpoint_id
        assert deliver.due().filter(pk=sent.pk).exists()


def test_all_that_failed_since_are_replayed(client: Client, endpoint: Endpoint) -> None:
    for hours in (1, 5):
        told.delivery(endpoint, 500, ended="failed", ago=hours * HOUR)
    told.delivery(endpoint, 500, 500, ago=2 * HOUR)  # waits for its third try
    path, since = f"{HOOKS}/{endpoint.pk}/replay", (timezone.now() - 3 * HOUR).isoformat()
    answer = post(client, path, {"since": since})
    assert (answer.status_code, answer.json()) == (202, {"replayed": 2})
    assert problem(post(client, path, {"since": since})) == (409, "nothing_to_do")
    assert post(client, path, {"since": "0001-01-01T00:00:00+14:00"}).json() == {"replayed": 1}


@pytest.mark.parametrize("body", [{}, {"since": None}, {"since": "yesterday"}, {"since": "2026-01-01T00:00:00"}])
def test_a_moment_that_is_none_is_refused(body: Any, client: Client, endpoint: Endpoint) -> None:
    answer = post(client, f"{HOOKS}/{endpoint.pk}/replay", body)
    assert problem(answer) == (422, "invalid_request")
    assert answer.json()["errors"][0]["pointer"] == "#/since"


# ---- who may -------------------------------------------------------------------------------------------------------


def everything(endpoint: Endpoint, delivery: Delivery) -> list[tuple[str, str, bool]]:
    """Method, address, and whether it changes something."""
    own = f"{HOOKS}/{endpoint.pk}"
    acts = [("POST", f"{own}/{act}", True) for act in ("rotate", "test", "pause", "resume", "replay")]
    told_ = f"/api/v1/deliveries/{delivery.pk}"
    return [
        ("GET", own, False), ("PATCH", own, True), ("DELETE", own, True), *acts,
        ("GET", f"{own}/deliveries", False), ("GET", told_, False), ("POST", f"{told_}/replay", True),
    ]  # fmt: skip


def ask(client: Client, method: str, path: str) -> Any:
    body = {"since": timezone.now().isoformat()} if path.endswith("webhooks/replay") else {}
    return client.generic(method, path, str(body).replace("'", '"'), content_type="application/json")


def test_somebody_elses_is_404(endpoint: Endpoint, bob: User, olga: User) -> None:
    sent = told.delivery(endpoint, 500, ended="failed")
    before = Endpoint.objects.values().get(), Delivery.objects.values().get()
    for stranger in (program(bob), program(olga, "read", "write", "queue")):
        assert stranger.get(HOOKS).json()["results"] == []
        for method, path, _ in everything(endpoint, sent):
            assert problem(ask(stranger, method, path)) == (404, "not_found"), (method, path)
    assert (Endpoint.objects.values().get(), Delivery.objects.values().get()) == before


def test_a_narrow_token_sees_and_changes_nothing(endpoint: Endpoint, alice: User) -> None:
    sent = told.delivery(endpoint, 500, ended="failed")
    narrow = program(alice, is_narrow=True)
    for method, path, _ in [("GET", HOOKS, False), ("POST", HOOKS, True), *everything(endpoint, sent)]:
        assert problem(ask(narrow, method, path)) == (403, "not_permitted"), (method, path)
    assert Endpoint.objects.get().paused_at is None


def test_reading_and_writing_need_their_scopes(endpoint: Endpoint, alice: User) -> None:
    sent = told.delivery(endpoint, 500, ended="failed")
    reads, writes = program(alice, "read"), program(alice, "write")
    for method, path, is_change in [("GET", HOOKS, False), ("POST", HOOKS, True), *everything(endpoint, sent)]:
        refused = reads if is_change else writes
        assert problem(ask(refused, method, path)) == (403, "scope_missing"), (method, path)
        assert problem(ask(Client(), method, path)) == (401, "not_authenticated"), (method, path)


@pytest.mark.parametrize("id", ["0", "-1", str(10**30), "x", "1.5", "%00"])
def test_an_id_that_is_none_is_404(id: str, client: Client) -> None:
    for path in (f"{HOOKS}/{id}", f"{HOOKS}/{id}/deliveries", f"/api/v1/deliveries/{id}"):
        assert problem(client.get(path)) == (404, "not_found")


def test_what_is_not_there_is_said_in_words_of_the_house(client: Client) -> None:
    for path in (f"{HOOKS}/99", f"{HOOKS}/99/deliveries"):
        assert client.get(path).json()["detail"] == "There is no such webhook here."
    assert client.get("/api/v1/deliveries/99").json()["detail"] == "There is no such delivery here."
