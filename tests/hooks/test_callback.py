"""An address is told once that a job has ended, over real connections, and again while it does not hear."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from unittest.mock import Mock

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from standardwebhooks import Webhook

from processing import ledger
from processing.errors import PhotoError
from processing.hooks import callback, signing
from processing.models import Callback, Job, ProductCsv
from tests import make
from tests.receiver import ENDLESS, HANG_UP, SILENCE, Receiver, listening


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    with listening() as made:
        settings.FETCH_ALLOW = made.allow
        yield made


def ended(owner: User, *states: str, **values: Any) -> Job:
    """A job with a photo in each of these states."""
    job = make.job(owner, len(states), **values)
    for upload, state in zip(job.uploads.order_by("position"), states, strict=True):
        job.uploads.filter(pk=upload.pk).update(status=state, finished_at=timezone.now())
    return job


def expected(job: Job, url: str) -> Callback:
    callback.expect(job, url)
    return Callback.objects.get(job=job)


def again(row: Callback) -> Callback:
    return Callback.objects.get(pk=row.pk)


def later(row: Callback) -> None:
    """Its next try is due."""
    Callback.objects.filter(pk=row.pk).update(not_before=None)


# ---- what is expected ----------------------------------------------------------------------------------------------


def test_an_address_is_judged_before_it_is_kept(alice: User) -> None:
    job = ended(alice)
    for url, code in (("htp://x", "invalid_image_url"), ("http://127.0.0.1/", "fetch_blocked_address")):
        with pytest.raises(PhotoError) as raised:
            callback.expect(job, url)
        assert raised.value.code == code
    assert not Callback.objects.exists()


def test_an_empty_address_takes_the_callback_away(alice: User) -> None:
    job = ended(alice)
    expected(job, "https://example.com/told")
    callback.expect(job, " ")
    assert not Callback.objects.exists()


def test_a_new_address_begins_anew_and_the_same_one_is_not_told_twice(alice: User, receiver: Receiver) -> None:
    row = expected(ended(alice), receiver.url)
    callback.call(row.pk)
    callback.expect(row.job, receiver.url)
    assert callback.due() == []
    callback.expect(row.job, receiver.url + "/else")
    assert callback.due() == [row.pk]
    assert (again(row).attempts, again(row).delivered_at) == (0, None)


# ---- who is due ----------------------------------------------------------------------------------------------------


def test_only_jobs_that_have_ended_are_told(alice: User) -> None:
    waiting = [
        ended(alice, "completed", "queued"),
        ended(alice, "processing"),
        ended(alice, "new"),
        ended(alice, "completed", is_open=True),
        ended(alice, is_draft=True),
        ended(alice, "completed", deleted_at=timezone.now()),
    ]
    for job in waiting:
        expected(job, "https://example.com/told")
    assert callback.due() == []
    for job in (ended(alice, "completed", "failed", "cancelled"), ended(alice)):
        row = expected(job, "https://example.com/told")
        assert callback.due() == [row.pk]
        row.delete()


def test_many_of_one_person_do_not_hold_up_anothers(alice: User, bob: User) -> None:
    rows = [expected(ended(owner), "https://example.com/told") for owner in (alice, alice, bob, bob)]
    assert callback.due() == [rows[0].pk, rows[2].pk]


def test_what_is_not_due_is_not_called(alice: User, receiver: Receiver) -> None:
    callback.call(4711)
    callback.call(expected(ended(alice, "queued"), receiver.url).pk)
    assert receiver.got == []


# ---- what is told --------------------------------------------------------------------------------------------------


def test_a_job_that_ended_is_told_once_signed_for_its_owner(alice: User, receiver: Receiver) -> None:
    job = ended(alice, "completed", "completed", "failed")
    row = expected(job, receiver.url)
    callback.call(row.pk)
    callback.call(row.pk)
    [sent] = receiver.got
    told = Webhook(signing.secret_of(alice)).verify(sent.body, dict(sent.headers))
    assert told["type"] == "job.completed"
    assert told["data"] == {
        "job_id": job.pk, "request_id": job.pk, "status": "completed",
        "summary": {"total": 3, "successful": 2, "failed": 1, "percentage": 100},
    }  # fmt: skip
    assert datetime.fromisoformat(told["timestamp"]) == job.uploads.latest("finished_at").finished_at
    assert sent.headers["content-type"] == "application/json"
    assert again(row).delivered_at
    assert (again(row).answer, again(row).attempts, callback.due()) == ("200 OK", 1, [])


@pytest.mark.parametrize(
    ("states", "type"),
    [(["failed"], "job.failed"), (["completed", "cancelled"], "job.cancelled"), ([], "job.completed")],
)
def test_the_type_says_how_it_ended(states: list[str], type: str, alice: User, receiver: Receiver) -> None:
    callback.call(expected(ended(alice, *states), receiver.url).pk)
    assert json.loads(receiver.got[0].body)["type"] == type


def test_a_product_csv_comes_with_the_address_of_its_results(alice: User, receiver: Receiver, settings: Any) -> None:
    job = ended(alice, "completed")
    ProductCsv.objects.create(job=job, name="a.csv", key="k", bytes=1, delimiter=",", header=[], columns={})
    callback.call(expected(job, receiver.url).pk)
    data = json.loads(receiver.got[0].body)["data"]
    assert data["csv_url"] == f"{settings.URL}/products/{job.pk}/results.csv"


# ---- what comes back -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 204])
def test_any_2xx_is_heard(status: int, alice: User, receiver: Receiver) -> None:
    receiver.answers = [status]
    row = expected(ended(alice), receiver.url)
    callback.call(row.pk)
    assert again(row).delivered_at


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (500, "500 Internal Server Error"),
        (302, "302 Found"),
        (404, "404 Not Found"),
        (599, "599"),
        (HANG_UP, "It did not answer."),
        (SILENCE, "It did not answer."),
    ],
)
def test_anything_else_is_tried_again(
    answer: int | str, text: str, alice: User, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callback, "CALL_SECONDS", 0.2 if answer == SILENCE else 30)
    receiver.answers, receiver.location = [answer], receiver.url
    row = expected(ended(alice), receiver.url)
    callback.call(row.pk)
    assert len(receiver.got) == 1  # no redirect is followed
    assert (again(row).answer, again(row).delivered_at, again(row).given_up_at) == (text, None, None)
    assert callback.due() == []
    assert Callback.objects.filter(not_before__gt=timezone.now()).exists()


def test_a_body_without_end_is_not_read(alice: User, receiver: Receiver) -> None:
    receiver.answers = [ENDLESS]
    row = expected(ended(alice), receiver.url)
    callback.call(row.pk)
    assert again(row).delivered_at


def test_one_that_is_gone_is_never_called_again(alice: User, receiver: Receiver) -> None:
    receiver.answers = [410]
    row = expected(ended(alice), receiver.url)
    callback.call(row.pk)
    assert again(row).given_up_at
    assert (again(row).answer, callback.due()) == ("410 Gone", [])
    callback.expect(row.job, receiver.url)  # somebody asks for it again
    assert callback.due() == [row.pk]


def test_a_second_try_carries_the_same_id_and_the_same_body(alice: User, receiver: Receiver) -> None:
    receiver.answers = [500, 200]
    row = expected(ended(alice, "completed"), receiver.url)
    for _ in range(2):
        later(row)
        callback.call(row.pk)
    first, second = receiver.got
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
    assert (again(row).attempts, again(row).answer) == (2, "200 OK")


def test_the_waits_grow_by_the_schedule_until_it_is_given_up(alice: User, receiver: Receiver) -> None:
    receiver.answers = [500]
    row = expected(ended(alice), receiver.url)
    waits: list[float] = []
    while again(row).given_up_at is None:
        later(row)
        asked = timezone.now()
        callback.call(row.pk)
        due = again(row).not_before
        waits += [(due - asked).total_seconds()] if due else []
    least = [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]
    assert all(low <= wait < low * 1.2 + 30 for low, wait in zip(least, waits, strict=True))
    assert all(one < other for one, other in pairwise(waits))
    assert len(receiver.got) == len(callback.SCHEDULE) == 10


def test_a_job_that_is_retried_after_it_was_told_is_not_told_again(alice: User, receiver: Receiver) -> None:
    job = ended(alice, "failed")
    row = expected(job, receiver.url)
    callback.call(row.pk)
    ledger.retry(job.uploads.all())
    job.uploads.update(status="completed")
    assert callback.due() == []


# ---- two workers, and one that dies --------------------------------------------------------------------------------


def test_two_workers_do_not_both_call(alice: User, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    row = expected(ended(alice), receiver.url)
    body = callback._body

    def and_another_worker(job: Job) -> bytes:
        monkeypatch.setattr(callback, "_body", body)
        callback.call(row.pk)  # between the first one's look and its claim
        return body(job)

    monkeypatch.setattr(callback, "_body", and_another_worker)
    callback.call(row.pk)
    assert len(receiver.got) == 1


def test_a_worker_that_dies_while_calling_leaves_it_to_be_called_again(
    alice: User, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = expected(ended(alice), receiver.url)
    dies = Mock(side_effect=SystemExit)
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(callback, "_keep", dies)
        callback.call(row.pk)
    assert again(row).delivered_at is None
    assert callback.due() == []  # until the claim is over
    Callback.objects.update(not_before=timezone.now() - timedelta(seconds=1))
    callback.call(row.pk)
    assert again(row).delivered_at
    first, second = receiver.got
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


def test_an_answer_to_an_address_that_was_changed_meanwhile_is_not_kept(
    alice: User, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = expected(ended(alice), receiver.url)
    post = callback._call

    def and_somebody_changes_it(*args: Any) -> callback.Answer:
        callback.expect(row.job, receiver.url + "/else")
        return post(*args)

    monkeypatch.setattr(callback, "_call", and_somebody_changes_it)
    callback.call(row.pk)
    assert again(row).delivered_at is None
    assert callback.due() == [row.pk]


# ---- where nothing is sent -----------------------------------------------------------------------------------------


def test_nothing_is_sent_to_an_address_that_is_not_allowed_any_more(
    alice: User, receiver: Receiver, settings: Any
) -> None:
    row = expected(ended(alice), receiver.url)
    settings.FETCH_ALLOW = frozenset()
    callback.call(row.pk)
    assert receiver.got == []
    assert (again(row).answer, again(row).delivered_at) == ("This server may not fetch this address.", None)
