"""The product CSV system: sent, asked after, called back; and the place to try callbacks against."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from standardwebhooks.webhooks import Webhook

from processing import ledger, tokens
from processing.hooks import received, signing
from processing.models import Callback, Event, Job, SigningSecret, Upload
from tests import make

HEADER = b"S. No.,Product Name,Input Image Urls\r\n"
ROWS = (
    HEADER
    + b'1,Chair,"https://img.example.com/1.jpg,https://img.example.com/2.jpg"\r\n2,Lamp,https://img.example.com/3.jpg\r\n'
)


@pytest.fixture(autouse=True)
def nothing_arrived(alice: User, bob: User) -> None:
    received._redis().delete(received._key(alice), received._key(bob))


@pytest.fixture
def key(alice: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens.make(alice, 'Shop', ['read', 'write']).secret}"}


def csv(content: bytes = ROWS) -> SimpleUploadedFile:
    return SimpleUploadedFile("spring.csv", content, "text/csv")


def send(key: dict[str, str], content: bytes = ROWS, **fields: Any) -> Any:
    return Client().post("/upload/", {"file": csv(content), **fields}, headers=key)


def status(key: dict[str, str], number: int) -> Any:
    return Client().get(f"/status/{number}", headers=key).json()


@async_to_sync
async def content(answer: Any) -> bytes:
    found = b"".join([piece async for piece in answer.streaming_content])
    await sync_to_async(answer.close)()
    return found


# ---- there and back -------------------------------------------------------------------------------------------------


def test_a_csv_is_started_at_once(alice: User, key: dict[str, str]) -> None:
    answer = send(key)
    job = Job.objects.get()
    assert (answer.status_code, answer.json()) == (200, {"request_id": job.pk})
    assert (job.owner, job.is_draft, job.uploads.count(), job.token and job.token.name) == (alice, False, 3, "Shop")


def test_the_same_key_creates_once(key: dict[str, str]) -> None:
    headers = {**key, "Idempotency-Key": "one"}
    assert send(headers).json() == send(headers).json()
    assert Job.objects.count() == 1
    assert send(headers, HEADER + b"1,Chair,https://img.example.com/9.jpg\r\n").status_code == 400


def test_its_state_is_told_in_four_words(key: dict[str, str]) -> None:
    number = send(key).json()["request_id"]
    told = [status(key, number)]
    uploads = list(Upload.objects.order_by("position"))
    make.finish(make.bring(uploads[0]))
    told.append(status(key, number))
    for upload in uploads[1:]:
        make.finish(make.bring(upload))
    told.append(status(key, number))
    path = f"/api/v1/jobs/{number}/results.csv"
    assert told == [
        {"request_id": number, "status": "Pending", "output_csv_path": None},
        {"request_id": number, "status": "Processing", "output_csv_path": None},
        {"request_id": number, "status": "Completed", "output_csv_path": path},
    ]


def test_one_of_which_nothing_came_has_failed(key: dict[str, str]) -> None:
    number = send(key).json()["request_id"]
    ledger.cancel(Upload.objects.all())
    assert status(key, number)["status"] == "Failed"


def test_the_path_leads_to_the_csv_for_the_same_token(key: dict[str, str]) -> None:
    number = send(key).json()["request_id"]
    for upload in Upload.objects.order_by("position"):
        make.finish(make.bring(upload))
    answer = Client().get(status(key, number)["output_csv_path"], headers=key)
    lines = content(answer).decode().splitlines()
    assert (answer.status_code, answer["Content-Type"].partition(";")[0]) == (200, "text/csv")
    assert lines[0] == "S. No.,Product Name,Input Image Urls,Output Image Urls"
    assert "processed_" in lines[1]


# ---- what is wrong with it ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (b"Name,Price\r\nChair,3\r\n", "no column"),
        (b"", "cannot be read"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "cannot be read"),
        (HEADER + b"1,Chair,nonsense\r\n", "No row of the CSV can run"),
        (HEADER, "CSV"),
    ],
)
def test_a_bad_csv_is_400_with_its_reason(bad: bytes, said: str, key: dict[str, str]) -> None:
    answer = send(key, bad)
    assert answer.status_code == 400
    assert list(answer.json()) == ["detail"]
    assert said in answer.json()["detail"]
    assert not Job.objects.filter(deleted_at=None).exists()


@pytest.mark.parametrize(
    "fields",
    [{}, {"file": [csv(), csv()]}, {"file": csv(), "unheard": "of"}, {"file": csv(), "callback_url": "nonsense"}],
)
def test_so_is_a_request_without_one_csv_or_with_what_does_not_fit(fields: Any, key: dict[str, str]) -> None:
    answer = Client().post("/upload/", fields, headers=key)
    assert (answer.status_code, list(answer.json())) == (400, ["detail"])
    assert not Job.objects.filter(deleted_at=None).exists()


def test_nobody_and_a_stranger_are_turned_away(bob: User, key: dict[str, str]) -> None:
    assert Client().post("/upload/", {"file": csv()}).status_code == 401
    number = send(key).json()["request_id"]
    his = {"X-Api-Key": tokens.make(bob, "His", ["read"]).secret}
    assert [Client().get(f"/status/{number}", headers=one).status_code for one in ({}, his)] == [401, 404]
    assert [Client().get(f"/status/{odd}", headers=his).status_code for odd in ("x", 10**30, 0)] == [404, 404, 404]


def test_photos_are_no_product_csv(alice: User, key: dict[str, str]) -> None:
    assert Client().get(f"/status/{make.job(alice).pk}", headers=key).status_code == 404


# ---- its callback ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["callback_url", "webhook_url"])
def test_its_callback_has_the_systems_own_body(name: str, key: dict[str, str], settings: Any) -> None:
    settings.FETCH_ALLOW = frozenset({("localhost", 9000)})
    number = send(key, **{name: "http://localhost:9000/told"}).json()["request_id"]
    assert Callback.objects.values_list("url", "shape").get() == ("http://localhost:9000/told", "product_csv")
    for upload in Upload.objects.order_by("position"):
        make.finish(make.bring(upload))
    assert json.loads(Event.objects.get().body) == {"request_id": number, "status": "Completed"}


# ---- a place to try it ----------------------------------------------------------------------------------------------


def signed(user: User, body: str, secret: str = "") -> dict[str, str]:
    return signing.headers([secret or signing.secret_of(user)], "msg_1", body.encode())


def call(body: str, headers: dict[str, str]) -> Any:
    return Client().post("/webhook/", body, content_type="application/json", headers=headers)


def test_a_callback_is_taken_where_its_signature_is_right(alice: User, key: dict[str, str]) -> None:
    body = json.dumps({"request_id": make.job(alice).pk, "status": "Completed"})
    answer = call(body, signed(alice, body))
    assert (answer.status_code, answer.json()) == (200, {"status": "Webhook received"})
    [shown] = Client().get("/webhook/", headers=key).json()
    assert (shown["webhook_id"], shown["body"]) == ("msg_1", body)


def test_one_that_comes_with_a_token_may_tell_of_anything(alice: User, key: dict[str, str]) -> None:
    assert call("{}", {**signed(alice, "{}"), **key}).status_code == 200


@pytest.mark.parametrize(
    "spoil",
    [
        lambda headers: {},
        lambda headers: headers | {"webhook-signature": "v1,AAAA"},
        lambda headers: headers | {"webhook-signature": "nonsense ü"},
        lambda headers: headers | {"webhook-timestamp": "1700000000"},
        lambda headers: headers | {"webhook-timestamp": "9" * 40},
        lambda headers: headers | {"webhook-timestamp": "soon"},
        lambda headers: headers | {"webhook-id": "msg_2"},
    ],
)
def test_a_wrong_signature_is_401(spoil: Callable[[Any], Any], alice: User, key: dict[str, str]) -> None:
    body = json.dumps({"data": {"job_id": make.job(alice).pk}})
    assert call(body, signed(alice, body)).status_code == 200
    answer = call(body, spoil(signed(alice, body)))
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")
    assert "token" not in answer.json()["detail"]
    assert len(Client().get("/webhook/", headers=key).json()) == 1


@pytest.mark.parametrize(
    "body", ["", "null", "[1]", "{}", '{"request_id": 1e30}', '{"data": 3}', "[" * 100_000, "\xff"]
)
def test_what_tells_of_no_job_is_nobodys(body: str, alice: User) -> None:
    assert call(body, signed(alice, body)).status_code == 401


def test_who_sends_a_callback_learns_nothing_of_jobs_and_makes_no_secret(alice: User) -> None:
    theirs = make.job(alice).pk
    answers = [call(json.dumps({"job_id": pk}), signed(alice, "", "whsec_AAAA")) for pk in (theirs, theirs + 1, "x")]
    assert answers[0].json()["code"] == "bad_signature"
    assert {answer.content for answer in answers} == {answers[0].content}
    assert not SigningSecret.objects.exists()


def test_another_persons_secret_does_not_do(alice: User, bob: User) -> None:
    body = json.dumps({"request_id": make.job(alice).pk})
    assert call(body, signed(bob, body)).status_code == 401


def test_its_body_is_bounded(alice: User, key: dict[str, str]) -> None:
    body = "x" * 1_000_001
    assert call(body, {**signed(alice, body), **key}).status_code == 413


def test_what_arrived_is_ones_own_and_the_newest_ten(alice: User, bob: User, key: dict[str, str]) -> None:
    for number in range(12):
        received.keep(alice, f"msg_{number}", b"{}")
    shown = [one["webhook_id"] for one in Client().get("/webhook/", headers=key).json()]
    assert shown == [f"msg_{number}" for number in range(11, 1, -1)]
    his = tokens.make(bob, "His", ["read"]).secret
    assert Client().get("/webhook/", headers={"X-Api-Key": his}).json() == []
    narrow = tokens.make(alice, "Page", ["read"], is_narrow=True).secret
    assert Client().get("/webhook/", headers={"X-Api-Key": narrow}).status_code == 403
    assert Client().get("/webhook/").status_code == 401


def test_it_judges_as_the_published_library_does(alice: User) -> None:
    headers = signed(alice, '{"request_id": 1}')
    Webhook(signing.secret_of(alice)).verify('{"request_id": 1}', headers)
    received.check(alice, headers, b'{"request_id": 1}')
