"""What has happened is written down with it, once, for those who want to be told."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Q
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import resolve, reverse
from django.utils import timezone

from processing import housekeeping, ledger, outbox, storage, variants
from processing.errors import PhotoError
from processing.hooks import callback
from processing.intake import photos, products
from processing.intake.mending import mend
from processing.models import Callback, Delivery, Endpoint, Event, EventType, Job, ProductRow, Upload
from processing.verdicts import redo
from tests import make
from tests.api.programs import program

URL = "https://shop.example.com/told"


def told(to: Endpoint) -> list[tuple[str, int]]:
    """The types of what an endpoint is told, each with the id of its job or upload, in order."""
    bodies = [one.event for one in to.deliveries.select_related("event").order_by("pk")]
    data = [json.loads(event.body)["data"] for event in bodies]
    return [(event.type, its.get("upload_id", its["job_id"])) for event, its in zip(bodies, data, strict=True)]


def body(type: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Event.objects.get(type=type).body)
    return found


@pytest.fixture
def endpoint(alice: User) -> Endpoint:
    return make.endpoint(alice, URL)


def failing(upload: Upload, code: str = "no_face_found") -> None:
    claim = ledger.claim(upload.pk)
    assert claim
    ledger.fail(claim, PhotoError(code))


# ---- photos --------------------------------------------------------------------------------------------------------


def test_a_completed_photo_is_told_with_its_result_and_then_its_job(alice: User, endpoint: Endpoint) -> None:
    upload = make.finish(make.upload(alice))
    assert told(endpoint) == [("upload.completed", upload.pk), ("job.completed", upload.job_id)]
    data, result = body("upload.completed")["data"], upload.variants.get(name="result")
    assert data == {
        "id": upload.pk, "upload_id": upload.pk, "job_id": upload.job_id, "name": upload.name, "status": "completed",
        "error": None, "needs_review": False, "review_reason": "",
        "result": {
            "url": f"{data['urls']['self']}/result", "format": "jpg", "width": 80, "height": 60,
            "bytes": result.bytes, "sha256": result.sha256,
        },
        "urls": data["urls"],
    }  # fmt: skip


def test_a_job_that_ended_is_told_with_its_counts(alice: User, endpoint: Endpoint) -> None:
    job = make.job(alice, 2)
    first, second = job.uploads.order_by("position")
    failing(first)
    assert not Event.objects.filter(type__startswith="job.").exists()
    make.finish(second)
    data = body("job.completed")["data"]
    assert data == {
        "job_id": job.pk, "name": "Spring", "status": "completed",
        "summary": {"total": 2, "successful": 1, "failed": 1, "percentage": 100}, "to_review": 0, "urls": data["urls"],
    }  # fmt: skip


def test_a_photo_that_failed_is_told_with_why(alice: User, endpoint: Endpoint) -> None:
    upload = make.upload(alice)
    failing(upload)
    assert told(endpoint) == [("upload.failed", upload.pk), ("job.failed", upload.job_id)]
    error = body("upload.failed")["data"]["error"]
    assert (error["code"], error["message"], error["transient"]) == ("no_face_found", "No face was found.", False)


def test_what_is_tried_again_is_not_told(alice: User, endpoint: Endpoint) -> None:
    failing(make.upload(alice), "storage_unavailable")
    assert told(endpoint) == []


def test_a_photo_that_ends_its_worker_too_often_is_told(alice: User, endpoint: Endpoint, settings: Any) -> None:
    settings.ATTEMPTS = 1
    upload = make.upload(alice)
    assert ledger.claim(upload.pk)
    Upload.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    ledger.sweep()
    assert told(endpoint) == [("upload.failed", upload.pk), ("job.failed", upload.job_id)]


def test_a_photo_in_doubt_is_completed_and_to_be_looked_at(
    alice: User, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processing.doubts.reasons", lambda facts, recipe: ["The edge is in doubt."])
    upload = make.finish(make.upload(alice))
    assert [type for type, _ in told(endpoint)] == ["upload.completed", "upload.needs_review", "job.completed"]
    assert body("upload.needs_review")["data"]["review_reason"] == upload.review_reason != ""


def test_a_redo_that_failed_is_to_be_looked_at(alice: User, endpoint: Endpoint) -> None:
    upload = make.finish(make.upload(alice))
    Upload.objects.update(facts={"recipe": make.PLAIN.to_json()})
    Event.objects.all().delete()
    redo(Upload.objects.all(), {"quality": 20})
    failing(upload)
    assert told(endpoint) == [("upload.needs_review", upload.pk), ("job.completed", upload.job_id)]


# ---- jobs ----------------------------------------------------------------------------------------------------------


def test_cancelling_the_rest_of_a_job_ends_it(alice: User, endpoint: Endpoint) -> None:
    job, other = make.job(alice, 3), make.job(alice, 2)
    first, second, _ = job.uploads.order_by("position")
    failing(first)
    Event.objects.all().delete()
    ledger.cancel(Upload.objects.filter(Q(pk=second.pk) | Q(job=other)))
    assert told(endpoint) == [("job.cancelled", other.pk)]
    ledger.cancel(job.uploads.all())
    ledger.cancel(job.uploads.all())
    assert told(endpoint) == [("job.cancelled", other.pk), ("job.failed", job.pk)]


def test_an_open_job_ends_when_it_is_closed(alice: User, endpoint: Endpoint) -> None:
    job = make.job(alice, 1, is_open=True)
    failing(job.uploads.get())
    assert [type for type, _ in told(endpoint)] == ["upload.failed"]
    photos.close(job)
    photos.close(job)
    assert told(endpoint)[1:] == [("job.failed", job.pk)]


def test_a_job_that_was_forgotten_open_ends_when_it_is_closed_by_itself(alice: User, endpoint: Endpoint) -> None:
    long_ago = timezone.now() - timedelta(days=1)
    job = make.job(alice, 1, is_open=True, touched_at=long_ago)
    empty = make.job(alice, 0, is_open=True, touched_at=long_ago)
    csv = make.products(alice, 1, is_open=True, touched_at=long_ago)
    failing(job.uploads.get())
    ledger.cancel(csv.uploads.all())
    housekeeping.close_open_jobs()
    assert told(endpoint) == [
        ("upload.failed", job.uploads.get().pk),
        ("job.failed", job.pk),
        ("job.cancelled", csv.pk),
    ]
    assert not Job.objects.filter(pk=empty.pk).exists()


def test_a_job_that_ends_again_is_told_again(alice: User, endpoint: Endpoint) -> None:
    upload = make.upload(alice)
    callback.expect(upload.job, URL)
    for _ in range(2):
        failing(upload)
        ledger.retry(Upload.objects.all())
    assert Counter(type for type, _ in told(endpoint)) == {"upload.failed": 2, "job.failed": 2}
    assert Callback.objects.get().deliveries.count() == 1


def test_a_csv_whose_rows_were_all_completed_before_ends_as_it_starts(alice: User, endpoint: Endpoint) -> None:
    job = make.products(alice, 1, is_draft=True)
    ProductRow.objects.update(carried={"Output Image Urls": "https://example.com/a.jpg"})
    callback.expect(job, URL)
    products.start(job)
    assert told(endpoint) == [("job.completed", job.pk)]
    assert Callback.objects.get().deliveries.count() == 1
    products.fill(job)
    assert len(told(endpoint)) == 1


def test_taking_away_the_last_photo_that_was_waited_for_ends_a_csv(alice: User, endpoint: Endpoint) -> None:
    job = make.products(alice, 2)
    first, second = job.uploads.order_by("position")
    ledger.cancel(Upload.objects.filter(pk=first.pk))
    row = job.rows.get(row_photos__upload=second)
    mend(row, "urls", "")
    assert told(endpoint) == [("job.cancelled", job.pk)]


def test_deleting_a_job_tells_nothing(alice: User, endpoint: Endpoint, as_user: Callable[[User], Client]) -> None:
    job = make.job(alice)
    as_user(alice).post(reverse("job-delete", args=[job.pk]))
    assert told(endpoint) == []


# ---- who is told ---------------------------------------------------------------------------------------------------


def test_only_the_owners_endpoints_that_want_it_are_told(alice: User, bob: User) -> None:
    make.endpoint(bob, URL)
    make.endpoint(alice, URL, gone_at=timezone.now())
    jobs = make.endpoint(alice, URL, EventType.JOB_COMPLETED, EventType.JOB_FAILED)
    paused = make.endpoint(alice, URL, EventType.UPLOAD_COMPLETED, paused_at=timezone.now())
    make.finish(make.upload(alice))
    assert {one.endpoint_id: one.event.type for one in Delivery.objects.select_related("event")} == {
        jobs.pk: "job.completed", paused.pk: "upload.completed",
    }  # fmt: skip


def test_one_event_goes_to_all_and_to_the_callback(alice: User, endpoint: Endpoint) -> None:
    make.endpoint(alice, URL)
    upload = make.upload(alice)
    callback.expect(upload.job, URL)
    make.finish(upload)
    assert Event.objects.get(type="job.completed").deliveries.count() == 3


@pytest.mark.parametrize(("end", "said"), [(make.finish, "Completed"), (failing, "Failed")])
def test_a_callback_in_the_other_shape_is_told_exactly_that(
    alice: User, endpoint: Endpoint, end: Callable[[Upload], object], said: str
) -> None:
    upload = make.upload(alice)
    callback.expect(upload.job, URL, Callback.Shape.PRODUCT_CSV)
    end(upload)
    event = Callback.objects.get().deliveries.get().event
    assert json.loads(event.body) == {"request_id": upload.job_id, "status": said}
    assert told(endpoint)[-1] == (event.type, upload.job_id)


def test_where_nobody_listens_it_costs_one_query(alice: User, bob: User, django_assert_num_queries: Any) -> None:
    make.endpoint(bob, URL)
    upload = make.upload(alice)
    with transaction.atomic(), django_assert_num_queries(1):
        outbox.ended(outbox.hold(upload.job_id))
    make.finish(upload)
    assert not Event.objects.exists()


def test_cancelling_photos_of_many_jobs_takes_as_many_queries_as_of_one(alice: User) -> None:
    def queries(jobs: int) -> int:
        for _ in range(jobs):
            make.job(alice)
        with CaptureQueriesContext(connection) as captured:
            assert ledger.cancel(Upload.objects.all()) == jobs
        return len(captured)

    assert queries(1) == queries(20)


# ---- with the fact, and once ---------------------------------------------------------------------------------------


def test_nothing_is_told_of_what_is_taken_back(alice: User, endpoint: Endpoint) -> None:
    upload = make.upload(alice)
    with pytest.raises(OSError), transaction.atomic():
        make.finish(upload)
        raise OSError
    assert not Event.objects.exists()


def test_a_worker_that_lost_its_claim_tells_nothing(alice: User, endpoint: Endpoint) -> None:
    upload = make.upload(alice)
    claim = ledger.claim(upload.pk)
    assert claim
    ledger.cancel(Upload.objects.all())
    Event.objects.all().delete()
    ledger.fail(claim, PhotoError("no_face_found"))
    assert not Event.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_job_whose_last_photos_end_at_once_is_told_once(alice: User, endpoint: Endpoint) -> None:
    job = make.job(alice, 8)
    claims = [ledger.claim(upload.pk) for upload in job.uploads.all()]
    barrier = threading.Barrier(len(claims))

    def end(claim: ledger.Claim | None, number: int) -> None:
        assert claim
        try:
            barrier.wait(10)
            if number % 2:
                ledger.fail(claim, PhotoError("no_face_found"))
            else:
                key = storage.new_key(claim.owner_id, claim.job_id, "results", "jpg")
                ledger.finish(claim, [variants.File("result", storage.write(key, [b"jpg"]), "jpg", 80, 60)], {})
        finally:
            connection.close()

    threads = [threading.Thread(target=end, args=pair) for pair in zip(claims, count(), strict=False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(type for type, _ in told(endpoint)) == {
        "upload.completed": 4, "upload.failed": 4, "job.completed": 1,
    }  # fmt: skip


# ---- what is told --------------------------------------------------------------------------------------------------


def test_the_addresses_that_are_told_are_there(alice: User, endpoint: Endpoint) -> None:
    make.finish(make.upload(alice))
    csv = make.products(alice, 1)
    ledger.cancel(csv.uploads.all())
    upload, job = body("upload.completed")["data"], body("job.completed")["data"]
    addresses = [*upload["urls"].values(), upload["result"]["url"], *job["urls"].values()]
    addresses += body("job.cancelled")["data"]["urls"].values()
    addresses = [address for address in addresses if address]
    assert len(addresses) == 13
    for address in addresses:
        resolve(address.removeprefix("http://127.0.0.1:8000"))


def within(told: Any, known: Any) -> bool:
    """All that is told is known, field by field."""
    if isinstance(told, dict):
        return isinstance(known, dict) and all(name in known and within(told[name], known[name]) for name in told)
    return bool(told == known)


def test_what_is_told_is_what_the_api_says(alice: User, endpoint: Endpoint) -> None:
    csv = make.products(alice, 1)
    for upload, end in ((make.upload(alice), make.finish), (make.upload(alice), failing)):
        end(upload)
    ledger.cancel(csv.uploads.all())
    events = list(Event.objects.all())
    assert {event.type for event in events} == {
        "upload.completed", "upload.failed", "job.completed", "job.failed", "job.cancelled",
    }  # fmt: skip
    for event in events:
        data = json.loads(event.body)["data"]
        assert within(data, program(alice).get(data["urls"]["self"]).json()), event.type


@pytest.mark.parametrize("type", EventType.values)
def test_an_example_looks_like_what_it_is_an_example_of(alice: User, endpoint: Endpoint, type: str) -> None:
    make.finish(make.upload(alice))
    real = body(f"{type.partition('.')[0]}.completed")["data"]
    trying = make.endpoint(alice, URL, EventType(type))
    delivery = outbox.example(trying)
    example = json.loads(delivery.event.body)
    assert (delivery.endpoint, example["type"], example["data"].pop("test")) == (trying, type, True)
    assert example["data"].keys() == real.keys()
    assert example["data"]["status"] == {"upload.needs_review": "completed"}.get(type, type.partition(".")[2])
