"""`Idempotency-Key`: the same request sent twice creates once."""

import json
import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from processing import tokens
from processing.intake import look
from processing.models import Job, OutputLinks, Receipt
from tests import make
from tests.api.programs import program
from tests.intake.packing import PHOTO, sent

JOBS = "/api/v1/jobs"
URLS = ["https://img.example.com/1.jpg"]
CSV = b"S. No.,Product Name,Input Image Urls\n1,Shoe,https://img.example.com/1.jpg\n"


@pytest.fixture
def shop(alice: User) -> Client:
    return program(alice)


def send(
    client: Client, name: str = "a.jpg", data: bytes = PHOTO, key: str = "k", path: str = JOBS, **fields: Any
) -> Any:
    return client.post(path, {"files": sent(name, data), **fields}, headers={"Idempotency-Key": key})


def reused(answer: Any) -> bool:
    return (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_the_same_request_gives_the_first_answer_again(shop: Client) -> None:
    first, second = send(shop), send(shop)
    assert first.status_code == second.status_code == 202
    assert (first.content, first["Location"]) == (second.content, second["Location"])
    assert Job.objects.count() == 1


@pytest.mark.parametrize("preflight", ["true", "false"])
def test_so_does_a_csv(shop: Client, preflight: str) -> None:
    first, second = (send(shop, "a.csv", CSV, preflight=preflight) for _ in range(2))
    assert (first.status_code, first.content, first["Location"]) == (202, second.content, second["Location"])
    assert Job.objects.count() == 1


def test_so_do_addresses_and_their_fields_may_stand_in_another_order(shop: Client) -> None:
    bodies = ({"image_urls": URLS, "format": "jpg"}, {"format": "jpg", "image_urls": URLS})
    answers = [
        shop.post(JOBS, json.dumps(body), "application/json", headers={"Idempotency-Key": "k"}) for body in bodies
    ]
    assert answers[0].content == answers[1].content
    assert Job.objects.count() == 1


def test_so_does_what_was_refused(shop: Client) -> None:
    first, second = send(shop, data=b"text"), send(shop, data=b"text")
    assert first.status_code == second.status_code == 422
    assert first.content == second.content


def test_another_payload_with_the_same_key_is_refused(shop: Client, alice: User) -> None:
    open_job = make.job(alice, 0, is_open=True)
    assert send(shop).status_code == 202
    others = (
        send(shop, "b.jpg"), send(shop, data=PHOTO + b"more"), send(shop, format="webp"), send(shop, "a.csv", CSV),
        send(shop, path=f"{JOBS}/{open_job.pk}/uploads"),
    )  # fmt: skip
    assert all(map(reused, others))
    assert Job.objects.count() == 2


def test_adding_to_a_job_adds_once(shop: Client, alice: User) -> None:
    job = make.job(alice, 0, is_open=True)
    path = f"{JOBS}/{job.pk}/uploads"
    assert send(shop, path=path).content == send(shop, path=path).content
    assert job.uploads.count() == 1


def test_making_links_makes_them_once(shop: Client, alice: User) -> None:
    path = f"{JOBS}/{make.products(alice, 1).pk}/links"
    first, second = (shop.post(path, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert (first.status_code, first.json()) == (second.status_code, second.json()) == (201, first.json())
    assert OutputLinks.objects.count() == 1


def test_each_token_and_each_person_has_keys_of_its_own(shop: Client, alice: User, bob: User, as_user: Any) -> None:
    narrow = tokens.make(alice, "Page", ["read", "write"], is_narrow=True)
    page = Client(headers={"Authorization": f"Bearer {narrow.secret}"})
    numbers = {send(client).json()["job_id"] for client in (shop, page, program(bob), program(alice), as_user(alice))}
    assert len(numbers) == 5


def test_a_job_that_is_gone_for_good_frees_its_key(shop: Client) -> None:
    send(shop)
    Job.objects.all().delete()
    assert send(shop).status_code == 202
    assert Job.objects.count() == 1


def test_a_failure_frees_the_key(shop: Client) -> None:
    assert send(shop, model="isnet-anime").status_code == 422
    assert send(shop).status_code == 202


def test_without_a_key_each_is_another_job_and_nothing_is_kept(shop: Client) -> None:
    for _ in range(2):
        assert shop.post(JOBS, {"files": sent("a.jpg")}).status_code == 202
    assert Job.objects.count() == 2
    assert not Receipt.objects.exists()


@pytest.mark.parametrize("key", ["k" * 256, "a\tb", "\x7f"])
def test_a_key_that_is_none_is_refused(shop: Client, key: str) -> None:
    answer = send(shop, key=key)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/header/Idempotency-Key")


def test_the_second_hears_at_once_that_the_first_still_runs(shop: Client, alice: User) -> None:
    send(shop)
    Receipt.objects.update(answer=None, job=None)
    answer = send(shop)
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (409, "request_in_progress", "1")
    assert reused(send(shop, "b.jpg"))


@pytest.mark.django_db(transaction=True)
def test_of_two_that_race_one_creates(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first waits in the middle of its work until the second has been answered."""
    shop, answers = program(alice), []
    begun, answered, at = threading.Event(), threading.Event(), look.at

    def slowly(files: Any) -> Any:
        begun.set()
        assert answered.wait(30)
        return at(files)

    def first() -> None:
        answers.append(send(shop))
        connection.close()

    monkeypatch.setattr(look, "at", slowly)
    thread = threading.Thread(target=first)
    thread.start()
    assert begun.wait(30)
    second = send(program_of(shop))
    answered.set()
    thread.join()
    assert (second.status_code, second["Retry-After"]) == (409, "1")
    assert answers[0].status_code == 202
    assert send(shop).content == answers[0].content
    assert Job.objects.count() == 1


def program_of(client: Client) -> Client:
    """Another connection of the same program."""
    return Client(headers={"Authorization": client.defaults["HTTP_AUTHORIZATION"]})
